"""`flowcodec eval` of videos: whole files, and P-frames after a lossless frame."""

import json
from fractions import Fraction

import pytest
from PIL import Image

from flowcodec.cli.main import main
from flowcodec.evaluation.video import clic20
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.inter_samples import untrained
from tests.evaluation.moving import moving_texture


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    """Runs the command on a folder with small weights and gives its JSON."""
    monkeypatch.setattr(clic20, "SWEEP", (20, 30, 40))
    weights = untrained("patch", tmp_path).path

    def call(folder, *words):
        out = tmp_path / "out.json"
        base = ["eval", "--model", "video-mofnet", "--data", str(folder), "--json", str(out)]
        status = main([*base, "--weights", str(weights), "--qualities", "2,6", *words])
        return status, json.loads(out.read_text("utf-8")) if status == 0 else None

    return call


def save_frames(folder, count, size=176):
    folder.mkdir(parents=True)
    for number, frame in enumerate(moving_texture(size, size, (1.5, -0.5), count)):
        Image.fromarray(frame).save(folder / f"{number}.png")


def test_p_frames_of_pairs_beside_x265(evaluate, tmp_path):
    save_frames(tmp_path / "pairs" / "two", 2)
    save_frames(tmp_path / "pairs" / "five", 5)
    status, told = evaluate(tmp_path / "pairs", "--protocol", "clic20-pframe", "--pairs", "2")
    assert status == 0
    assert set(told["curves"]["ours"]) == {"two:0", "five:0", "five:3"}
    for pair, points in told["curves"]["x265-medium"].items():
        assert [point["quality"] for point in points] == [20, 30, 40], pair
        sizes = [point["bytes"] for point in points]
        quality = [point["ms-ssim-db-yuv"] for point in points]
        assert sizes == sorted(sizes, reverse=True) and quality == sorted(quality, reverse=True)
        # One access unit, where a whole stream with its lossless frame takes tens of kilobytes.
        assert sizes[-1] < 3000
    assert set(told["bd_rate"]["x265-medium"]) == {"ms-ssim", "psnr"}
    pairs = {"two:0", "five:0", "five:3"}
    assert set(told["bd_rate"]["x265-medium"]["psnr"]) == {"mean", "median"} | pairs


def test_the_reference_of_a_p_frame_is_lossless(tmp_path):
    save_frames(tmp_path / "pairs" / "two", 2)
    (pair,) = clic20.read_pairs(tmp_path / "pairs", 3)
    still = clic20.replace(pair, frames=pair.frames[:1] * 2, planes=pair.planes[:1] * 2)
    (points,) = clic20.evaluate_x265([still], lambda: None).values()
    assert points[-1].bytes < 200 and points[-1].psnr > 30


def test_whole_files_of_a_folder(evaluate, tmp_path):
    (tmp_path / "clips").mkdir()
    format = usual_format(64, 48, Fraction(25))
    with create_video(tmp_path / "clips" / "a.y4m", format) as video:
        for frame in moving_texture(48, 64, (1.0, 0.0), 32):
            video.write(frame)
    status, told = evaluate(tmp_path / "clips")
    assert status == 0
    low, high = told["curves"]["video-mofnet"]["a"]
    assert 0 < low["bpp"] < high["bpp"] and len(low["frame-psnr"]) == 32


def test_one_frame_is_no_pair(evaluate, tmp_path, capsys):
    save_frames(tmp_path / "pairs" / "one", 1, 32)
    status, _ = evaluate(tmp_path / "pairs", "--protocol", "clic20-pframe")
    assert status == 2
    assert "one has 1 frames, 32 are wanted" in capsys.readouterr().err


def test_options_that_mean_nothing_are_refused(capsys, tmp_path):
    words = ["eval", "--model", "image-cnn", "--data", str(tmp_path), "--protocol", "clic20-pframe"]
    assert main(words) == 2
    assert "--protocol means nothing to image-cnn" in capsys.readouterr().err

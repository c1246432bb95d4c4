"""Compression is compared with what was stored."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import compression
from benchmarks.compression import FRAMES, VIDEOS, main
from benchmarks.curves import bundled
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.evaluation.moving import moving_texture

ENTRY = {
    "metric": "mse",
    "weights": "0ee49bbd",
    "qualities": [2.0, 4.0, 6.0, 8.0],
    "bytes": [1000, 3000, 9000, 20000],
    "psnr": [28.0, 32.0, 37.0, 41.0],
    "ms-ssim": [0.95, 0.98, 0.99, 0.995],
}


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where expectations are stored for now: nothing is."""
    path = tmp_path / "expected.json"
    monkeypatch.setattr(compression, "EXPECTED", path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, entry: dict[str, object], *words: str) -> tuple[int, str]:
    """Status and output where `entry` is found on Kodak."""
    monkeypatch.setattr(compression, "works", lambda data: ["all"])
    monkeypatch.setattr(compression, "measured", lambda work, jobs: [("kodak, model, mse", entry)])
    result = CliRunner().invoke(main, list(words))
    return result.exit_code, result.output


def test_a_loss_fails_and_a_gain_is_told(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, told = run(monkeypatch, ENTRY, "--store")
    assert status == 0 and "nothing is stored" in told
    assert json.loads(stored.read_text()) == {"kodak, model, mse": ENTRY}
    assert run(monkeypatch, ENTRY) == (
        0,
        "kodak, model, mse: 1.0000 of the bytes at equal quality\n",
    )
    for factor, status, word in ((1.02, 1, ": lost\n"), (1.005, 0, "\n"), (0.98, 0, "--store\n")):
        entry = {**ENTRY, "bytes": [round(factor * size) for size in ENTRY["bytes"]]}
        found = run(monkeypatch, entry)
        assert found[0] == status
        assert f": {factor:.3f}" in found[1] and found[1].endswith(word)
    assert "other weights" in run(monkeypatch, {**ENTRY, "weights": "11111111"})[1]
    assert json.loads(stored.read_text()) == {"kodak, model, mse": ENTRY}


def test_without_data_nothing_is_compared(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert result.exit_code == 0
    assert "neither the Kodak pictures nor the videos" in result.output


def test_what_is_there_is_coded(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video of few pixels, which has no MS-SSIM, by weights for MSE."""
    (tmp_path / "video").mkdir()
    path = tmp_path / "video" / f"{VIDEOS[0]}.mkv"
    with create_video(path, usual_format(32, 32, Fraction(25))) as video:
        for frame in moving_texture(32, 32, (1.0, 0.5), FRAMES):
            video.write(frame)
    some = [of for of in bundled() if of.metric == "mse"]
    monkeypatch.setattr(compression, "bundled", lambda: some)
    monkeypatch.setattr(compression, "VIDEO_QUALITIES", (2.0,))
    result = CliRunner().invoke(main, ["--data", str(tmp_path), "--jobs", "1", "--store"])
    assert result.exit_code == 0, result.output
    (key,) = found = json.loads(stored.read_text())
    assert key == f"{VIDEOS[0]}, video-mofnet, mse"
    assert found[key]["weights"] == next(of.weights for of in some if of.kind == "inter")
    assert len(found[key]["bytes"]) == len(found[key]["psnr"]) == 1

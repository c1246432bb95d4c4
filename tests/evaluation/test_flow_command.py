"""`flowcodec eval --model flow-deeppynet` over pairs with known flow and over clips."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from flowcodec.cli.main import main
from flowcodec.evaluation.flow.published import published_flows
from flowcodec.media.flow import write_flow
from flowcodec.models.flow_deeppynet.config import PRESETS
from tests.evaluation.moving import moving_texture, save_pair

EVAL = ["eval", "--model", "flow-deeppynet", "--data"]
MOTION = (4.0, -3.0)


class OffByTwo:
    """An estimator that is two pixels wrong everywhere."""

    weights = SimpleNamespace(config=PRESETS["tiny"])

    def flow(self, a, b):
        assert a.dtype == b.dtype == np.uint8 and a.shape == b.shape and a.shape[2] == 3
        return np.full((*a.shape[:2], 2), (MOTION[0] + 2, MOTION[1]), np.float32)


@pytest.fixture
def loaded(monkeypatch):
    """Who asks for an estimator gets the stand-in; the calls are recorded."""
    calls = []

    def load(name, **options):
        calls.append((name, options))
        return OffByTwo()

    monkeypatch.setattr("flowcodec.codecs.loading.flow_estimator", load)
    monkeypatch.setenv("COLUMNS", "140")
    return calls


@pytest.fixture
def no_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr("flowcodec.evaluation.flow.methods.find_spec", lambda name: None)


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "flow"
    save_pair(folder / "chalk" / "one", 48, 64, MOTION)
    save_pair(folder / "chalk" / "two", 32, 64, MOTION)
    save_pair(folder / "slate" / "one", 40, 56, MOTION)
    hidden = np.zeros((40, 56), np.uint8)
    hidden[:10, 10:20] = 255
    Image.fromarray(hidden).save(folder / "slate" / "one" / "occ.png")
    return folder


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for name, motion in (("swift", (6, 0)), ("calm", MOTION)):
        (folder / name).mkdir(parents=True)
        for number, frame in enumerate(moving_texture(64, 96, motion, frames=3)):
            Image.fromarray(frame).save(folder / name / f"{number}.png")
    return folder


def test_pairs_give_tables_and_json(tmp_path, pairs, loaded, capsys):
    pytest.importorskip("cv2")
    out = tmp_path / "out.json"
    status = main(
        [*EVAL, str(pairs), "--against", "dis-medium", "--json", str(out)]
        + ["--weights", "mine.safetensors", "--device", "cpu"]
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    [(name, options)] = loaded
    assert name == "flow-deeppynet"
    assert options["weights"].name == "mine.safetensors" and options["device"] == "cpu"
    assert options["threads"] is None
    written = json.loads(out.read_text("utf-8"))
    assert "mine.safetensors" in written["description"]
    assert list(written["data_sets"]) == ["chalk", "slate"]
    for row in written["data_sets"].values():
        assert list(row) == ["flow-deeppynet", "dis-medium", "zero"]
        assert row["flow-deeppynet"]["mean"]["epe"]["known"] == 2
        assert row["zero"]["mean"]["epe"]["known"] == 5
        assert row["dis-medium"]["mean"]["epe"]["known"] < 2
        assert row["zero"]["mean"]["percent"]["fl-all"] == 100
        assert all(method["mean"]["seconds"] >= 0 for method in row.values())
    chalk, slate = written["data_sets"]["chalk"], written["data_sets"]["slate"]
    assert list(chalk["zero"]["per_pair"]) == ["one", "two"]
    assert chalk["zero"]["mean"]["pixels"]["known"] == 64 * (24 + 16)
    assert "matched" not in chalk["zero"]["mean"]["epe"]
    # By hand: 10 x 10 hidden, and of the rest 3 rows above and 4 columns at the right that leave.
    assert slate["zero"]["mean"]["pixels"]["unmatched"] == 100 + 3 * 46 + 4 * 17
    for text in ("chalk: 2 pairs, 2,560 pixels", "slate: 1 pair", "DIS medium", "unmatched"):
        assert text in printed.out
    assert "chalk: EPE of each pair" in printed.out and "slate: EPE of each" not in printed.out
    assert "PWC-Net" in printed.out and "of full data sets: MPI-Sintel" in printed.out
    assert ", here" not in printed.out  # nothing that others published errors of
    assert {row["name"] for row in written["published"]["methods"]} >= {"PWC-Net", "DeepPyNet"}


def test_sintel_as_it_is_published_is_measured(tmp_path, loaded, capsys):
    training = tmp_path / "MPI-Sintel" / "training"
    folders = {
        name: training / name / "alley_1" for name in ("clean", "final", "flow", "occlusions")
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    for number, frame in enumerate(moving_texture(40, 56, MOTION, frames=3), 1):
        Image.fromarray(frame).save(folders["clean"] / f"frame_{number:04}.png")
        Image.fromarray(frame // 2).save(folders["final"] / f"frame_{number:04}.png")
    hidden = np.zeros((40, 56), np.uint8)
    hidden[20:30, 10:20] = 255
    for number in (1, 2):
        vectors = np.full((40, 56, 2), MOTION, np.float32)
        write_flow(folders["flow"] / f"frame_{number:04}.flo", vectors)
        Image.fromarray(hidden).save(folders["occlusions"] / f"frame_{number:04}.png")
    out = tmp_path / "out.json"
    data = ["--data", str(tmp_path / "MPI-Sintel")]
    words = ["eval", "--model", "flow-deeppynet", *data, "--against", "", "--json", str(out)]
    assert main(words) == 0
    written = json.loads(out.read_text("utf-8"))["data_sets"]
    assert list(written) == ["sintel_clean", "sintel_final"]
    for row in written.values():
        ours = row["flow-deeppynet"]
        assert list(ours["per_pair"]) == ["alley_1/frame_0001", "alley_1/frame_0002"]
        assert ours["mean"]["epe"]["matched"] == ours["mean"]["epe"]["unmatched"] == 2
        leaving = 3 * 56 + 4 * 40 - 3 * 4
        assert ours["mean"]["pixels"]["unmatched"] == 2 * (100 + leaving)
    printed = capsys.readouterr().out
    ours, still, others = (
        [cell.strip() for cell in line.strip("│ ").split("│")]
        for line in printed.splitlines()
        if line.startswith(("│ flow-deeppynet, here", "│ no motion, here", "│ PWC-Net"))
    )
    assert ours[1:] == ["2.00", "2.00", "-", "-", "-"] and still[1:3] == ["5.00", "5.00"]
    assert others[1:3] == ["2.55", "3.93"]
    assert "Pairs measured here: Sintel clean 2, Sintel final 2." in printed


def test_clips_give_psnr(tmp_path, clips, loaded, capsys):
    pytest.importorskip("cv2")
    out = tmp_path / "out.json"
    assert main([*EVAL, str(clips), "--against", "farneback", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    written = json.loads(out.read_text("utf-8"))["sequences"]
    assert list(written) == ["calm", "swift"]
    for row in written.values():
        assert list(row) == ["flow-deeppynet", "farneback", "zero"]
        assert row["farneback"]["mean"]["psnr"] > row["zero"]["mean"]["psnr"] + 3
        assert len(row["zero"]["per_pair"]["psnr"]) == 2
    assert main([*EVAL, str(clips / "calm"), "--against", "", "--json", str(out)]) == 0
    [alone] = json.loads(out.read_text("utf-8"))["sequences"].values()
    assert alone["zero"]["mean"]["psnr"] == written["calm"]["zero"]["mean"]["psnr"]
    assert f"{written['calm']['zero']['mean']['psnr']:.2f}" in printed
    assert "PWC-Net" not in printed


def test_without_opencv_ours_is_measured_alone(pairs, loaded, no_opencv, capsys):
    assert main([*EVAL, str(pairs)]) == 0
    printed = capsys.readouterr().out
    assert "flow-deeppynet" in printed and "DIS medium" not in printed
    assert "pip install 'flowcodec[bench]'" in printed
    assert main([*EVAL, str(pairs), "--against", ""]) == 0
    assert "pip install" not in capsys.readouterr().out


def test_what_cannot_be_done_is_told_before_weights_are_loaded(
    tmp_path, pairs, loaded, no_opencv, capsys
):
    (tmp_path / "empty").mkdir()
    for words, text in (
        ([str(pairs), "--against", "dis-medium"], "needs opencv-python-headless"),
        ([str(pairs), "--against", "raft"], "choose from dis-ultrafast"),
        ([str(pairs), "--qualities", "1-3"], "--qualities means nothing to flow-deeppynet"),
        ([str(pairs), "--metric", "mse"], "--metric means nothing to flow-deeppynet"),
        ([str(tmp_path / "empty")], "nor does it hold videos or folders of frames"),
        ([str(tmp_path / "absent")], "absent is not a folder"),
    ):
        assert main([*EVAL, *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert text in line
    assert main(["eval", "--data", str(pairs), "--against", "farneback"]) == 2
    assert "--against means nothing to image-cnn" in capsys.readouterr().err
    assert not loaded


def test_published_figures_name_their_sources():
    published = published_flows()
    methods = {method.name: method for method in published.methods}
    assert (methods["PWC-Net"].sintel_clean, methods["PWC-Net"].sintel_final) == (2.55, 3.93)
    assert (methods["DeepPyNet"].sintel_clean, methods["DeepPyNet"].sintel_final) == (1.4, 2.5)
    assert {method.source for method in published.methods} == set(published.sources)

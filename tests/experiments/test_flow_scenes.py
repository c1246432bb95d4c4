"""Measurements of flow run through on little, and say what they should."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from experiments import flow_picture, flow_scenes
from flowcodec.evaluation.flow.methods import ZERO, FlowMethod
from tests.training.pictures import draw, draw_folder


def test_generated_pairs_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setattr(flow_scenes, "HEIGHT", 64)
    monkeypatch.setattr(flow_scenes, "WIDTH", 96)
    out = tmp_path / "out.json"
    pictures = draw_folder(tmp_path / "pictures", 4)
    words = ["--data", str(pictures), "--count", "3", "--held-out", "2", "--threads", "1"]
    threads = torch.get_num_threads()
    result = CliRunner().invoke(flow_scenes.main, [*words, "--json", str(out)])
    torch.set_num_threads(threads)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    names = ["flow-deeppynet", "dis-ultrafast", "dis-medium", "farneback", "zero"]
    for kind in ("objects", "furniture"):
        assert list(found[kind]) == names
        assert found[kind]["zero"]["epe"]["known"] > 0
    assert found["objects"]["zero"] != found["furniture"]["zero"]
    assert found["still"]["zero"] == 0
    assert 0 < found["still"]["flow-deeppynet"] < 0.5


def test_generated_pairs_are_always_the_same() -> None:
    found = [list(flow_scenes.pairs([draw(1), draw(2)], 2, 0.5)) for _ in range(2)]
    for one, other in zip(*found, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    first, _, flow, occluded = found[0][0]
    assert first.shape == (384, 512, 3) and first.dtype == np.uint8
    assert flow.shape == (384, 512, 2) and occluded.shape == (384, 512)


def test_a_still_pair_differs_by_its_noise_alone() -> None:
    def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (second.astype(np.float32) - first)[..., :2]

    gray = np.full((64, 64, 3), 128, np.uint8)
    noise = FlowMethod("noise", "noise", "", difference)
    # Two channels, each of noise of 2 twice over: a Rayleigh mean of 2 sqrt(2) sqrt(pi / 2).
    assert flow_scenes.still_length(noise, [gray]) == pytest.approx(3.54, rel=0.05)
    assert flow_scenes.still_length(ZERO, [gray]) == 0


def test_the_picture_of_the_guide(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    target = tmp_path / "flow.png"
    assert CliRunner().invoke(flow_picture.main, [str(target)]).exit_code == 0
    with Image.open(target) as picture:
        rows = len(flow_picture.SCENES)
        assert picture.size == (4 * flow_picture.WIDTH, rows * flow_picture.HEIGHT)

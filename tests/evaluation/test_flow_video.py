"""Frames predicted from the next one by flow, on clips whose motion is known."""

import json

import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.methods import ZERO, FlowMethod
from flowcodec.evaluation.flow.video import (
    evaluate_sequences,
    find_sequences,
    pairs_in,
    warp_psnr,
)
from flowcodec.evaluation.metrics import psnr
from tests.evaluation.moving import moving_texture

MOTION = (3.25, -1.5)


def constant(motion):
    def flow(a, b):
        return np.full((*a.shape[:2], 2), motion, np.float32)

    return FlowMethod("right", "right", "knows the motion", flow)


def save_frames(folder, frames):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.png")


def test_without_motion_it_is_the_psnr_of_the_two_frames():
    first, second = moving_texture(20, 30, MOTION, frames=2)
    assert warp_psnr(first, second, ZERO.flow(first, second)) == pytest.approx(
        psnr(first, second), abs=1e-3
    )


def test_a_frame_is_looked_up_where_the_flow_points():
    """By hand: x + 1.5 of a row of three, and beyond the border its last sample."""
    second = np.repeat(np.uint8([[10, 50, 200]])[..., None], 3, axis=2)
    first = np.repeat(np.uint8([[125, 200, 190]])[..., None], 3, axis=2)
    flow = np.zeros((1, 3, 2), np.float32)
    flow[..., 0] = 1.5
    assert warp_psnr(first, second, flow) == pytest.approx(
        10 * np.log10(255**2 / (10**2 / 3)), abs=1e-3
    )


def test_the_error_of_rounding_is_the_least_there_is():
    frame = moving_texture(16, 16, (0, 0), frames=1)[0]
    assert warp_psnr(frame, frame, ZERO.flow(frame, frame)) == pytest.approx(58.92, abs=0.005)


def test_the_right_flow_predicts_better_than_none(tmp_path):
    save_frames(tmp_path / "clip", moving_texture(48, 64, MOTION, frames=4))
    seen = []
    results = evaluate_sequences(
        [constant(MOTION), ZERO], find_sequences(tmp_path), lambda: seen.append(None)
    )
    assert list(results) == ["clip"] and list(results["clip"]) == ["right", "zero"]
    right, zero = results["clip"].values()
    assert len(right.pairs) == len(zero.pairs) == len(seen) == 3
    assert right.psnr == pytest.approx(np.mean([pair.psnr for pair in right.pairs]))
    assert right.psnr > zero.psnr + 6
    assert right.cost.seconds > 0 and right.cost.kmacs is None
    written = json.loads(json.dumps(right.as_json()))
    assert written["mean"]["psnr"] == pytest.approx(right.psnr, abs=1e-4)
    assert len(written["per_pair"]["psnr"]) == len(written["per_pair"]["seconds"]) == 3


def test_sequences_are_videos_and_folders_of_frames(tmp_path):
    frames = moving_texture(16, 16, (1, 0), frames=3)
    save_frames(tmp_path / "b", frames)
    save_frames(tmp_path / "a", frames[:2])
    (tmp_path / "c.MKV").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    found = find_sequences(tmp_path)
    assert found == {name: tmp_path / name for name in ("a", "b", "c.MKV")}
    assert find_sequences(tmp_path / "b") == {"b": tmp_path / "b"}
    assert find_sequences(tmp_path / "c.MKV") == {"c.MKV": tmp_path / "c.MKV"}
    assert find_sequences(tmp_path / "empty") == find_sequences(tmp_path / "notes.txt") == {}
    assert pairs_in({name: found[name] for name in "ab"}) == 3


def test_what_has_no_motion_or_is_no_flow_is_told(tmp_path):
    first, second = moving_texture(16, 20, (1, 0), frames=2)
    save_frames(tmp_path / "one", [first])
    with pytest.raises(UsageError, match="has one frame"):
        evaluate_sequences([ZERO], find_sequences(tmp_path))
    with pytest.raises(UsageError, match="finite flow"):
        warp_psnr(first, second, np.full((16, 20, 2), np.nan, np.float32))
    with pytest.raises(UsageError, match="finite flow"):
        warp_psnr(first, second, np.zeros((20, 16, 2), np.float32))

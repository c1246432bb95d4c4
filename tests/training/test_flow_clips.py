"""Real video in training: which frames are drawn, and a loss that is least at the true flow."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from flowcodec.training.data.clips import Clips, load_clips, photometric_loss
from tests.evaluation.moving import moving_texture

MOTION = 3.0, -2.0


def constant(x: float, y: float) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, 48, 64)


@pytest.fixture(scope="module")
def frames() -> list[torch.Tensor]:
    """Two pictures (1, 3, 48, 64) between which everything moves by MOTION."""
    pictures = moving_texture(48, 64, MOTION, frames=2)
    return [torch.from_numpy(x.copy()).permute(2, 0, 1)[None].float() / 255 for x in pictures]


def test_the_loss_is_least_at_the_true_flow(frames: list[torch.Tensor]) -> None:
    right = photometric_loss(*frames, constant(*MOTION), 0.01)
    for x, y in ((0, 0), (2, -2), (3, -1), (4, -2), (-3, 2)):
        assert photometric_loss(*frames, constant(x, y), 0.01) > 1.5 * right
    flow = constant(*MOTION).clone().requires_grad_()
    step = torch.zeros(1, 2, 1, 1).add_(0.5).requires_grad_()
    photometric_loss(*frames, flow.detach() + step, 0.0).backward()
    assert (step.grad > 0).all()  # it leads back


def test_what_leaves_the_picture_does_not_count(frames: list[torch.Tensor]) -> None:
    first, second = frames
    away = constant(100, 0)
    assert photometric_loss(first, second, away, 0.0) == 0
    other = second.clone()
    other[..., :2] = 0  # where no pixel of the first goes
    kept = [photometric_loss(first, x, constant(*MOTION), 0.0) for x in (second, other)]
    torch.testing.assert_close(*kept)


def test_ragged_flow_costs_less_at_edges_of_the_picture() -> None:
    picture = torch.zeros(1, 3, 48, 64)
    picture[..., 32:] = 1
    costs = []
    for column in (0, 32, 20):  # nowhere, at the edge, beside it
        flow = torch.zeros(1, 2, 48, 64)
        flow[..., column:] = 2.0 if column else 0.0
        flat = photometric_loss(picture, picture, flow, 0.0)
        costs.append(float(photometric_loss(picture, picture, flow, 1.0) - flat))
    nowhere, edge, beside = costs
    assert nowhere < edge < nowhere + 0.01 * (beside - nowhere)


def test_clips_are_loaded_by_scene(tmp_path: Path) -> None:
    for name, height, count in (("a_1", 48, 3), ("a_2", 48, 2), ("b_1", 48, 3), ("c", 32, 3)):
        with create_video(tmp_path / f"{name}.mp4", usual_format(64, height, Fraction(25))) as to:
            for frame in moving_texture(height, 64, MOTION, frames=count):
                to.write(frame)
    with create_video(tmp_path / "one_1.mp4", usual_format(64, 48, Fraction(25))) as to:
        to.write(np.zeros((48, 64, 3), np.uint8))
    found = load_clips(tmp_path, 48, 64)
    assert {name: [len(clip) for clip in clips] for name, clips in found.items()} == {
        "a": [3, 2],
        "b": [3],
    }


def test_a_batch_is_decided_by_seed_and_step_and_takes_two_frames_of_one_place() -> None:
    """Each pixel tells its frame, row and column."""
    t, y, x = np.mgrid[:5, :40, :60].astype(np.uint8)
    clips = Clips([np.stack([t, y, x], -1)], 1)
    seen = set()
    for step in range(60):
        first, second = clips.batch(step, 1, 16, 24)
        assert first.shape == second.shape == (1, 3, 16, 24)
        assert torch.equal(first[:, 1:], second[:, 1:])  # the same rows and columns
        times = [round(255 * float(picture[0, 0].mean())) for picture in (first, second)]
        seen.add(times[1] - times[0])
    assert seen == {-2, -1, 1, 2}
    for mine, again in zip(clips.batch(7, 2, 16, 24), clips.batch(7, 2, 16, 24), strict=True):
        assert torch.equal(mine, again)
    assert not torch.equal(clips.batch(7, 2, 16, 24)[0], clips.batch(8, 2, 16, 24)[0])

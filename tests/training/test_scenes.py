"""Generated scenes: their flow is right, and each depends on its number alone."""

import numpy as np
import pytest
import torch
from torch.nn.functional import max_pool2d

from flowcodec.nn.warp import inside, warp
from flowcodec.training.data import scenes
from flowcodec.training.data.camera import compress, gray, jitter
from flowcodec.training.data.scenes import Scene, Scenes
from tests.training.pictures import draw


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["objects", "furniture"])
def source(request: pytest.FixtureRequest) -> Scenes:
    pictures = [draw(seed, 200, 240) for seed in range(4)]
    return Scenes(
        [torch.from_numpy(p.transpose(2, 0, 1).copy()) for p in pictures], 1, request.param
    )


def test_a_scene_depends_on_seed_and_number_alone(source: Scenes) -> None:
    alone = source.scene(5, 64, 96)
    batch = source.batch(4, 3, 64, 96)
    for name in ("first", "second", "flow", "occluded"):
        assert torch.equal(getattr(batch, name)[1:2], getattr(alone, name)), name
    assert not torch.equal(source.scene(6, 64, 96).first, alone.first)
    other = Scenes(source.photographs, 2, source.furnished).scene(5, 64, 96)
    assert not torch.equal(other.flow, alone.flow)


def test_the_flow_leads_to_what_was_there(source: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what a camera adds, and away from edges of what is hidden."""
    monkeypatch.setattr(scenes, "develop", lambda first, second, *_: (first, second))
    monkeypatch.setattr(scenes, "BLURRED", 0.0)
    errors = []
    for index in range(40):
        scene = source.scene(index, 96, 128)
        error = (warp(scene.second, scene.flow) - scene.first).abs().mean(1)
        near = max_pool2d(scene.occluded.float(), 3, 1, 1) > 0
        errors.append(float(error[~near].median()))
    assert np.max(errors) < 0.02
    assert np.mean(errors) < 0.006


def test_motion_is_of_every_size_and_at_times_there_is_none(source: Scenes) -> None:
    made = [source.scene(index, 64, 96) for index in range(300)]
    lengths = np.array([float(s.flow.norm(dim=1).mean()) for s in made])
    largest = max(float(s.flow.norm(dim=1).max()) for s in made)
    still = np.mean(lengths == 0)
    assert 0.02 < still < 0.12
    assert np.mean((lengths > 0) & (lengths < 1)) > 0.1
    assert largest > 0.2 * np.hypot(64, 96)
    for scene in made:
        assert torch.isfinite(scene.first).all() and torch.isfinite(scene.flow).all()
        assert torch.equal(scene.first, (scene.first * 255).round() / 255)


def test_what_leaves_the_picture_is_marked(source: Scenes) -> None:
    def gone(scene: Scene) -> torch.Tensor:
        height, width = scene.flow.shape[2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        u, v = x + scene.flow[0, 0], y + scene.flow[0, 1]
        return (u < 0) | (v < 0) | (u > width - 1) | (v > height - 1)

    found = [source.scene(index, 64, 96) for index in range(30)]
    assert any(gone(scene).any() for scene in found)
    assert all(scene.occluded[0][gone(scene)].all() for scene in found)


def test_what_something_covers_is_marked(source: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the second picture shows another thing; elsewhere, the same."""
    monkeypatch.setattr(scenes, "develop", lambda first, second, *_: (first, second))
    monkeypatch.setattr(scenes, "BLURRED", 0.0)
    covered, seen = [], []
    size = (192, 256) if source.furnished else (96, 128)  # thin legs need pixels
    for index in range(40):
        scene = source.scene(index, *size)
        error = (warp(scene.second, scene.flow) - scene.first).abs().mean(1)
        hidden = scene.occluded & (inside(scene.flow)[:, 0] > 0)
        within = ~max_pool2d((~hidden).float(), 3, 1, 1).bool()  # not at a smooth edge
        covered.append(error[within])
        seen.append(error[~max_pool2d(scene.occluded.float(), 5, 1, 2).bool()])
    assert (torch.cat(covered) > 0.05).float().mean() > 0.9
    assert (torch.cat(seen) > 0.05).float().mean() < 0.02


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU on this machine")
def test_scenes_are_made_on_the_device_of_the_photographs(source: Scenes) -> None:
    there = Scenes(
        [photograph.cuda() for photograph in source.photographs], source.seed, source.furnished
    )
    for index in range(10):
        made, wanted = there.scene(index, 64, 96), source.scene(index, 64, 96)
        assert all(value.is_cuda for value in vars(made).values())
        torch.testing.assert_close(made.flow.cpu(), wanted.flow, atol=0.02, rtol=1e-3)


def test_a_camera_that_does_nothing() -> None:
    x = torch.rand(1, 3, 24, 40)
    rng = np.random.default_rng(1)
    torch.testing.assert_close(jitter(x, rng, 0.0), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(compress(x, 1e-6), x, atol=1e-4, rtol=0)
    assert (compress(x, 0.1) - x).abs().mean() > 0.01
    assert torch.equal(gray(x)[:, 0], gray(x)[:, 2])

"""Training of P-frames: where it starts, what its phases leave alone, and that it gains."""

import tarfile
from fractions import Fraction

import numpy as np
import pytest
import torch

from flowcodec.codecs.systems.video_mofnet import MofNetModel
from flowcodec.codecs.weights import load_weights
from flowcodec.errors import UsageError
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from flowcodec.training.bundle import pack_bundle
from flowcodec.training.data.sequences import Sequences
from flowcodec.training.engine import train
from flowcodec.training.recipe import find_recipe
from flowcodec.training.video_mofnet.recipe import VideoRecipe, VideoStage
from flowcodec.training.video_mofnet.training import VideoTraining
from tests.training.pictures import draw

SIDE, FRAMES = 96, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips of drawn pictures that drift, in three scenes."""
    found = tmp_path_factory.mktemp("clips")
    for number in range(6):
        path = found / f"s{number // 2}_{number % 2}.mkv"
        whole = np.tile(draw(number), (3, 3, 1))
        with create_video(path, usual_format(SIDE, SIDE, Fraction(25), "rgb"), lossless=True) as v:
            for frame in range(FRAMES):
                down, across = 2 * frame * (number % 3), 3 * frame
                v.write(whole[down : down + SIDE, across : across + SIDE])
    return found


def recipe(steps=1, phase="all", frames=1, **fields):
    stage = VideoStage(
        steps=steps, batch=4, lr=2e-3, lr_end=1e-3, crop=64, frames=frames, phase=phase
    )
    usual = {"preset": "tiny", "held_out": 1, "evaluate_every": 1000, "warm_up": 5, "price": 0.12}
    return VideoRecipe(stages=[stage], **{**usual, **fields})


def started(folder, tmp_path, **fields):
    training = VideoTraining(recipe(**fields), tmp_path)
    source, held_out = training.load(folder, None)
    training.start(source)
    return training, source, held_out


@torch.no_grad()
def test_the_start_is_a_klt_of_what_the_flow_leaves(folder, tmp_path):
    training, source, _ = started(folder, tmp_path)
    first, second = source.batch(0, 4, 2, 64)
    quality = torch.full((4,), 8.0)
    reference = training.decoded(first, torch.full((4,), 1.0))
    coded = training.code(training.model, second, reference, quality, None)
    assert float(coded.output.prediction.alpha.min()) == 1
    predicted = (coded.output.prediction.picture + 0.5 - second).square().mean((1, 2, 3))
    error = (coded.output.x_hat - second).square().mean((1, 2, 3))
    assert (error < 0.8 * predicted).all()  # 24 of 768 components


def test_a_short_training_gains(folder, tmp_path):
    training, _, held_out = started(folder, tmp_path / "before")
    before = training.evaluate(held_out)
    training = VideoTraining(recipe(steps=60, frames=2), tmp_path / "after")
    train(training, folder)
    after = training.evaluate(held_out)
    for less, more in zip(after["bpp"], before["bpp"], strict=True):
        assert less < 0.8 * more
    assert min(np.subtract(after["psnr"], before["psnr"])) > -1
    training.export(tmp_path / "weights.safetensors")
    MofNetModel(load_weights(tmp_path / "weights.safetensors"))


@pytest.mark.parametrize(
    ("phase", "moved"),
    [("alternate", ["motion."]), ("prior", [".prior."]), ("all", ["motion.", "codec."])],
)
def test_phases_leave_the_rest_alone(folder, tmp_path, phase, moved):
    training, source, _ = started(folder, tmp_path, phase=phase)
    before = {name: value.clone() for name, value in training.model.named_parameters()}
    training.train_step(source)
    changed = {
        name
        for name, value in training.model.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert changed
    assert all(any(part in name for part in moved) for name in changed)
    assert all(any(part in name for name in changed) for part in moved)


def test_halves_are_skipped_and_coded(folder, tmp_path):
    training, source, _ = started(
        folder, tmp_path, phase="halves", switches={"transform": "strided"}
    )
    first, second = source.batch(0, 2, 2, 64)
    quality = torch.tensor([2.0, 5.0])
    output = training.code(training.model, second, first, quality, None, halves=True).output
    assert (output.prediction.alpha[..., :32] == 1).all()
    assert (output.prediction.alpha[..., 32:] == 0).all()
    assert np.isfinite(training.train_step(source))


@pytest.mark.parametrize("modes", ["coded", "skipped"])
def test_modes_can_be_switched_off(folder, tmp_path, modes):
    training, source, held_out = started(folder, tmp_path, switches={"modes": modes})
    assert np.isfinite(training.train_step(source))
    result = training.evaluate(held_out)
    if modes == "skipped":
        assert result["bpp"] == result["motion"]


def test_videos_must_be_there(tmp_path, folder):
    training = VideoTraining(recipe(held_out=3), tmp_path)
    with pytest.raises(UsageError, match="more than 3 scenes"):
        training.load(folder, None)


def test_a_killed_training_goes_on_as_if_it_had_not_been(folder, tmp_path):
    whole = VideoTraining(recipe(steps=4, held_out=1), tmp_path / "whole")
    train(whole, folder)
    part = VideoTraining(recipe(steps=4, held_out=1), tmp_path / "part")
    train(part, folder, stop=lambda: part.step == 2)
    again = VideoTraining(recipe(steps=4, held_out=1), tmp_path / "part")
    train(again, folder)
    for one, two in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_bundle_takes_clips_and_the_weights_beside(folder, tmp_path):
    made = pack_bundle(find_recipe("video-mofnet-paper"), folder, tmp_path / "b.tar", 60_000_000)
    assert (made.packed, made.pictures) == (6, 6)
    with tarfile.open(tmp_path / "b.tar") as tar:
        names = {name.removeprefix("flowcodec-training/") for name in tar.getnames()}
    assert "pictures/s0_0.mkv" in names
    weights = {name for name in names if name.endswith(".safetensors")}
    assert {name.rpartition("/")[2] for name in weights} == {
        "image-cnn-ms-ssim.safetensors",
        "flow-deeppynet-epe.safetensors",
    }


@pytest.mark.parametrize(("lossless", "least", "most"), [(0.0, 0, 0), (1.0, 4, 4), (0.5, 1, 3)])
def test_some_first_frames_are_lossless(folder, tmp_path, lossless, least, most):
    training, source, _ = started(folder, tmp_path, lossless=lossless)
    (x,) = source.batch(0, 4, 1, 64)
    reference = training.first(x, torch.full((4,), 1.0))
    same = sum(torch.equal(a, b) for a, b in zip(x, reference, strict=True))
    assert least <= same <= most


@pytest.mark.parametrize("length", [2, 3, 7])
def test_short_clips_are_played_to_and_fro(length):
    """Neighbours in a sequence are neighbours in the clip, and all of a short clip is seen."""
    levels = np.arange(length, dtype=np.uint8)[:, None, None, None]
    source = Sequences([np.broadcast_to(levels, (length, 16, 16, 3))], 1)
    for step in range(10):
        seen = (source.batch(step, 2, 7, 16)[..., 0, 0, 0] * 255).round()
        assert (seen.diff(dim=0).abs() == 1).all()
        assert set(seen.unique().int().tolist()) == set(range(length))

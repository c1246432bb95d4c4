"""A decoder that learns on frozen latents, and the objective that trainings tell."""

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.weights import load_weights
from flowcodec.quality import lambdas_of
from flowcodec.training.data.crops import Crops
from flowcodec.training.engine import train
from flowcodec.training.image_cnn.frozen import ROUND, batch_number
from flowcodec.training.image_cnn.recipe import ImageStage
from flowcodec.training.image_cnn.training import ImageTraining
from flowcodec.training.networks import export
from tests.models.networks import shake
from tests.training.pictures import draw, draw_folder, tiny_recipe

SCENES = [draw(seed) for seed in range(10)]
SYNTHESIS = ImageStage(steps=8, crop=64, batch=4, lr=2e-3, lr_end=2e-3, part="synthesis", reuse=4)


def test_batches_come_equally_often_within_a_round() -> None:
    for round_ in (0, 1):
        numbers = [batch_number(round_ * ROUND + at, 4, seed=1) for at in range(ROUND)]
        assert set(Counter(numbers).values()) == {4}
        assert round_ * ROUND <= min(numbers) and max(numbers) < (round_ + 1) * ROUND


def test_frozen_latents_are_what_computing_them_again_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step sees the same crops and latents whether it is the first of a run or not."""
    recipe = msgspec.structs.replace(tiny_recipe(1, price=0.1), stages=[SYNTHESIS])
    training = ImageTraining(recipe, tmp_path)
    crops = Crops(SCENES, 1, 0.0)
    training.start(crops)
    shake(training.model.g_a.correction)
    made = []
    monkeypatch.setattr("flowcodec.training.image_cnn.frozen.ROUND", 8)
    honest = ImageTraining.coded

    def coded(self: ImageTraining, source: Crops, step: int, stage: ImageStage) -> object:
        made.append(step)
        return honest(self, source, step, stage)

    monkeypatch.setattr(ImageTraining, "coded", coded)
    training.begin_stage(crops, SYNTHESIS)
    seen = []
    for training.step in range(SYNTHESIS.steps):
        seen.append(training.latents_of(crops, SYNTHESIS))
    assert sorted(made) == [0, 1]
    for step in range(SYNTHESIS.steps):
        training.step, training.frozen_latents = step, None
        for kept, again in zip(seen[step], training.latents_of(crops, SYNTHESIS), strict=True):
            assert torch.equal(kept, again)


def test_the_objective_is_that_of_files_and_training_lowers_it(tmp_path: Path) -> None:
    """Told before the first step and at the end; bits and lambda times the error of real files."""
    folder = tmp_path / "pictures"
    draw_folder(folder)
    prior = ImageStage(steps=150, crop=64, batch=4, lr=4e-3, lr_end=4e-4, part="prior")
    recipe = msgspec.structs.replace(tiny_recipe(1, price=0.12, average=0.9), stages=[prior])
    results: list[dict[str, list[float]]] = []
    told: list[str] = []
    training = ImageTraining(recipe, tmp_path / "run")

    def on_evaluation(training: ImageTraining, result: dict[str, list[float]]) -> None:
        results.append(result)
        told.append(training.describe(result))

    train(training, folder, on_evaluation=on_evaluation)
    first, last = results
    assert all(line.count("objective") == 3 for line in told)
    for quality in (2, 4, 6):
        at = first["quality"].index(quality)
        assert last["objective"][at] < 0.99 * first["objective"][at]

    export("image-cnn", training.average, "mse", tmp_path / "weights.safetensors")
    codec = PictureCodec(load_weights(tmp_path / "weights.safetensors"), threads=1)
    scenes = [draw(seed)[:128, :128] for seed in (0, 5)]  # held out, cut to multiples of 64
    for quality in (2, 4, 6):
        costs = []
        for scene in scenes:
            coded = codec.encode(scene, quality, kinds=["learned"])
            error = np.square((coded.reconstruction.astype(float) - scene) / 255).mean()
            code = sum(len(tile.data) for tile in parse_picture(coded.data).tiles)
            bpp = 8 * code / scene[:, :, 0].size
            costs.append(bpp + lambdas_of("mse")[quality - 1] * error)
        at = last["quality"].index(quality)
        assert last["objective"][at] == pytest.approx(np.mean(costs), rel=0.03)

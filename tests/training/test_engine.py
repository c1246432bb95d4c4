"""Training learns, survives explosions, and goes on after a kill as if nothing had happened."""

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from flowcodec.codecs.weights import load_weights
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.nn.distortion import lambda_of
from flowcodec.quality import MSE_LAMBDAS
from flowcodec.training import engine
from flowcodec.training.data.crops import Crops
from flowcodec.training.engine import CHECKPOINT, LOG, train
from flowcodec.training.image_cnn.recipe import ImageRecipe, ImageStage
from flowcodec.training.image_cnn.training import ImageTraining
from flowcodec.training.networks import export, restored
from tests.training.pictures import draw, tiny_recipe

ROOT = Path(__file__).parents[2]


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def run(
    recipe: ImageRecipe, pictures: Path, folder: Path
) -> tuple[ImageTraining, list[float], dict[str, list[float]]]:
    """Train; returns the training, the loss of each step and the last evaluation."""
    losses: list[float] = []
    results: list[dict[str, list[float]]] = []
    training = ImageTraining(recipe, folder)
    train(
        training,
        pictures,
        on_step=lambda _, loss: losses.append(loss),
        on_evaluation=lambda _, result: results.append(result),
    )
    return training, losses, results[-1] if results else {}


def test_random_weights_learn(pictures: Path, tmp_path: Path) -> None:
    """From a loss near 170 to below 8 in a hundred steps."""
    _, losses, _ = run(tiny_recipe(100, start="random"), pictures, tmp_path)
    assert np.mean(losses[:5]) > 80
    assert np.mean(losses[-10:]) < 8


def test_the_prior_learns_alone_and_then_everything_does(tmp_path: Path) -> None:
    prior = ImageStage(steps=200, crop=64, batch=4, lr=2e-3, lr_end=4e-4, part="prior")
    recipe = msgspec.structs.replace(tiny_recipe(201), stages=[prior, tiny_recipe(1).stages[0]])
    training = ImageTraining(recipe, tmp_path)
    scenes = [draw(seed) for seed in range(10)]
    training.start(Crops(scenes, 1, 0.0))
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    untrained = training.evaluate(scenes[:2])
    crops = Crops(scenes, 1, 0.0)
    for _ in range(200):
        training.train_step(crops)
    trained = training.evaluate(scenes[:2])
    for name, value in training.model.named_parameters():
        frozen = name.startswith(("g_a.", "g_s.", "refinement.", "log_inverse_gain"))
        assert not frozen or torch.equal(value, before[name]), name
    assert np.all(np.array(trained["bpp"]) < 0.95 * np.array(untrained["bpp"]))
    training.train_step(crops)
    assert not torch.equal(training.model.g_a.klt.weight, before["g_a.klt.weight"])


def test_the_synthesis_learns_alone(tmp_path: Path) -> None:
    """On frozen latents: the rate stays what it was, the pictures get better."""
    stage = ImageStage(steps=100, crop=64, batch=4, lr=1e-3, lr_end=1e-4, part="synthesis")
    training = ImageTraining(msgspec.structs.replace(tiny_recipe(1), stages=[stage]), tmp_path)
    scenes = [draw(seed) for seed in range(10)]
    training.start(Crops(scenes, 1, 0.0))
    before = training.evaluate(scenes[:2])
    crops = Crops(scenes, 1, 0.0)
    for _ in range(100):
        training.train_step(crops)
    after = training.evaluate(scenes[:2])
    assert after["bpp"] == before["bpp"]
    assert np.all(np.array(after["psnr"][:6]) > np.array(before["psnr"][:6]))
    assert np.all(np.array(after["psnr"][:3]) > np.array(before["psnr"][:3]) + 0.03)


def test_the_klt_start_begins_below_where_random_weights_arrive(tmp_path: Path) -> None:
    scenes = [draw(seed) for seed in range(10)]
    training = ImageTraining(tiny_recipe(1), tmp_path)
    training.start(Crops(scenes, 1, 0.0))
    assert training.train_step(Crops(scenes, 1, 0.0)) < 2


def test_a_killed_training_ends_like_an_undisturbed_one(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(60, start="random", checkpoint_seconds=0.0, evaluate_every=25)
    undisturbed, losses, result = run(recipe, pictures, tmp_path / "undisturbed")

    killed = tmp_path / "killed"
    program = (
        "import sys, torch; from pathlib import Path; import msgspec;"
        "from flowcodec.training.engine import train;"
        "from flowcodec.training.image_cnn.recipe import ImageRecipe;"
        "from flowcodec.training.image_cnn.training import ImageTraining;"
        "torch.set_num_threads(1);"
        "recipe = msgspec.json.decode(sys.argv[1], type=ImageRecipe);"
        "train(ImageTraining(recipe, Path(sys.argv[3])), Path(sys.argv[2]))"
    )
    words = [msgspec.json.encode(recipe).decode(), str(pictures), str(killed)]
    with subprocess.Popen([sys.executable, "-c", program, *words], cwd=ROOT) as process:
        while not (killed / CHECKPOINT).exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 2))  # anywhere: between steps, in a checkpoint, evaluating
        process.send_signal(signal.SIGKILL)
    with (killed / LOG).open("a") as log:
        log.write('{"step": 55, "sec')  # killed while it wrote

    resumed, _, again = run(recipe, pictures, killed)
    assert resumed.step == 60
    for name, value in undisturbed.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert (killed / CHECKPOINT).exists()
    if again:  # not where the kill came after the last step
        assert again == result
    steps = [record["step"] for record in records(killed)]
    assert steps == sorted(steps)


def test_a_kill_loses_one_interval_at_most(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which every step takes one second, with a checkpoint every ten."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(engine.time, "monotonic", lambda: next(ticks) / 2)
    recipe = tiny_recipe(40, start="random", checkpoint_seconds=10.0)

    def kill(training: ImageTraining, loss: float) -> None:
        if training.step == 37:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(ImageTraining(recipe, tmp_path), pictures, on_step=kill)
    again = ImageTraining(recipe, tmp_path)
    assert again.resume()
    assert 37 - 12 <= again.step < 37


def test_another_recipe_is_refused_in_the_same_folder(pictures: Path, tmp_path: Path) -> None:
    run(tiny_recipe(1, start="random"), pictures, tmp_path)
    with pytest.raises(UsageError, match="another recipe"):
        run(tiny_recipe(2, start="random"), pictures, tmp_path)


def poisoned(factor: float) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    honest = ImageTraining.losses

    def losses(self: ImageTraining, *arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        bpp, error = honest(self, *arguments)  # type: ignore[arg-type]
        return bpp * factor, error * factor

    return losses


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1000.0])
def test_an_exploding_step_changes_nothing(
    factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [draw(seed) for seed in range(3)]
    crops = Crops(scenes, 1, 0.0)
    training = ImageTraining(tiny_recipe(200, start="random"), tmp_path)
    training.start(Crops(scenes, 1, 0.0))
    for _ in range(3):
        training.train_step(crops)
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    with monkeypatch.context() as patch:
        patch.setattr(ImageTraining, "losses", poisoned(factor))
        training.train_step(crops)
    assert training.step == 4
    for name, value in training.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    training.train_step(crops)
    assert not torch.equal(training.model.g_a.klt.weight, before["g_a.klt.weight"])


def test_a_training_that_stays_exploded_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = Crops([draw(0)], 1, 0.0)
    training = ImageTraining(tiny_recipe(200, start="random"), tmp_path)
    monkeypatch.setattr(ImageTraining, "losses", poisoned(math.nan))
    monkeypatch.setattr(engine, "SKIPPED_AT_MOST", 3)
    for _ in range(3):
        training.train_step(crops)
    with pytest.raises(FlowcodecError, match="lower lr"):
        training.train_step(crops)


def test_one_quality_trains_its_own_gains_alone(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(3, quality=3.0, rate="noise", start="random", average=0.0)
    training, _, result = run(recipe, pictures, tmp_path)
    untouched = ImageTraining(recipe, tmp_path / "new")
    untouched.start(Crops([draw(0)], 1, 0.0))
    moved = training.average.prior.log_gain.table != untouched.model.prior.log_gain.table
    assert moved.any(1).tolist() == [False, False, True, False, False, False, False, False]
    assert result["quality"] == [3.0]


def test_sixteen_bits_hardly_change_the_loss(tmp_path: Path) -> None:
    """Only the transforms' branches run in bfloat16: the prior's integers would not survive it."""
    scenes = [draw(seed) for seed in range(3)]
    x = torch.from_numpy(Crops(scenes, 1, 0.0).batch(0, 4, 64)).float() / 255
    quality = torch.tensor([1.0, 3.0, 5.0, 8.0])
    found = []
    for precision in ("fp32", "bf16"):
        training = ImageTraining(tiny_recipe(1, precision=precision), tmp_path)
        training.start(Crops(scenes, 1, 0.0))
        with torch.no_grad():
            found.append(training.losses(x, quality, "all"))
    (bpp, error), (bpp16, error16) = found
    torch.testing.assert_close(bpp16, bpp, rtol=2e-3, atol=0)
    torch.testing.assert_close(error16, error, rtol=5e-2, atol=0)


def test_ms_ssim_is_trained_and_reported(tmp_path: Path) -> None:
    stage = ImageStage(steps=1, crop=192, batch=1, lr=1e-3, lr_end=1e-3)
    recipe = ImageRecipe(preset="tiny", stages=[stage], metric="ms-ssim")
    training = ImageTraining(recipe, tmp_path)
    scene = draw(0, 192, 192)
    training.start(Crops([scene], 1, 0.0))
    loss = training.train_step(Crops([scene], 1, 0.0))
    result = training.evaluate([scene])
    assert math.isfinite(loss) and training.skipped == 0
    assert 5 < result["ms-ssim-db"][0] < result["ms-ssim-db"][7]


def test_trained_weights_come_back_from_their_file(pictures: Path, tmp_path: Path) -> None:
    """Export, load: the same picture within the rounding to 16 bits; and `init` takes them up."""
    training, _, result = run(tiny_recipe(20), pictures, tmp_path / "run")
    file = tmp_path / "own.safetensors"
    digest = export("image-cnn", training.average, "mse", file)
    weights = load_weights(file)
    assert weights.hash == digest and weights.config == training.average.config
    loaded = restored(weights)
    x = torch.from_numpy(draw(0, 128, 128).transpose(2, 0, 1).copy())[None].float() / 255
    quality = torch.tensor([5.0])
    with torch.no_grad():
        ours, theirs = training.average(x, quality), loaded(x, quality)
    torch.testing.assert_close(theirs.bits, ours.bits, rtol=0.01, atol=0)
    assert (theirs.x_hat - ours.x_hat).square().mean() < (1 / 255) ** 2 / 4

    recipe = tiny_recipe(1, init=str(file))
    adapted = ImageTraining(recipe, tmp_path / "adapted")
    adapted.start(Crops([draw(0)], 1, 0.0))
    held_out = [draw(0), draw(5)]
    assert adapted.evaluate(held_out)["bpp"] == pytest.approx(result["bpp"], rel=0.02)

    other = ImageTraining(tiny_recipe(1, init=str(file), switches={"width": 4}), tmp_path / "other")
    with pytest.raises(UsageError, match="init.*another preset"):
        other.start(Crops([draw(0)], 1, 0.0))


def test_lambda_is_geometric_between_anchors() -> None:
    found = lambda_of(MSE_LAMBDAS, torch.tensor([1.0, 1.5, 8.0]))
    expected = [0.0018, math.sqrt(0.0018 * 0.0035), 0.18]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_an_exploded_network_goes_back_to_its_average(tmp_path: Path) -> None:
    scenes = [draw(seed) for seed in range(10)]
    training = ImageTraining(tiny_recipe(20), tmp_path)
    training.start(Crops(scenes, 1, 0.0))
    crops = Crops(scenes, 1, 0.0)
    healthy = training.train_step(crops)
    with torch.no_grad():
        training.model.g_s.correction.out.bias.fill_(1e6)
    for _ in range(10):
        assert training.train_step(crops) > 3 * healthy
    assert training.train_step(crops) < 3 * healthy
    assert '"returned_to_average": true' in (tmp_path / "log.jsonl").read_text()

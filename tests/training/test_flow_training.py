"""Training of flow-deeppynet learns, resumes, and ends in weights that the command takes."""

import json
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image

from flowcodec.cli.main import main
from flowcodec.errors import UsageError
from flowcodec.training.engine import train
from flowcodec.training.flow_deeppynet.recipe import FlowRecipe, FlowStage
from flowcodec.training.flow_deeppynet.training import FlowTraining
from flowcodec.training.recipe import load_recipe
from tests.training.pictures import draw, draw_folder

RECIPE = """
model = "flow-deeppynet"
preset = "tiny"
held_out = 1
warm_up = 1
[[stages]]
steps = 3
height = 64
width = 64
batch = 1
lr = 1e-3
lr_end = 1e-4
"""


def recipe(steps: int) -> FlowRecipe:
    stage = FlowStage(steps=steps, batch=2, lr=1e-3, lr_end=1e-4, height=64, width=96)
    return FlowRecipe(
        preset="tiny", stages=[stage], warm_up=10, held_out=2, average=0.95, power=0.7
    )


def test_it_learns(pictures: Path, tmp_path: Path) -> None:
    """Far from random weights in 150 steps, above all where nothing moves."""
    training = FlowTraining(recipe(150), tmp_path)
    source, held_out = training.load(pictures, None)
    training.start(source)
    before = training.evaluate(held_out)
    for _ in range(150):
        training.train_step(source)
    after = training.evaluate(held_out)
    assert after["epe"][0] < 0.75 * before["epe"][0]
    assert after["still"][0] < 0.3 * before["still"][0]


def test_sixteen_bits_hardly_change_a_step(pictures: Path, tmp_path: Path) -> None:
    """Loss and gradients."""
    found = []
    for precision in ("fp32", "bf16"):
        plan = msgspec.structs.replace(recipe(1), precision=precision, held_out=0)
        training = FlowTraining(plan, tmp_path)
        source, _ = training.load(pictures, None)
        training.start(source)
        loss = training.loss(source, plan.stages[0])
        loss.backward()
        gradients = [p.grad for p in training.model.parameters() if p.grad is not None]
        found.append((loss.detach(), torch.cat([g.flatten() for g in gradients])))
    (loss, gradient), (loss16, gradient16) = found
    torch.testing.assert_close(loss16, loss, rtol=1e-2, atol=0)
    assert torch.cosine_similarity(gradient16, gradient, dim=0) > 0.95


def test_an_interrupted_training_ends_like_an_undisturbed_one(
    pictures: Path, tmp_path: Path
) -> None:
    plan = msgspec.structs.replace(recipe(8), held_out=1)
    undisturbed = FlowTraining(plan, tmp_path / "whole")
    train(undisturbed, pictures)
    asked = iter([False, False, False, True])
    train(FlowTraining(plan, tmp_path / "parts"), pictures, stop=lambda: next(asked))
    resumed = FlowTraining(plan, tmp_path / "parts")
    train(resumed, pictures)
    for name, value in undisturbed.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_from_photographs_to_a_flow_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photographs = draw_folder(tmp_path / "photographs", 3)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    words = ["train", str(tmp_path / "tiny.toml"), "--data", str(photographs), "--threads", "1"]
    assert main([*words, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    assert "flowcodec flow first.png second.png" in printed.out
    assert "step 3 of 3: epe " in printed.err
    weights = tmp_path / "run" / "weights.safetensors"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["model"] == "flow-deeppynet" and card["kmac_per_pixel"]["flow"] > 0
    pair = [tmp_path / "a.png", tmp_path / "b.png"]
    for seed, path in enumerate(pair):
        Image.fromarray(draw(seed)).save(path)
    out = tmp_path / "motion.flo"
    assert main(["flow", *map(str, pair), "-o", str(out), "--weights", str(weights)]) == 0
    assert out.stat().st_size == 12 + 128 * 160 * 8

    again = load_recipe(tmp_path / "tiny.toml")
    again = msgspec.structs.replace(again, init=str(weights))
    training = FlowTraining(again, tmp_path / "again")
    source, held_out = training.load(photographs, None)
    training.start(source)
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert training.evaluate(held_out)["epe"][0] == pytest.approx(
        last["evaluation"]["epe"][0], rel=0.02
    )
    longer = msgspec.structs.replace(again, switches={"updates": [1, 1, 2]})
    FlowTraining(longer, tmp_path / "longer").start(source)
    usual = training.train_step(source)
    training.step, training.usual_loss = 0, usual / 20
    training.train_step(source)
    assert training.skipped == 0  # a scene that moves far is no explosion
    other = msgspec.structs.replace(again, switches={"pyramids": 1})
    with pytest.raises(UsageError, match="another preset"):
        FlowTraining(other, tmp_path / "other").start(source)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("height = 64", "height = 60", "height"),
        ("height = 64", "height = 64\nclips = -1", "clips"),
        ("warm_up = 1", "warm_up = 1\npower = 2.0", "power"),
        ("warm_up = 1", "warm_up = 1\nprice = 1.0", "price"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(UsageError, match=rf"recipe\.toml.*\b{named}\b"):
        load_recipe(path)

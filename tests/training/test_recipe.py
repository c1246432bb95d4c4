"""Recipes say at load what is wrong with them, and where."""

import dataclasses
from pathlib import Path

import pytest

from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.errors import UsageError
from flowcodec.training.engine import stage_at
from flowcodec.training.image_cnn.recipe import ImageRecipe
from flowcodec.training.image_cnn.training import build
from flowcodec.training.recipe import RECIPES, find_recipe, load_recipe
from flowcodec.training.systems import open_training

GOOD = """
model = "image-cnn"
preset = "tiny"
[[stages]]
steps = 10
crop = 64
batch = 2
lr = 1e-3
lr_end = 1e-4
"""


def load(tmp_path: Path, text: str) -> ImageRecipe:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    return load_recipe(file)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("steps = 10", "steps = 0", "steps"),
        ("steps = 10", 'steps = "ten"', "steps"),
        ("steps = 10", "step = 10", "step"),
        ("crop = 64", "crop = 100", "crop"),
        ("crop = 64", "crop = 64\nreuse = 0", "reuse"),
        ("crop = 64", "crop = 64\nreuse = 2", "reuse"),  # of part "all", which changes its latents
        ("batch = 2", "", "batch"),
        ("lr = 1e-3", "lr = 0", "lr"),
        ('preset = "tiny"', "", "preset"),
        ('preset = "tiny"', 'preset = "tiny"\nquality = 9.0', "quality"),
        ('preset = "tiny"', 'preset = "tiny"\nmetric = "ssim"', "metric"),
        ('preset = "tiny"', 'preset = "tiny"\nmetric = "ms-ssim"', "crop"),
        ('preset = "tiny"', 'preset = "tiny"\nwarm_up = 0', "warm_up"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    load(tmp_path, GOOD)
    with pytest.raises(UsageError, match=rf"recipe\.toml.*\b{named}\b"):
        load(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('preset = "huge"', "no preset called huge.*tiny"),
        ('preset = "tiny"\nswitches.depth = 3', r"switches\.depth.*width"),
        ('preset = "tiny"\nswitches.attention = "fog"', r"switches.*'fog'.*attention"),
        ('preset = "tiny"\nswitches.width = "wide"', r"switches.*width"),
        ('preset = "tiny"\nswitches.slices = [8, 8]', r"switches.*slices.*24 channels"),
        ('preset = "tiny"\nswitches.transform = "strided"', 'start = "klt".*strided'),
        ('preset = "tiny"\nswitches.trunk = "wooden"', r"switches.*'wooden'.*trunk"),
        ('preset = "tiny"\nmetric = "yuv"', r'metric = "yuv".*switches\.planes = "rgb"'),
        (
            'preset = "tiny"\nswitches.refinement = false\nswitches.planes = "yuv420"',
            r'metric = "mse".*switches\.planes = "yuv420"',
        ),
        ('preset = "tiny"\nswitches.planes = "yuv420"', r"switches.*yuv420.*refinement"),
        (
            'preset = "tiny"\nswitches.transform = "strided"\nswitches.planes = "yuv420"',
            r"switches.*yuv420.*patch transform",
        ),
        (
            'preset = "tiny"\nswitches.transform = "strided"\nswitches.trunk = "gated"',
            r"switches.*trunk.*patch transform",
        ),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(
    tmp_path: Path, lines: str, message: str
) -> None:
    recipe = load(tmp_path, GOOD.replace('preset = "tiny"', lines))
    with pytest.raises(UsageError, match=message):
        build(recipe)


def test_switches_replace_fields_of_the_preset(tmp_path: Path) -> None:
    lines = 'preset = "tiny"\nswitches.components = 3\nswitches.slices = [4, 20]'
    config = build(load(tmp_path, GOOD.replace('preset = "tiny"', lines))).config
    assert (config.components, config.slices, config.width) == (3, (4, 20), 8)


def test_each_slice_may_have_an_order_of_its_own(tmp_path: Path) -> None:
    lines = """model = "video-mofnet"
preset = "tiny"
switches.order = ["four-step", "one-step"]
switches.motion_slices = [4, 8]"""
    text = GOOD.replace('model = "image-cnn"\npreset = "tiny"', lines)
    right = text.replace(lines, f"{lines}\nswitches.slices = [8, 16]")
    config = open_training(load(tmp_path, right), tmp_path).model.config
    assert (config.order, config.slices) == (("four-step", "one-step"), (8, 16))
    with pytest.raises(UsageError, match="switches: 1 slices have 2 orders"):
        open_training(load(tmp_path, text), tmp_path)
    with pytest.raises(UsageError, match="switches.*order"):
        open_training(load(tmp_path, right.replace("one-step", "two-step")), tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_recipes_of_the_package_load_and_build(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(find_recipe(name))
    model = open_training(recipe, tmp_path).model
    presets = imported(SYSTEMS[type(recipe).__struct_config__.tag].presets)
    assert dataclasses.replace(model.config, **recipe.switches) == dataclasses.replace(
        presets[recipe.preset], **recipe.switches
    )


def test_the_paper_recipe_is_the_schedule_of_the_thesis() -> None:
    recipe = load_recipe(find_recipe("image-cnn-paper"))
    assert recipe.total_steps == 1_800_000
    assert [stage_at(recipe, step)[1] for step in (0, 1_099_999, 1_100_000, 1_450_000)] == [
        3e-4,
        3e-4,
        3e-5,
        1e-5,
    ]


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="image-cnn-mse"):
        find_recipe("nonsense")

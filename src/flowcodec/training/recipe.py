"""Recipes: what to train, on what, for how long. TOML, checked when loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.errors import UsageError
from flowcodec.media.folders import picture_files


class Stage(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One part of the schedule. The learning rate follows a cosine from `lr` to `lr_end`."""

    steps: int
    batch: int
    lr: float
    lr_end: float

    def __post_init__(self) -> None:
        require(self.steps >= 1, "steps", self.steps, "at least 1")
        require(self.batch >= 0, "batch", self.batch, "0 or above")
        require(self.lr > 0, "lr", self.lr, "above 0")
        require(self.lr_end >= 0, "lr_end", self.lr_end, "0 or above")


class Recipe(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, tag_field="model"
):
    """Everything a training is made of, but for the folder of data: what all models share."""

    preset: str
    switches: dict[str, str | int | bool | list[int | str]] = {}  # fields of the preset to replace
    init: str | None = None  # weights to begin with: a file, or the name of bundled ones
    optimiser: Literal["muon", "adam"] = "muon"  # "muon": for the weights of convolutions
    weight_decay: float = 0.0  # of what Adam trains
    seed: int = 1
    warm_up: int = 200
    clip: float = 1.0
    average: float = 0.999  # decay of the averaged weights
    precision: Literal["fp32", "bf16"] = "fp32"
    held_out: int = 12  # pictures kept for evaluation while training
    evaluate_every: int = 1000  # steps
    checkpoint_seconds: float = 120.0

    def __post_init__(self) -> None:
        require(bool(self.all_stages), "stages", "[]", "at least one")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or above")
        require(self.warm_up >= 1, "warm_up", self.warm_up, "at least 1")
        require(0 <= self.average < 1, "average", self.average, "from 0 to below 1")
        require(self.held_out >= 0, "held_out", self.held_out, "0 or above")
        require(self.evaluate_every >= 1, "evaluate_every", self.evaluate_every, "at least 1")

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        raise NotImplementedError

    def files(self, data: Path) -> list[Path]:
        """What of a folder it learns from; UsageError where that cannot be packed."""
        return picture_files(data)

    @property
    def needs(self) -> Sequence[str]:
        """Names of bundled weights of other systems that are run in training."""
        return ()

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.all_stages)


def require(condition: bool, key: str, value: object, wanted: str) -> None:
    """ValueError naming the key, which msgspec completes with the place in the file."""
    if not condition:
        raise ValueError(f"{key} is {value}, it must be {wanted}")


class _Model(msgspec.Struct):
    model: str


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe; UsageError names the key that is wrong."""
    try:
        text = path.read_bytes()
        model = msgspec.toml.decode(text, type=_Model).model
        if model not in SYSTEMS:
            raise UsageError(f"recipe {path}: model is {model!r}; there are: {', '.join(SYSTEMS)}")
        recipe: Recipe = msgspec.toml.decode(text, type=imported(SYSTEMS[model].recipe))
        return recipe
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"recipe {path}: {error}") from error


RECIPES = Path(__file__).parent / "recipes"


def find_recipe(name: str) -> Path:
    """A path as it is, or the name of a recipe of the package."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    bundled = RECIPES / f"{name}.toml"
    if bundled.exists():
        return bundled
    known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
    raise UsageError(f"no recipe called {name}; give a .toml file or one of: {known}")

"""Which training a recipe asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.training.recipe import Recipe


def open_training(recipe: Recipe, folder: Path, device: str = "cpu") -> Any:
    """The training of the recipe's model, at its first step."""
    opens = imported(SYSTEMS[recipe.__struct_config__.tag].training)  # type: ignore[index]
    return opens(recipe, folder, device)

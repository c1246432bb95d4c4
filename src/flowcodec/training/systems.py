"""Which training a recipe asks for."""

from __future__ import annotations

from pathlib import Path

from flowcodec.training.engine import AnyTraining
from flowcodec.training.recipe import FlowRecipe, ImageRecipe


def open_training(
    recipe: ImageRecipe | FlowRecipe, folder: Path, device: str = "cpu"
) -> AnyTraining:
    """The training of the recipe's model, at its first step."""
    if isinstance(recipe, ImageRecipe):
        from flowcodec.training.image.training import ImageTraining

        return ImageTraining(recipe, folder, device)
    from flowcodec.training.flow.training import FlowTraining

    return FlowTraining(recipe, folder, device)

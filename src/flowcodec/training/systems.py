"""Which training a recipe asks for."""

from __future__ import annotations

from pathlib import Path

from flowcodec.training.engine import AnyTraining
from flowcodec.training.recipe import AnyRecipe, FlowRecipe, ImageRecipe


def open_training(recipe: AnyRecipe, folder: Path, device: str = "cpu") -> AnyTraining:
    """The training of the recipe's model, at its first step."""
    if isinstance(recipe, ImageRecipe):
        from flowcodec.training.image.training import ImageTraining

        return ImageTraining(recipe, folder, device)
    if isinstance(recipe, FlowRecipe):
        from flowcodec.training.flow.training import FlowTraining

        return FlowTraining(recipe, folder, device)
    from flowcodec.training.video.training import VideoTraining

    return VideoTraining(recipe, folder, device)

"""Which training a recipe asks for."""

from __future__ import annotations

from pathlib import Path

from flowcodec.training.engine import AnyTraining
from flowcodec.training.recipe import AnyRecipe, FlowRecipe, ImageRecipe


def open_training(recipe: AnyRecipe, folder: Path, device: str = "cpu") -> AnyTraining:
    """The training of the recipe's model, at its first step."""
    if isinstance(recipe, ImageRecipe):
        from flowcodec.training.image_cnn.training import ImageTraining

        return ImageTraining(recipe, folder, device)
    if isinstance(recipe, FlowRecipe):
        from flowcodec.training.flow_deeppynet.training import FlowTraining

        return FlowTraining(recipe, folder, device)
    from flowcodec.training.video_mofnet.training import VideoTraining

    return VideoTraining(recipe, folder, device)

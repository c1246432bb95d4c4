"""Recipes of image-transformer."""

from __future__ import annotations

from typing import Literal

from flowcodec.training.image_cnn.recipe import ImageRecipe


class ImageTransformerRecipe(
    ImageRecipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="image-transformer"
):
    """A recipe of image-transformer. `init` may be weights of image-cnn."""

    metric: Literal["mse", "ms-ssim"] = "mse"

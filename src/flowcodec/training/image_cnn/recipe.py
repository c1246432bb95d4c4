"""Recipes of image-cnn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flowcodec.quality import lambdas_of
from flowcodec.training.recipe import Recipe, Stage, require

Part = Literal["all", "prior", "synthesis", "decoder"]


class ImageStage(Stage, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A stage of image-cnn, on square crops."""

    crop: int
    part: Part = "all"  # `ImageTraining.losses` tells what the others leave out
    calibrate: bool = False  # set the gains by a line search first, and keep them
    reuse: int = 1  # times that frozen latents are trained on; "synthesis" alone

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch >= 1, "batch", self.batch, "at least 1")
        require(self.reuse >= 1, "reuse", self.reuse, "at least 1")
        frozen = self.part == "synthesis"
        require(frozen or self.reuse == 1, "reuse", self.reuse, f'1 where part is "{self.part}"')
        require(self.crop >= 64 and self.crop % 64 == 0, "crop", self.crop, "a multiple of 64")


class ImageRecipe(Recipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="image-cnn"):
    """A recipe of image-cnn."""

    stages: list[ImageStage]
    metric: Literal["mse", "ms-ssim", "yuv"] = "mse"
    start: Literal["klt", "random"] = "klt"  # without `init`
    quality: float | None = None  # one anchor quality (the thesis) instead of all in one model
    rate: Literal["rounded", "noise"] = "rounded"  # `nn.prior.Prior.forward` says which is which
    price: float = 0.0  # of a bit in squared steps, when latents are rounded; 0: to the nearest
    balance: float = 0.5  # loss of each quality times lambda^-balance
    gains: float = 1.0  # learning rate of gains and expected errors, as a multiple
    slow: float = 0.01  # learning rate of the KLT, as a fraction: 0.1 blurs it by its noise
    halve: float = 0.2  # fraction of crops taken at half size

    def __post_init__(self) -> None:
        super().__post_init__()
        quality = self.quality
        require(quality is None or 1 <= quality <= 8, "quality", quality, "from 1 to 8")
        require(self.gains > 0, "gains", self.gains, "above 0")
        require(self.price >= 0, "price", self.price, "0 or above")
        require(0 <= self.halve <= 1, "halve", self.halve, "from 0 to 1")
        if self.metric == "ms-ssim":
            crop = min(stage.crop for stage in self.stages)
            require(crop >= 192, "crop", crop, "at least 192 for MS-SSIM, which has five scales")

    @property
    def system(self) -> str:
        """What is trained."""
        return str(self.__struct_config__.tag)

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        return self.stages

    @property
    def lambdas(self) -> list[float]:
        """`lambdas_of` the metric."""
        return lambdas_of(self.metric)

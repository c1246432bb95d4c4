"""Recipes of video-mofnet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from flowcodec.codecs.systems import names_of
from flowcodec.media.folders import video_files
from flowcodec.quality import lambdas_of
from flowcodec.training.recipe import Recipe, Stage, require


class VideoStage(Stage, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A stage of video-mofnet, on square crops of an I-frame and `frames` P-frames after it.

    phase: "halves" (alpha is 1 on one half of the frame and 0 on the other), "alternate" (MOFNet
    and CodecNet take turns), "all": the paper's three; "prior" trains the priors alone.
    """

    crop: int
    frames: int = 1
    phase: Literal["halves", "alternate", "all", "prior"] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch >= 1, "batch", self.batch, "at least 1")
        require(self.frames >= 1, "frames", self.frames, "at least 1")
        require(self.crop >= 64 and self.crop % 64 == 0, "crop", self.crop, "a multiple of 64")


class VideoRecipe(
    Recipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="video-mofnet"
):
    """A recipe of video-mofnet; fields that `ImageRecipe` has too mean the same."""

    stages: list[VideoStage]
    metric: Literal["mse", "ms-ssim"] = "mse"
    rate: Literal["rounded", "noise"] = "rounded"
    price: float = 0.0
    balance: float = 0.5
    gains: float = 1.0
    slow: float = 0.01
    lossless: float = 0.0  # part of the sequences whose first frame is lossless
    bare: float = 0.0  # part of the sets of latents that go without their hyperprior

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.gains > 0, "gains", self.gains, "above 0")
        require(self.price >= 0, "price", self.price, "0 or above")
        require(0 <= self.lossless <= 1, "lossless", self.lossless, "from 0 to 1")
        require(0 <= self.bare <= 1, "bare", self.bare, "from 0 to 1")
        if self.metric == "ms-ssim":
            crop = min(stage.crop for stage in self.stages)
            require(crop >= 192, "crop", crop, "at least 192 for MS-SSIM, which has five scales")

    def files(self, data: Path) -> list[Path]:
        """Videos."""
        return video_files(data)

    @property
    def needs(self) -> Sequence[str]:
        """Those of the frames that stand alone, and of flow."""
        return f"{names_of('picture')[0]}-{self.metric}", f"{names_of('flow')[0]}-epe"

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        return self.stages

    @property
    def lambdas(self) -> list[float]:
        """`lambdas_of` the metric."""
        return lambdas_of(self.metric)

"""Recipes of flow-deeppynet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowcodec.errors import UsageError
from flowcodec.media.folders import picture_files, video_files
from flowcodec.training.recipe import Recipe, Stage, require


class FlowStage(Stage, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A stage of flow-deeppynet, on crops of height x width.

    batch: of generated scenes; pairs: of data sets, whose flow is known; clips: pairs of frames of
    real video, for the photometric loss.
    """

    height: int
    width: int
    pairs: int = 0
    clips: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value in (("height", self.height), ("width", self.width)):
            require(value >= 64 and value % 16 == 0, key, value, "a multiple of 16 from 64 up")
        for key, value in (("pairs", self.pairs), ("clips", self.clips)):
            require(value >= 0, key, value, "0 or above")
        known = self.batch + self.pairs
        require(known >= 1, "batch", self.batch, "at least 1 where pairs is 0")


class FlowRecipe(
    Recipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="flow-deeppynet"
):
    """A recipe of flow-deeppynet."""

    stages: list[FlowStage]
    data_sets: list[str] = []  # that pairs are of, as `find_pairs` names them; none: all of them
    decay: float = 0.8  # of the loss from one update to the one before (delta in eq. 4.8)
    power: float = 1.0  # of errors in the loss: below 1, small errors count for more
    occluded: float = 1.0  # weight of pixels that the second picture does not show
    photometric: float = 10.0  # weight of the loss of stages with clips
    smoothness: float = 0.01  # of flow, in that loss
    furnished: float = 0.0  # of the scenes: full of furniture

    def __post_init__(self) -> None:
        super().__post_init__()
        taken = any(stage.pairs for stage in self.stages)
        require(taken or not self.data_sets, "data_sets", self.data_sets, "[] where pairs is 0")
        require(0 <= self.decay <= 1, "decay", self.decay, "from 0 to 1")
        require(0 < self.power <= 1, "power", self.power, "above 0, to 1")
        for key in ("photometric", "smoothness"):
            require(getattr(self, key) >= 0, key, getattr(self, key), "0 or above")
        for key in ("occluded", "furnished"):
            require(0 <= getattr(self, key) <= 1, key, getattr(self, key), "from 0 to 1")

    def files(self, data: Path) -> list[Path]:
        """Pictures, and videos where there are clips; UsageError where there are data sets."""
        if any(stage.pairs for stage in self.stages):
            raise UsageError("a bundle takes no data sets: copy them, and train without one")
        clips = any(stage.clips for stage in self.stages)
        return sorted(picture_files(data) + (video_files(data) if clips else []))

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        return self.stages

"""Recipes: what to train, on what, for how long. TOML, checked when loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from flowcodec.errors import UsageError
from flowcodec.models.image_cnn.config import lambdas_of

Part = Literal["all", "prior", "synthesis", "decoder", "analysis"]


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

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.all_stages)


class ImageRecipe(Recipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="image-cnn"):
    """A recipe of image-cnn."""

    stages: list[ImageStage]
    metric: Literal["mse", "ms-ssim"] = "mse"
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
        taught = any(stage.part == "analysis" for stage in self.stages)
        require(not taught or self.init is not None, "init", self.init, 'given for part "analysis"')
        if self.metric == "ms-ssim":
            crop = min(stage.crop for stage in self.stages)
            require(crop >= 192, "crop", crop, "at least 192 for MS-SSIM, which has five scales")

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        return self.stages

    @property
    def lambdas(self) -> list[float]:
        """`lambdas_of` the metric."""
        return lambdas_of(self.metric)


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

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        return self.stages


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

    @property
    def all_stages(self) -> Sequence[Stage]:
        """The schedule."""
        return self.stages

    @property
    def lambdas(self) -> list[float]:
        """`lambdas_of` the metric."""
        return lambdas_of(self.metric)


AnyRecipe = ImageRecipe | FlowRecipe | VideoRecipe


def require(condition: bool, key: str, value: object, wanted: str) -> None:
    """ValueError naming the key, which msgspec completes with the place in the file."""
    if not condition:
        raise ValueError(f"{key} is {value}, it must be {wanted}")


def load_recipe(path: Path) -> AnyRecipe:
    """Read and check a recipe; UsageError names the key that is wrong."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=AnyRecipe)
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

"""Presets of image-cnn: frozen data, one dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flowcodec.entropy.order import Order
from flowcodec.nn.patches import RGB, YUV420

LATENT_STRIDE = 16
MASK_STEPS = 4  # of masking's channel in an octave
PLANES = {"rgb": RGB, "yuv420": YUV420}


@dataclass(frozen=True)
class ImageCnnConfig:
    """Sizes and switches of image-cnn (thesis ch. 3.1-3.3).

    transform: "strided" is the thesis's four 5x5 convolutions of stride 2 with GDN; "patch" is a
    16x16 linear transform (KLT start) and its inverse between two residual networks at 1/8.
    width: channels inside the transforms (N); latent: channels of g_a at 1/16 (M); hyper: channels
    of z at 1/64; attention: block in g_a, g_s, h_a and h_s; components: Gaussians per latent
    element (GMB above 1); refinement: DIRB after g_s; features, hidden, slices: the prior
    (`nn.prior.PriorConfig`).
    """

    transform: Literal["strided", "patch"]
    width: int
    latent: int
    hyper: int
    features: int
    hidden: tuple[int, int]
    slices: tuple[int, ...]
    attention: Literal["none", "aab", "cheng", "nlam"]
    components: int
    refinement: bool
    blocks: tuple[int, int] = (0, 0)  # patch transform only: residual blocks of g_a and g_s
    trunk: Literal["dense", "gated"] = "dense"  # patch transform only: their kind (`nn.blocks`)
    relief: bool = False  # patch transform only: corrections see how means differ from those around
    masking: bool = False  # patch transform only: one channel more, the steps' octaves
    planes: Literal["rgb", "yuv420"] = "rgb"  # patch transform only: what is transformed
    first_half: int = 0  # slices of CGAM's first half (`nn.prior`); 0: no slice sees by similarity

    def __post_init__(self) -> None:
        if self.relief and self.transform != "patch":
            raise ValueError("relief is for the patch transform only")
        if self.trunk != "dense" and self.transform != "patch":
            raise ValueError(f'trunk "{self.trunk}" is for the patch transform only')
        if self.planes != "rgb":
            if self.transform != "patch":
                raise ValueError(f'planes "{self.planes}" are for the patch transform only')
            if self.masking or self.refinement:
                raise ValueError(f'planes "{self.planes}" have neither masking nor refinement')

    @property
    def coded(self) -> int:
        """Channels of y: those of g_a and, before them, that of masking."""
        return self.latent + self.masking

    @property
    def coded_slices(self) -> tuple[int, ...]:
        """Channels of each slice of y in coding order."""
        return ((1,) if self.masking else ()) + self.slices

    @property
    def coded_half(self) -> int:
        """How many of those are CGAM's first half."""
        return self.first_half + self.masking if self.first_half else 0

    @property
    def order(self) -> Order | tuple[Order, ...]:
        """The checkerboard; with CGAM of the last slice too, which then has something to see."""
        word: Order = "checkerboard"
        return (word,) * len(self.coded_slices) if self.first_half else word


PRESETS = {
    "paper": ImageCnnConfig(
        transform="strided",
        width=192,
        latent=320,
        hyper=192,
        features=192,
        hidden=(320, 320),
        slices=(320,),
        attention="aab",
        components=3,
        refinement=True,
    ),
    "compact": ImageCnnConfig(
        transform="patch",
        width=128,
        latent=320,
        hyper=48,
        features=128,
        hidden=(128, 96),
        slices=(8, 16, 32, 56, 80, 128),
        attention="none",
        components=1,
        refinement=False,
        blocks=(5, 8),
        trunk="gated",
        relief=True,
    ),
    "tiny": ImageCnnConfig(
        transform="patch",
        width=8,
        latent=24,
        hyper=4,
        features=8,
        hidden=(8, 8),
        slices=(8, 16),
        attention="aab",
        components=1,
        refinement=True,
        blocks=(1, 1),
    ),
}

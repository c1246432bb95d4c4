"""Presets of image-transformer: frozen data, one dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from flowcodec.entropy.order import Order
from flowcodec.models.image_cnn.config import PRESETS as CNN
from flowcodec.models.image_cnn.config import ImageCnnConfig

REDUCTIONS = (8, 4, 2, 1, 1)  # S of table 3.1
RATIOS = (3, 3, 4, 4, 8)  # ML of table 3.1: hidden channels of MLPs, as multiples
MAIN = 3  # stages of M_E, the others are H_E's


@dataclass(frozen=True)
class ImageTransformerConfig(ImageCnnConfig):
    """Sizes and switches of image-transformer (thesis ch. 3.4); those of image-cnn, and more.

    transform: "strided" are the chapter's five stages; "patch" is the core of image-cnn with
    deformable merging and transformer blocks beside it, at 1/16, silent at the start.
    stages, heads: channels of the five stages and heads of their attention; with "patch" those of
    the third are those of the blocks at 1/16, and there are no others. blocks_at_16: transformer
    blocks there, on each side; 2 make six blocks of five.
    reduction: MHSRSA, or without it MHSA. first_half: CGAM; without it the latents of "strided"
    have the masked context of Minnen et al. 2018.
    """

    stages: tuple[int, ...] = (64, 128, 320, 512, 704)
    heads: tuple[int, ...] = (1, 2, 5, 8, 11)
    blocks_at_16: int = 1
    reduction: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.stages) != 5 or len(self.heads) != 5:
            raise ValueError("there are five stages, each with its channels and its heads")
        if self.attention != "none" or self.refinement or self.planes != "rgb":
            raise ValueError("attention, refinement and planes of 4:2:0 are image-cnn's alone")
        if self.transform == "strided" and self.latent != self.stages[MAIN - 1]:
            raise ValueError(f"y has the {self.stages[MAIN - 1]} channels of the third stage")

    @property
    def order(self) -> Order | tuple[Order, ...]:
        """As in image-cnn; of the chapter's stages the wavefront."""
        return "wavefront" if self.transform == "strided" else super().order

    def reduction_at(self, stage: int) -> int:
        """How many times fewer keys along a side there are than positions."""
        return REDUCTIONS[stage] if self.reduction else 1


def compact() -> ImageTransformerConfig:
    """The preset of image-cnn, and what makes it one of this system."""
    core: dict[str, object] = vars(CNN["compact"])
    own = {"first_half": 3, "stages": (64, 128, 192, 512, 704), "heads": (1, 2, 6, 8, 11)}
    return ImageTransformerConfig(**{**core, **own})  # type: ignore[arg-type]


PRESETS = {
    "paper": ImageTransformerConfig(
        transform="strided",
        width=0,
        latent=320,
        hyper=192,
        features=320,
        hidden=(320, 320),
        slices=(160, 160),
        attention="none",
        components=1,
        refinement=False,
        first_half=1,
    ),
    "compact": compact(),
    "tiny": ImageTransformerConfig(
        transform="strided",
        width=0,
        latent=12,
        hyper=4,
        features=8,
        hidden=(8, 8),
        slices=(6, 6),
        attention="none",
        components=1,
        refinement=False,
        first_half=1,
        stages=(4, 8, 12, 12, 16),
        heads=(1, 2, 3, 3, 4),
    ),
}

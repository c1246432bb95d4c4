"""image-cnn: the learned picture codec of the thesis, as a torch module.

x ─g_a─► y ─round(gain)─► ŷ ─g_s─► (DIRB) ─► x̂
         │                ▲
        h_a ─► z ─► ẑ ─► prior (h_s, context, GMB) gives the probabilities of ŷ
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import MASK_STEPS, ImageCnnConfig
from flowcodec.models.image_cnn.refinement import Refinement
from flowcodec.models.image_cnn.transforms import (
    PatchAnalysis,
    PatchSynthesis,
    StridedAnalysis,
    StridedSynthesis,
)
from flowcodec.nn.latents import LatentCoder
from flowcodec.nn.prior import PriorConfig


@dataclass(frozen=True)
class Output:
    """x_hat (B, 3, H, W), around [0, 1] but not clamped; bits (B, 2) of z and y."""

    x_hat: Tensor
    bits: Tensor


class ImageCnn(LatentCoder):
    """The whole network. Pictures are (B, 3, H, W) in [0, 1]; quality is (B,) in [1, 8]."""

    def __init__(
        self, config: ImageCnnConfig, transforms: tuple[nn.Module, nn.Module] | None = None
    ):
        """transforms: g_a and g_s, if they are not those of the configuration."""
        super().__init__(
            PriorConfig(
                latent=config.coded,
                hyper=config.hyper,
                features=config.features,
                hidden=config.hidden,
                slices=config.coded_slices,
                components=config.components,
                attention=config.attention == "aab",
                order=config.order,
                first_half=config.coded_half,
            ),
            config.attention,
            decisions=config.masking,
        )
        self.config = config
        self.g_a, self.g_s = transforms_of(config) if transforms is None else transforms
        patch = config.transform == "patch"
        self.refinement = Refinement(config, patch) if config.refinement else None
        if config.masking:
            for table in self.gain_tables:
                fix_mask_gain(table)

    def forward(
        self, x: Tensor, quality: Tensor, noise: bool = False, price: float = 0.0
    ) -> Output:
        """Training pass; H and W multiples of 64; `noise` and `price` as in `code`."""
        return self.decode(self.g_a(x - 0.5, quality), quality, noise, price)

    def decode(self, y: Tensor, quality: Tensor, noise: bool = False, price: float = 0.0) -> Output:
        """The training pass from latents before their gain on."""
        coded = self.code(y, quality, noise, price)
        return Output(
            self.synthesise(coded.y, quality), torch.stack([coded.z_bits, coded.y_bits], 1)
        )

    def analyse(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """x with H, W multiples of 16 -> latents y before their gain, (B, M, H/16, W/16), and
        the gain (B, M, 1, 1) by which they are multiplied before rounding."""
        return self.g_a(x - 0.5, quality), self.gain(quality)

    def synthesise(self, y: Tensor, quality: Tensor, refined: bool = True) -> Tensor:
        """Integer-valued y (B, M, h, w) -> picture (B, 3, 16h, 16w), not clamped."""
        x, features = self.g_s(self.restored(y, quality), quality)
        if self.refinement is not None and refined:
            x = x + self.refinement(x, features, quality)
        picture: Tensor = x + 0.5
        return picture


def transforms_of(config: ImageCnnConfig) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s."""
    if config.transform == "patch":
        analysis = PatchAnalysis(config)
        return analysis, PatchSynthesis(config, analysis)
    return StridedAnalysis(config), StridedSynthesis(config)


def fix_mask_gain(table: nn.Parameter) -> None:
    """Set the first channel's gain, masking's, to its steps in an octave, and keep it there."""
    with torch.no_grad():
        table[:, 0] = math.log2(MASK_STEPS)
    free = torch.ones(table.shape[1])
    free[0] = 0
    table.register_hook(lambda gradient: gradient * free.to(gradient.device))

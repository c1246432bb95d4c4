"""image-cnn: the learned picture codec of the thesis, as a torch module.

x ─g_a─► y ─round(gain)─► ŷ ─g_s─► (DIRB) ─► x̂
         │                ▲
        h_a ─► z ─► ẑ ─► prior (h_s, context, GMB) gives the probabilities of ŷ
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import MASK_STEPS, ImageCnnConfig
from flowcodec.models.image_cnn.refinement import Refinement
from flowcodec.models.image_cnn.transforms import (
    HyperAnalysis,
    PatchAnalysis,
    PatchSynthesis,
    StridedAnalysis,
    StridedSynthesis,
)
from flowcodec.nn.gains import PerQuality
from flowcodec.nn.precision import without_autocast
from flowcodec.nn.prior import Coded, Prior, PriorConfig

LATENT_STRIDE = 16


@dataclass(frozen=True)
class Output:
    """x_hat (B, 3, H, W), around [0, 1] but not clamped; bits (B, 2) of z and y."""

    x_hat: Tensor
    bits: Tensor


class ImageCnn(nn.Module):
    """The whole network. Pictures are (B, 3, H, W) in [0, 1]; quality is (B,) in [1, 8]."""

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        self.config = config
        patch = config.transform == "patch"
        self.g_a: PatchAnalysis | StridedAnalysis
        self.g_s: PatchSynthesis | StridedSynthesis
        if patch:
            self.g_a = PatchAnalysis(config)
            self.g_s = PatchSynthesis(config, self.g_a)
        else:
            self.g_a = StridedAnalysis(config)
            self.g_s = StridedSynthesis(config)
        self.h_a = HyperAnalysis(config)
        self.prior = Prior(
            PriorConfig(
                latent=config.coded,
                hyper=config.hyper,
                features=config.features,
                hidden=config.hidden,
                groups=config.coded_groups,
                components=config.components,
                attention=config.attention == "aab",
            )
        )
        self.log_inverse_gain = PerQuality(config.coded)
        self.refinement = Refinement(config, patch) if config.refinement else None
        if config.masking:
            for table in self.gain_tables:
                fix_mask_gain(table)

    @property
    def gain_tables(self) -> tuple[nn.Parameter, nn.Parameter]:
        """log2 of the gains by which y is multiplied, and of those it is divided by: (8, M)."""
        return self.prior.log_gain.table, self.log_inverse_gain.table

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

    def code(self, y: Tensor, quality: Tensor, noise: bool = False, price: float = 0.0) -> Coded:
        """Latents before their gain through h_a and the prior.

        `noise` as in `Prior.forward`; price: squared error, in steps of the quantiser, that a bit
        is worth when y is rounded. Masking's channel is a decision already.

        The prior imitates integers of up to 18 bits and latents reach into the hundreds: both are
        beyond bfloat16, so autocast ends here.
        """
        z = self.h_a(y)
        with without_autocast(y.device):
            prices = y.new_full((self.config.coded, 1, 1), price, dtype=torch.float32)
            prices[: self.config.masking] = 0
            return self.prior(y.float(), z.float(), quality, noise, prices if price else None)

    def analyse(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """x with H, W multiples of 16 -> latents y before their gain, (B, M, H/16, W/16), and
        the gain (B, M, 1, 1) by which they are multiplied before rounding."""
        return self.g_a(x - 0.5, quality), torch.exp2(self.prior.log_gain(quality))

    def hyper_analyse(self, y: Tensor, quality: Tensor) -> Tensor:
        """y before its gain, any size -> integer-valued z (B, N, ceil(h/4), ceil(w/4))."""
        height, width = y.shape[2:]
        y = F.pad(y, (0, -width % 4, 0, -height % 4), mode="replicate")
        return torch.round(self.h_a(y) * torch.exp2(self.prior.hyper_log_gain(quality)))

    def synthesise(self, y: Tensor, quality: Tensor) -> Tensor:
        """Integer-valued y (B, M, h, w) -> picture (B, 3, 16h, 16w), not clamped."""
        x, features = self.g_s(y * torch.exp2(-self.log_inverse_gain(quality)), quality)
        if self.refinement is not None:
            x = x + self.refinement(x, features, quality)
        picture: Tensor = x + 0.5
        return picture


def fix_mask_gain(table: nn.Parameter) -> None:
    """Set the first channel's gain, masking's, to its steps in an octave, and keep it there."""
    with torch.no_grad():
        table[:, 0] = math.log2(MASK_STEPS)
    free = torch.ones(table.shape[1])
    free[0] = 0
    table.register_hook(lambda gradient: gradient * free.to(gradient.device))

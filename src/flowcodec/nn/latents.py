"""A hyperprior coder of latents, whatever transforms they come from."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.attention import attention
from flowcodec.nn.context import context_input
from flowcodec.nn.gains import PerQuality
from flowcodec.nn.precision import without_autocast
from flowcodec.nn.prior import Coded, Prior, PriorConfig
from flowcodec.nn.strided import down


class HyperAnalysis(nn.Module):
    """h_a: y (B, M, 4k, 4l) -> z (B, N, k, l); 3x3 and two 5x5 of stride 2, LeakyReLU, AAB."""

    def __init__(self, latent: int, hyper: int, attention_block: str = "none"):
        super().__init__()
        n = hyper
        self.first = nn.Conv2d(latent, n, 3, padding=1)
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.1),
            down(n, n),
            nn.LeakyReLU(0.1),
            attention(attention_block, n),
            down(n, n),
        )

    def forward(self, y: Tensor) -> Tensor:
        z: Tensor = self.layers(self.first(y))
        return z


class LatentCoder(nn.Module):
    """h_a, the prior, and the gains by which latents are divided again.

    decisions: so many of the first channels are integers by decision, at no price.
    """

    def __init__(self, config: PriorConfig, attention_block: str = "none", decisions: int = 0):
        super().__init__()
        self.decisions = decisions
        self.h_a = HyperAnalysis(config.latent, config.hyper, attention_block)
        self.prior = Prior(config)
        self.log_inverse_gain = PerQuality(config.latent)

    @property
    def gain_tables(self) -> tuple[nn.Parameter, nn.Parameter]:
        """log2 of the gains by which y is multiplied, and of those it is divided by: (8, M)."""
        return self.prior.log_gain.table, self.log_inverse_gain.table

    def code(
        self,
        y: Tensor,
        quality: Tensor,
        noise: bool = False,
        price: float = 0.0,
        beside: Tensor | None = None,
        bare: Tensor | None = None,
    ) -> Coded:
        """Latents before their gain through h_a and the prior.

        `noise` and `beside` as in `Prior.forward`; price: squared error, in steps of the
        quantiser, that a bit is worth when y is rounded; bare (B,): where z is zero and costs
        nothing.

        The prior imitates integers of up to 18 bits and latents reach into the hundreds: both are
        beyond bfloat16, so autocast ends here.
        """
        z = self.h_a(y)
        with without_autocast(y.device):
            prices = y.new_full((y.shape[1], 1, 1), price, dtype=torch.float32)
            prices[: self.decisions] = 0
            cost = prices if price else None
            if bare is not None:
                z = z * ~bare[:, None, None, None]
            coded = self.prior(y.float(), z.float(), quality, noise, cost, beside)
            return coded if bare is None else replace(coded, z_bits=coded.z_bits * ~bare)

    def seen(self, y: Tensor, quality: Tensor) -> Tensor:
        """What another prior sees of integer-valued y, without a gradient: (B, 2M, h, w)."""
        return context_input(y.detach(), self.prior.log_gain(quality).detach())

    def gain(self, quality: Tensor) -> Tensor:
        """(B, M, 1, 1), by which y is multiplied before rounding."""
        return torch.exp2(self.prior.log_gain(quality))

    def hyper_analyse(self, y: Tensor, quality: Tensor) -> Tensor:
        """y before its gain, any size -> integer-valued z (B, N, ceil(h/4), ceil(w/4))."""
        height, width = y.shape[2:]
        y = F.pad(y, (0, -width % 4, 0, -height % 4), mode="replicate")
        return torch.round(self.h_a(y) * torch.exp2(self.prior.hyper_log_gain(quality)))

    def restored(self, y: Tensor, quality: Tensor) -> Tensor:
        """Integer-valued latents without their gain."""
        return y * torch.exp2(-self.log_inverse_gain(quality))

"""Quality as a real number: per-channel vectors at eight anchor qualities, interpolated.

Gain units after Cui et al. (asymmetric gained VAE): the vectors are stored as logarithms, so
that linear interpolation between two anchors is the geometric interpolation of their gains.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowcodec.quality import ANCHORS


class PerQuality(nn.Module):
    """A learned vector of `channels` values at each anchor quality 1..8."""

    def __init__(self, channels: int, initial: Tensor | None = None):
        super().__init__()
        start = torch.zeros(ANCHORS, channels) if initial is None else initial.clone()
        self.table = nn.Parameter(start)

    def forward(self, quality: Tensor) -> Tensor:
        """quality: (B,) real in [1, 8] -> (B, channels, 1, 1)."""
        position = quality.clamp(1, ANCHORS) - 1
        low = position.floor().clamp(max=ANCHORS - 2).long()
        fraction = (position - low).unsqueeze(1)
        vector = self.table[low] * (1 - fraction) + self.table[low + 1] * fraction
        return vector[:, :, None, None]


class Modulation(nn.Module):
    """Scales and shifts every channel by an amount that depends on the quality; starts neutral."""

    def __init__(self, channels: int):
        super().__init__()
        self.log_scale = PerQuality(channels)
        self.shift = PerQuality(channels)

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        return x * torch.exp(self.log_scale(quality)) + self.shift(quality)

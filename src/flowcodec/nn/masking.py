"""Contrast masking: how much coarser a position may be quantised where the eye, or MS-SSIM, sees
less. Ours; the papers have no such thing.

MS-SSIM divides the error of a window by its contrast, 2 sigma^2 + (0.03)^2. So the steps of a
position should grow with the root of that.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.contrast import CONTRAST, LARGEST_MASK
from flowcodec.nn.patches import BLOCK, PATCH

BLOCKS = (PATCH // BLOCK) ** 2


class Masking(nn.Module):
    """Octaves from the contrast of the four 8x8 blocks of a position, of the least of them, and of
    the neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(BLOCKS + 1, 1, 3, padding=1, padding_mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, 16h, 16w), pixels in a range of 1 -> octaves (B, 1, h, w)."""
        light = x.mean(1, keepdim=True)
        mean = F.avg_pool2d(light, BLOCK)
        variance = (F.avg_pool2d(light.square(), BLOCK) - mean.square()).clamp(min=0)
        octaves = F.pixel_unshuffle(0.5 * torch.log2(1 + CONTRAST * variance), PATCH // BLOCK)
        mixed: Tensor = self.mix(torch.cat([octaves, octaves.amin(1, keepdim=True)], 1))
        return mixed.clamp(-LARGEST_MASK, LARGEST_MASK)

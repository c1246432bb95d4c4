"""DIRB, the decoded image refinement block (thesis 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.nn.attention import WINDOW, NonLocal
from flowcodec.nn.blocks import ResidualBlock, zero_start
from flowcodec.nn.gains import Modulation

STRIDE = 8


class Refinement(nn.Module):
    """A correction of the decoded picture, zero at the start of training.

    Eq. 3.8-3.10 (embedded-Gaussian non-local block, residual). At full resolution that is
    quadratic in pixels; our reading: it works at 1/8 on the unshuffled picture and g_s's last
    features, in windows, shifted by half a window in the second block.
    """

    def __init__(self, config: ImageCnnConfig, patch: bool):
        super().__init__()
        n = config.width
        self.unshuffle = 1 if patch else 4  # features stand at 1/8 (patch) or 1/2 (strided)
        self.stem = nn.Conv2d(3 * STRIDE**2 + n * self.unshuffle**2, n, 1)
        self.modulation = Modulation(n)
        self.first = NonLocal(n)
        self.between = ResidualBlock(n)
        self.second = NonLocal(n)
        self.out = zero_start(nn.Conv2d(n, 3 * STRIDE**2, 3, padding=1))

    def forward(self, x: Tensor, features: Tensor, quality: Tensor) -> Tensor:
        """x (B, 3, H, W) and g_s's features -> correction (B, 3, H, W)."""
        if self.unshuffle > 1:
            features = F.pixel_unshuffle(features, self.unshuffle)
        both = torch.cat([F.pixel_unshuffle(x, STRIDE), features], 1)
        inner = self.between(self.first(self.modulation(self.stem(both), quality)))
        half = WINDOW // 2
        shifted = self.second(F.pad(inner, (half, 0, half, 0)))
        return F.pixel_shuffle(self.out(shifted[:, :, half:, half:]), STRIDE)

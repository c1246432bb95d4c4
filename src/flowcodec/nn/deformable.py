"""Deformable convolution, and the merging and expanding of patches that the thesis makes of it.

Each tap of the kernel is taken from where the map itself says (Dai et al. 2017), but up to `REACH`
positions away from its own place: what a position depends on has to end somewhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.blocks import zero_start

REACH = 1.0  # positions, of an offset


class DeformableConv2d(nn.Module):
    """A convolution of patches, kernel = stride, whose taps are displaced; bilinear in between.

    (B, I, s h, s w) -> (B, O, h, w). At the start nothing is displaced.
    """

    def __init__(self, inputs: int, outputs: int, side: int):
        super().__init__()
        self.side = side
        self.offsets = zero_start(nn.Conv2d(inputs, 2 * side**2, side, stride=side))
        self.weight = nn.Conv2d(inputs * side**2, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        side, (height, width) = self.side, x.shape[2:]
        offsets = REACH * torch.tanh(self.offsets(x))
        offsets = F.pixel_shuffle(offsets, side)  # (B, 2, H, W): of each position, as a tap
        rows = torch.arange(height, device=x.device, dtype=x.dtype)[:, None]
        columns = torch.arange(width, device=x.device, dtype=x.dtype)[None, :]
        across = (2 * (columns + offsets[:, 0]) + 1) / width - 1
        down = (2 * (rows + offsets[:, 1]) + 1) / height - 1
        grid = torch.stack([across, down], 3)
        moved = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        found: Tensor = self.weight(F.pixel_unshuffle(moved, side))
        return found


class DeformableMerging(nn.Module):
    """DPMM (thesis eq. 3.11): GELU(BN(deformable convolution)); patches become positions."""

    def __init__(self, inputs: int, outputs: int, side: int = 2):
        super().__init__()
        self.convolution = DeformableConv2d(inputs, outputs, side)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.convolution(x)))


class DeformableExpanding(nn.Module):
    """DPEM (thesis 3.4.1), the mirror: positions become patches of side x side.

    (B, I, h, w) -> (B, O, s h, s w).
    """

    def __init__(self, inputs: int, outputs: int, side: int = 2):
        super().__init__()
        self.side = side
        self.convolution = DeformableConv2d(inputs, outputs * side**2, 1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(F.pixel_shuffle(self.convolution(x), self.side)))

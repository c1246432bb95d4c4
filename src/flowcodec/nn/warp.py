"""Backward warping: what a second picture shows where a flow says the first one's pixels went."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]


def warp(x: Tensor, flow: Tensor, interpolation: Interpolation = "bilinear") -> Tensor:
    """x (B, C, H, W) sampled at p + flow(p); beyond the border, the border's values.

    flow (B, 2, H, W) in pixels of x: channel 0 to the right, channel 1 down.
    """
    grid = _grid(flow) + flow
    height, width = x.shape[2:]
    scale = grid.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)]).view(1, 2, 1, 1)
    places = (grid * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(x, places, mode=interpolation, padding_mode="border", align_corners=True)


def inside(flow: Tensor) -> Tensor:
    """1 where p + flow(p) lies in the picture, else 0: (B, 1, H, W)."""
    grid = _grid(flow) + flow
    height, width = flow.shape[2:]
    bound = grid.new_tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    return ((grid >= 0) & (grid <= bound)).all(1, keepdim=True).to(flow.dtype)


def _grid(flow: Tensor) -> Tensor:
    """The pixels' own places, (1, 2, H, W)."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=flow.dtype, device=flow.device),
        torch.arange(width, dtype=flow.dtype, device=flow.device),
        indexing="ij",
    )
    return torch.stack([x, y])[None]

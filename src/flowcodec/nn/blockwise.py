"""Transforms of blocks as one product of matrices each: convolutions whose stride is their side.

What comes out lies with its channels last in memory, in which the convolutions of a trunk take half
the time in bfloat16, and depthwise ones an eighth.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def analyse(x: Tensor, basis: Tensor, bias: Tensor | None = None) -> Tensor:
    """Planes (B, C, k h, k w) by waves (N, C, k, k) -> coefficients (B, N, h, w)."""
    blocks = F.pixel_unshuffle(x, basis.shape[-1]).permute(0, 2, 3, 1)
    return F.linear(blocks, basis.flatten(1), bias).permute(0, 3, 1, 2)


def synthesise(y: Tensor, basis: Tensor, bias: Tensor | None = None) -> Tensor:
    """The transposed of `analyse`: coefficients (B, N, h, w) -> planes (B, C, k h, k w); bias (C,)
    is added to them."""
    blocks = y.permute(0, 2, 3, 1) @ basis.flatten(1)
    planes = F.pixel_shuffle(blocks.permute(0, 3, 1, 2), basis.shape[-1])
    return planes if bias is None else planes + bias[:, None, None]

"""Flow that costs little to code: where a picture does not tell its motion, that of its neighbours.

An estimator says something everywhere, on a plain sky as well, and there what it says costs bits
and is worth none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from flowcodec.models.video_mofnet.config import FLOW_BLOCK

ROUGHNESS = 2.0  # bits that a squared pixel between the motions of two blocks is worth
DISTORTION, RISE = 117.0, 1.93  # bits that a unit of squared error is worth at quality 1; a quality
SWEEPS = 20  # at each scale
SMALLEST = 4  # blocks, the shorter side of the coarsest scale


@torch.no_grad()
def settled(coarse: Tensor, x: Tensor, quality: Tensor) -> Tensor:
    """coarse (B, 2, h, w), flow of blocks in pixels, of x (B, 3, 8h, 8w) -> the same, smoother.

    Minimises d' G d over all blocks, d being the change of the flow and G the structure tensor of
    the block (what a change costs in squared error, in bits at that quality), plus ROUGHNESS times
    the squared differences of neighbours: by Jacobi sweeps from coarse to fine.
    """
    light = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = (light[..., 1:-1, 2:] - light[..., 1:-1, :-2]) / 2
    down = (light[..., 2:, 1:-1] - light[..., :-2, 1:-1]) / 2
    products = torch.cat([across * across, across * down, down * down], 1)
    worth = FLOW_BLOCK**2 * DISTORTION * RISE ** (quality - 1)
    tensor = F.avg_pool2d(products, FLOW_BLOCK) * worth[:, None, None, None]
    pull = _times(tensor, coarse)
    scales = [(tensor, pull)]
    while min(tensor.shape[2:]) >= 2 * SMALLEST:
        tensor, pull = (4 * F.avg_pool2d(part, 2, ceil_mode=True) for part in (tensor, pull))
        scales.append((tensor, pull))
    flow = F.adaptive_avg_pool2d(coarse, (tensor.shape[2], tensor.shape[3]))
    for tensor, pull in reversed(scales):
        if flow.shape != pull.shape:
            flow = F.interpolate(flow, size=pull.shape[2:])
        flow = _swept(flow, tensor, pull)
    return flow


def _swept(flow: Tensor, tensor: Tensor, pull: Tensor) -> Tensor:
    """Jacobi sweeps of (G + ROUGHNESS * Laplacian) flow = pull."""
    count = _neighbours(torch.ones_like(tensor[:, :1]))
    a, b, c = (tensor[:, i : i + 1] for i in range(3))
    a, c = a + ROUGHNESS * count, c + ROUGHNESS * count
    inverse = torch.cat([c, -b, a], 1) / (a * c - b * b)
    for _ in range(SWEEPS):
        flow = _times(inverse, pull + ROUGHNESS * _neighbours(flow))
    return flow


def _times(tensor: Tensor, flow: Tensor) -> Tensor:
    """Symmetric matrices (xx, xy, yy) times vectors, at each position."""
    xx, xy, yy = tensor.unbind(1)
    x, y = flow.unbind(1)
    return torch.stack([xx * x + xy * y, xy * x + yy * y], 1)


def _neighbours(x: Tensor) -> Tensor:
    """The sum of the four neighbours, none beyond the border."""
    padded = F.pad(x, (1, 1, 1, 1))
    rows = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    return rows + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]

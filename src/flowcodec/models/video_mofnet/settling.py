"""Flow that costs little to code: where a picture does not tell its motion, that of its neighbours.

An estimator says something everywhere, on a plain sky as well, and there what it says costs bits
and is worth none. In NumPy: coding may not need torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowcodec.models.video_mofnet.config import FLOW_BLOCK

Floats = NDArray[np.float32]

ROUGHNESS = np.float32(2)  # bits that a squared pixel between the motions of two blocks is worth
DISTORTION, RISE = 117.0, 1.93  # bits that a unit of squared error is worth at quality 1; a quality
HAAR = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32) / 2
SWEEPS = 20  # at each scale
SMALLEST = 4  # blocks, the shorter side of the coarsest scale


def settled(flow: Floats, x: Floats, quality: float) -> Floats:
    """flow (2, 8h, 8w) in pixels, of x (3, 8h, 8w) in a range of 1 -> that of blocks, (2, h, w),
    and smoother.

    Minimises d' G d over all blocks, d being the change of the flow and G the structure tensor of
    the block (what a change costs in squared error, in bits at that quality), plus ROUGHNESS times
    the squared differences of neighbours: by Jacobi sweeps from coarse to fine.
    """
    light = np.pad(x.mean(0), 1, "edge")
    across = (light[1:-1, 2:] - light[1:-1, :-2]) / 2
    down = (light[2:, 1:-1] - light[:-2, 1:-1]) / 2
    worth = np.float32(FLOW_BLOCK**2 * DISTORTION * RISE ** (quality - 1))
    tensor = pooled(np.stack([across * across, across * down, down * down]), FLOW_BLOCK) * worth
    found = pooled(flow, FLOW_BLOCK)
    scales = [(tensor, _times(tensor, found))]
    while min(tensor.shape[1:]) >= 2 * SMALLEST:
        odd = [(0, 0), *((0, side % 2) for side in tensor.shape[1:])]
        found = pooled(np.pad(found, odd, "edge"), 2)
        tensor, pull = (4 * pooled(np.pad(part, odd, "edge"), 2) for part in scales[-1])
        scales.append((tensor, pull))
    for tensor, pull in reversed(scales):
        height, width = tensor.shape[1:]
        if found.shape != pull.shape:
            found = found.repeat(2, 1).repeat(2, 2)[:, :height, :width]
        found = _swept(found, tensor, pull)
    return found


def pooled(x: Floats, side: int) -> Floats:
    """Means of blocks: (C, side h, side w) -> (C, h, w)."""
    blocks = x.reshape(len(x), x.shape[1] // side, side, x.shape[2] // side, side)
    return np.asarray(blocks.mean((2, 4)))


def haar(x: Floats) -> Floats:
    """Coefficients of 2x2 blocks, by frequency and then by channel: (C, 2h, 2w) -> (4 C, h, w)."""
    channels, height, width = x.shape
    blocks = x.reshape(channels, height // 2, 2, width // 2, 2)
    found = np.einsum("iyx,chywx->ichw", HAAR.reshape(4, 2, 2), blocks)
    return np.asarray(found.reshape(4 * channels, height // 2, width // 2))


def _swept(flow: Floats, tensor: Floats, pull: Floats) -> Floats:
    """Jacobi sweeps of (G + ROUGHNESS * Laplacian) flow = pull."""
    count = ROUGHNESS * _neighbours(np.ones_like(tensor[:1]))[0]
    a, b, c = tensor[0] + count, tensor[1], tensor[2] + count
    inverse = np.stack([c, -b, a]) / (a * c - b * b)
    pulled, spread = _times(inverse, pull), ROUGHNESS * inverse
    for _ in range(SWEEPS):
        flow = pulled + _times(spread, _neighbours(flow))
    return flow


def _times(tensor: Floats, flow: Floats) -> Floats:
    """Symmetric matrices (xx, xy, yy) times vectors, at each position."""
    return tensor[:2] * flow[0] + tensor[1:] * flow[1]


def _neighbours(x: Floats) -> Floats:
    """The sum of the four neighbours, none beyond the border."""
    found = np.zeros_like(x)
    found[:, 1:] += x[:, :-1]
    found[:, :-1] += x[:, 1:]
    found[..., 1:] += x[..., :-1]
    found[..., :-1] += x[..., 1:]
    return found

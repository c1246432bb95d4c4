"""RGB to planes in 4:2:0 and back, inside the networks: their inputs and outputs stay RGB.

    (B, 3, 2h, 2w) ─► (B, 6, h, w): the four phases of Y, then Cb and Cr, means of 2x2 pixels

The planes are scaled so that their squared error, over three times the pixels, is the distortion of
the metric "yuv" (`flowcodec.yuv`). An error that is gray is as long in them as in RGB.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flowcodec.nn.patches import RGB, YUV420, Planes
from flowcodec.yuv import MATRIX, WEIGHTS

SIDE = YUV420.scale
PHASES = SIDE**2
SCALES = np.sqrt(3 * np.multiply([1, PHASES, PHASES], WEIGHTS))  # of Y, Cb and Cr


def to_planes(x: Tensor, planes: Planes) -> Tensor:
    """RGB (B, 3, H, W) of even sides, 0 where it is gray in the middle, as those planes."""
    if planes == RGB:
        return x
    return F.conv2d(x, _reducing().to(x), stride=SIDE)


def to_rgb(x: Tensor, planes: Planes) -> Tensor:
    """The inverse. Colour is enlarged along its slopes, so that the mean of 2x2 pixels is the
    sample itself: what is shown has exactly the planes that it was made of."""
    if planes == RGB:
        return x
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.pixel_shuffle(F.conv2d(around, _enlarging().to(x)), SIDE)


@cache
def _reducing() -> Tensor:
    """(6, 3, 2, 2)."""
    luma, *colour = SCALES[:, None] * MATRIX
    kernel = np.zeros((YUV420.channels, 3, SIDE, SIDE))
    for phase in range(PHASES):
        kernel[phase, :, phase // SIDE, phase % SIDE] = luma
    kernel[PHASES:] = np.stack(colour)[..., None, None] / PHASES
    return torch.from_numpy(kernel).float()


@cache
def _enlarging() -> Tensor:
    """(12, 6, 3, 3): the phases of each colour, of planes and their neighbours."""
    colours = np.linalg.inv(SCALES[:, None] * MATRIX)
    kernel = np.zeros((3, PHASES, YUV420.channels, 3, 3))
    for phase in range(PHASES):
        down, right = (2 * side - 1 for side in divmod(phase, SIDE))
        near = np.array([[0, -down, 0], [-right, 8, right], [0, down, 0]]) / 8
        kernel[:, phase, phase, 1, 1] = colours[:, 0]
        kernel[:, phase, PHASES:] = colours[:, 1:, None, None] * near
    return torch.from_numpy(kernel).float().flatten(0, 1)

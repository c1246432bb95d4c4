"""Y, Cb and Cr in 4:2:0, what the metric "yuv" compares, for those who measure and for encoders.

Full range, BT.601, as JFIF has it; a sample of Cb or Cr is the mean of four pixels. Of a picture
with an odd side the last row or column counts twice in that mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MATRIX = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
        [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
    ]
)  # R, G, B -> Y, Cb, Cr
# Of the mean squared errors of Y, Cb and Cr in the distortion. PSNR counts 6:1:1, and a decibel is
# worth the more squared error the larger the error: that of Y is three times those of the others.
WEIGHTS = (1.0, 0.5, 0.5)
PSNR_WEIGHTS = (6, 1, 1)

Floats = NDArray[np.floating[Any]]


def planes_of(pixels: NDArray[Any]) -> list[Floats]:
    """Y (H, W), and Cb and Cr (ceil(H/2), ceil(W/2)) around 0, of RGB (H, W, 3) or gray (H, W, 1).

    Not rounded, on the scale of the pixels, float32. It is linear: of the difference of two
    pictures it makes that of their planes.
    """
    x = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32)
    y, *colour = np.moveaxis(x @ MATRIX.T.astype(np.float32), 2, 0)
    edges = [(0, side % 2) for side in y.shape]
    even = (np.pad(plane, edges, "edge") for plane in colour)
    halves = (c[::2] + c[1::2] for c in even)
    return [y, *((half[:, ::2] + half[:, 1::2]) / 4 for half in halves)]


def eight_bits(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The planes as video of 8 bits has them, Cb and Cr around 128."""
    y, *colour = planes_of(pixels)
    return [np.clip(np.rint(x), 0, 255).astype(np.uint8) for x in (y, *(c + 128 for c in colour))]


def psnr(a: Sequence[NDArray[Any]], b: Sequence[NDArray[Any]]) -> float:
    """PSNR in dB of Y, Cb and Cr on the scale of 8 bits, in the mean of weights 6:1:1.

    A plane that is exact does not count; infinite where all are.
    """
    pairs = zip(a, b, PSNR_WEIGHTS, strict=True)
    errors = [
        (float(np.square(np.subtract(x, y, dtype=np.float64)).mean()), w) for x, y, w in pairs
    ]
    known = [(10 * math.log10(255**2 / error), weight) for error, weight in errors if error]
    if not known:
        return math.inf
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)


def squared_error(difference: NDArray[Any]) -> float:
    """What a difference of two pictures (H, W, 3 or 1) is worth as a squared error of luma, summed
    over the pixels: the distortion times their number."""
    y, *colour = (
        weight * float(np.square(plane, dtype=np.float64).sum())
        for weight, plane in zip(WEIGHTS, planes_of(difference), strict=True)
    )
    return y + 4 * sum(colour)

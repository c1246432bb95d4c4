"""How near a decoded picture or video is to its original, and whether that is what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowcodec import yuv
from flowcodec.bitstream.fields import read_psnr

Pixels = NDArray[np.uint8]

STRIP = 256  # rows that are worked on at once, an even number: all else is in 8 bits
VERIFY_DB = 0.05  # between machines


def squared_error(one: Pixels, other: Pixels, seen: NDArray[np.bool_] | None = None) -> int:
    """Squares of the differences of two pictures (H, W, C), summed where they are `seen` (H, W),
    or everywhere; a strip at a time."""
    strips = _differences(one, other, seen)
    return sum(int(np.square(strip, out=strip).sum(dtype=np.int64)) for strip in strips)


def error_by(
    metric: str, one: Pixels, other: Pixels, seen: NDArray[np.bool_] | None = None
) -> float:
    """Squared error summed over pixels: of planes in 4:2:0, as the metric "yuv" weighs them, else
    of all channels in the mean."""
    if metric == "yuv":
        return sum(map(yuv.squared_error, _differences(one, other, seen)))
    return squared_error(one, other, seen) / one.shape[2]


def _differences(
    one: Pixels, other: Pixels, seen: NDArray[np.bool_] | None
) -> Iterator[NDArray[np.int32]]:
    for top in range(0, len(one), STRIP):
        strip = slice(top, top + STRIP)
        difference = one[strip].astype(np.int32) - other[strip]
        if seen is not None:
            difference *= seen[strip][..., None]
        yield difference


def psnr_of(error: float, samples: int) -> float:
    """In dB, of a squared error summed over so many samples of 8 bits."""
    return math.inf if error == 0 else 10 * math.log10(255**2 * samples / error)


def as_measured(psnr: float, stored: int) -> bool:
    """Whether a PSNR in dB is that which an encoder stored, on whatever machine."""
    expected = read_psnr(stored)
    return psnr == expected or abs(psnr - expected) <= VERIFY_DB

"""PSNR, of RGB and of planes in 4:2:0, MS-SSIM and SSIMULACRA2 of 8-bit pictures.

All take uint8 arrays (H, W, C) in the range 0..255. Over several pictures, PSNR is the mean of
the pictures' decibels, SSIMULACRA2 that of their scores; MS-SSIM is the mean of the linear values,
and its decibels are those of that mean (the other order flatters a codec by about 6 % of rate).
"""

import io
import math
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcodec import yuv
from flowcodec.errors import UsageError
from flowcodec.ms_ssim import similarity
from flowcodec.quality import MS_SSIM_MIN_SIDE

SSIMULACRA2_MIN_SIDE = 8  # below it, the first scale does not exist

Pixels = NDArray[np.uint8]
Plane = NDArray[np.uint8] | NDArray[np.float64]


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all samples of uint8 (H, W, C); inf where equal.

    Raises UsageError when shapes differ or the arrays are not uint8.
    """
    _check_pair(a, b)
    difference = a.astype(np.int32)
    difference -= b
    difference *= difference
    error = float(np.mean(difference, dtype=np.float64))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def psnr_yuv(a: Pixels, planes: Sequence[Plane]) -> float:
    """PSNR in dB of 4:2:0, Y, Cb and Cr weighted 6:1:1 (`yuv.psnr`): of the planes of a picture, on
    the scale of 8 bits, against those of the original, RGB uint8 (H, W, 3). Inf where equal.

    Raises UsageError when shapes differ or the original is not uint8.
    """
    _check_pair(a, a)
    original = yuv.eight_bits(a)
    shapes = [[plane.shape for plane in each] for each in (original, planes)]
    if shapes[0] != shapes[1]:
        raise UsageError(f"planes are of one shape, got {shapes[0]} and {shapes[1]}")
    return yuv.psnr(original, planes)


def ms_ssim(a: Pixels, b: Pixels) -> float | None:
    """Linear MS-SSIM (0..1, mean over channels) of uint8 (H, W, C), five scales, window of 11.

    Returns None when a side is shorter than MS_SSIM_MIN_SIDE: the fifth scale does not exist.
    Raises UsageError when shapes differ or the arrays are not uint8.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    x, y = (pixels.transpose(2, 0, 1).astype(np.float32) for pixels in (a, b))
    return similarity(x, y)


def ms_ssim_db(linear: float) -> float:
    """-10 log10(1 - MS-SSIM): decibels of a linear value below 1; inf at 1."""
    return math.inf if linear >= 1 else -10 * math.log10(1 - linear)


def has_ssimulacra2() -> bool:
    """Whether the package of the extra of that name is installed."""
    return find_spec("ssimulacra2") is not None


def ssimulacra2_score(a: Pixels, b: Pixels) -> float | None:
    """SSIMULACRA2 of RGB uint8 (H, W, 3), `a` the original: 100 where equal, may be below 0.

    90 is visually lossless, 70 high, 50 medium, 30 low quality. Returns None when a side is
    shorter than SSIMULACRA2_MIN_SIDE. Raises UsageError when shapes differ or the arrays are not
    uint8, ModuleNotFoundError unless `has_ssimulacra2()`.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < SSIMULACRA2_MIN_SIDE:
        return None
    from ssimulacra2 import compute_ssimulacra2

    def file(pixels: Pixels) -> io.BytesIO:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PPM")
        return buffer

    return float(compute_ssimulacra2(file(a), file(b)))


def _check_pair(a: Pixels, b: Pixels) -> None:
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise UsageError(f"quality is measured on uint8 arrays, got {a.dtype} and {b.dtype}")
    if a.ndim != 3 or a.shape != b.shape:
        raise UsageError(
            f"quality is measured on two (H, W, C) arrays of one shape, got {a.shape} and {b.shape}"
        )

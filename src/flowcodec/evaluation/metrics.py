"""PSNR, MS-SSIM and SSIMULACRA2 of 8-bit pictures.

All take uint8 arrays (H, W, C) in the range 0..255. Over several pictures, PSNR is the mean of
the pictures' decibels, SSIMULACRA2 that of their scores; MS-SSIM is the mean of the linear values,
and its decibels are those of that mean (the other order flatters a codec by about 6 % of rate).
"""

import io
import math
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.quality import MS_SSIM_MIN_SIDE

SSIMULACRA2_MIN_SIDE = 8  # below it, the first scale does not exist

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang and others 2003
FIRST, SECOND = (0.01 * 255) ** 2, (0.03 * 255) ** 2
GAUSSIAN = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
WINDOW = (GAUSSIAN / GAUSSIAN.sum()).astype(np.float32)

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]


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


def ms_ssim(a: Pixels, b: Pixels) -> float | None:
    """Linear MS-SSIM (0..1, mean over channels) of uint8 (H, W, C), five scales, window of 11.

    Returns None when a side is shorter than MS_SSIM_MIN_SIDE: the fifth scale does not exist.
    Raises UsageError when shapes differ or the arrays are not uint8.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    x, y = (pixels.transpose(2, 0, 1).astype(np.float32) for pixels in (a, b))
    product = np.ones(len(x))
    for scale, weight in enumerate(SCALE_WEIGHTS, 1):
        structure, whole = _similarity(x, y)
        found = whole if scale == len(SCALE_WEIGHTS) else structure
        product *= np.maximum(found, 0) ** weight
        x, y = _halved(x), _halved(y)
    return float(product.mean())


def _similarity(x: Planes, y: Planes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of planes (C, H, W), means of contrast and structure, and of SSIM: (C,) each."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    both = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    covariance = _blurred(x * y) - both
    variances = _blurred(x * x + y * y) - squares
    structure = (2 * covariance + SECOND) / (variances + SECOND)
    whole = (2 * both + FIRST) / (squares + FIRST) * structure
    return structure.mean((1, 2), dtype=np.float64), whole.mean((1, 2), dtype=np.float64)


def _blurred(x: Planes) -> Planes:
    """A Gaussian window over planes (C, H, W), where it lies inside: (C, H - 10, W - 10)."""
    rows, columns = (side + 1 - len(WINDOW) for side in x.shape[1:])
    down = sum(weight * x[:, at : at + rows] for at, weight in enumerate(WINDOW))
    return np.asarray(
        sum(weight * down[:, :, at : at + columns] for at, weight in enumerate(WINDOW))
    )


def _halved(x: Planes) -> Planes:
    """Means of 2x2; planes of odd sides get zeros around, as the usual implementations have it."""
    x = np.pad(x, ((0, 0), *((side % 2, side % 2) for side in x.shape[1:])))
    rows, columns = (side // 2 * 2 for side in x.shape[1:])
    x = x[:, :rows, :columns]
    x = x[:, ::2] + x[:, 1::2]
    return np.asarray((x[:, :, ::2] + x[:, :, 1::2]) / 4)


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

"""MS-SSIM (Wang and others 2003), for those who measure and for encoders that choose by it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
FIRST, SECOND = (0.01 * 255) ** 2, (0.03 * 255) ** 2
GAUSSIAN = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
WINDOW = (GAUSSIAN / GAUSSIAN.sum()).astype(np.float32)

Planes = NDArray[np.float32]


def similarity(x: Planes, y: Planes) -> float:
    """Linear MS-SSIM of planes (C, H, W) from 0 to 255, mean over planes: five scales, window of
    11. A side has `quality.MS_SSIM_MIN_SIDE` pixels at least."""
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

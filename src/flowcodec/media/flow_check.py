"""The forward-backward check: which pixels the flow back does not lead home."""

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import MediaError

RELATIVE, ABSOLUTE = 0.01, 0.5  # Sundaram, Brox, Keutzer (2010), eq. 5: px² per px², and px²


def consistency(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels of frame 1 fail the check, and so are most likely hidden in frame 2.

    forward: float32 (H, W, 2), flow of frame 1 to frame 2: x to the right, y down, in pixels.
    backward: float32 (H, W, 2), flow of frame 2 to frame 1.

    Returns bool (H, W), true where |f(x) + b(x + f)|² > 0.01 (|f|² + |b|²) + 0.5, with b sampled
    bilinearly, and where x + f lies outside of the frame or is no number. Raises MediaError where
    the shapes differ or are of another kind.
    """
    if forward.ndim != 3 or forward.shape[2] != 2 or forward.shape != backward.shape:
        raise MediaError(
            "the check takes two flows of one shape (height, width, 2), "
            f"not {forward.shape} and {backward.shape}"
        )
    height, width = forward.shape[:2]
    x = np.arange(width, dtype=np.float32) + forward[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + forward[..., 1]
    # Written so that NaN is outside.
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    there = _complex(forward)
    with np.errstate(invalid="ignore", over="ignore"):
        back = _sample(_complex(backward), np.where(inside, x, 0), np.where(inside, y, 0))
        bound = RELATIVE * (_squared(there) + _squared(back)) + ABSOLUTE
        returned = inside & (_squared(there + back) <= bound)
    return np.asarray(~returned)


def _complex(flow: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Vectors (H, W, 2) as numbers x + iy (H, W): one thing to gather and to mix, not two."""
    return np.ascontiguousarray(flow, np.float32).view(np.complex64)[..., 0]


def _squared(flow: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.square(flow.real) + np.square(flow.imag)


def _sample(
    flow: NDArray[np.complex64], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.complex64]:
    """`flow` between its pixels, bilinear; x and y (H, W) lie inside of it."""
    height, width = flow.shape
    left, above = x.astype(np.int32), y.astype(np.int32)
    across, down = x - np.floor(x), y - np.floor(y)
    right, below = np.minimum(left + 1, width - 1), np.minimum(above + 1, height - 1)
    pixels = flow.ravel()

    def row(line: NDArray[np.int32]) -> NDArray[np.complex64]:
        start, end = pixels.take(line * width + left), pixels.take(line * width + right)
        return np.asarray(start + across * (end - start), np.complex64)

    upper = row(above)
    return np.asarray(upper + down * (row(below) - upper), np.complex64)

"""The discrete cosine transform as a matrix (NumPy: coding without torch needs it too)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def dct_matrix(size: int) -> NDArray[np.float64]:
    """Orthonormal DCT-II: row k of (size, size) is the wave of frequency k."""
    at = np.arange(size)
    waves = np.cos(math.pi / size * at[:, None] * (at[None, :] + 0.5)) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves

"""Patch transforms: sizes, and the basis of corrections. In NumPy: coding may not need torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowcodec.nn.dct import dct_matrix

PATCH = 16  # side of the patch transform
BLOCK = 8  # side of the blocks in which it is corrected
COEFFICIENTS = 3 * BLOCK**2
WINDOWS = (1.0, 4.0, 16.0)  # of tanh, in errors: what a correction sees of a coefficient


def dct_basis() -> NDArray[np.float32]:
    """The orthonormal DCT of 8x8 blocks of one luma-like and two colour differences.

    (192, 3, 8, 8): convolution with stride 8 analyses, the transposed one synthesises.
    """
    waves = dct_matrix(BLOCK)
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    basis = np.einsum("cd,iy,jx->cijdyx", colours, waves, waves)
    return basis.reshape(COEFFICIENTS, 3, BLOCK, BLOCK).astype(np.float32)

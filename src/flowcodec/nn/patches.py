"""Patch transforms: sizes, and the basis of corrections. In NumPy: coding may not need torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcodec.nn.dct import dct_matrix

PATCH = 16  # pixels, side of the patch transform
BLOCK = 8  # pixels, side of the blocks in which it is corrected
WINDOWS = (1.0, 4.0, 16.0)  # of tanh, in errors: what a correction sees of a coefficient


@dataclass(frozen=True)
class Planes:
    """The planes of a picture that are transformed, (channels, H / scale, W / scale)."""

    channels: int
    scale: int  # pixels a side for which there is one sample in each channel

    @property
    def patch(self) -> int:
        """Samples along the side of a patch."""
        return PATCH // self.scale

    @property
    def block(self) -> int:
        """Samples along the side of a block."""
        return BLOCK // self.scale

    @property
    def means(self) -> tuple[int, int, int]:
        """The coefficients of `dct_basis` that are means, of each colour."""
        return 0, BLOCK**2, BLOCK**2 + self.block**2

    @property
    def coefficients(self) -> int:
        """All samples of a block."""
        return self.channels * self.block**2


RGB = Planes(3, 1)
YUV420 = Planes(6, 2)  # four phases of Y, Cb and Cr; `nn.planes` makes them


def dct_basis(planes: Planes) -> NDArray[np.float32]:
    """An orthonormal DCT of blocks, (coefficients, channels, block, block).

    Of RGB 8x8 waves of one luma-like and two colour differences; of 4:2:0 8x8 waves of Y, then 4x4
    ones of Cb and of Cr. Convolution with the block as stride analyses, the transposed one
    synthesises.
    """
    waves = dct_matrix(BLOCK)
    if planes == RGB:
        colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
        basis = np.einsum("cd,iy,jx->cijdyx", colours, waves, waves)
    else:
        luma = np.einsum("iy,jx->ijyx", waves, waves)
        phases = luma.reshape(BLOCK**2, planes.block, 2, planes.block, 2).transpose(0, 2, 4, 1, 3)
        waves = dct_matrix(planes.block)
        chroma = np.einsum("cd,iy,jx->cijdyx", np.eye(2), waves, waves)
        basis = np.zeros((planes.coefficients, planes.channels, planes.block, planes.block))
        basis[: BLOCK**2, :4] = phases.reshape(BLOCK**2, 4, planes.block, planes.block)
        basis[BLOCK**2 :, 4:] = chroma.reshape(-1, 2, planes.block, planes.block)
    shape = planes.coefficients, planes.channels, planes.block, planes.block
    return basis.reshape(shape).astype(np.float32)

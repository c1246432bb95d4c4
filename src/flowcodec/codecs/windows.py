"""Where tiles lie among latents, and what of a picture the transforms see of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.header import TileBox
from flowcodec.codecs.protocols import PictureModel

T = TypeVar("T", bound=np.generic)
Span = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Of a picture of height x width pixels, for a model of some stride, reach and grid."""

    height: int
    width: int
    stride: int
    reach: int
    grid: int

    @classmethod
    def of(cls, model: PictureModel, height: int, width: int) -> Windows:
        """Those that a model asks for."""
        return cls(height, width, model.stride, model.reach, model.grid)

    @property
    def latent_size(self) -> tuple[int, int]:
        """Rows and columns of the latents of the whole picture."""
        return -(-self.height // self.stride), -(-self.width // self.stride)

    def latents(self, start: int, length: int) -> slice:
        """The latents of `length` pixels that begin at a multiple of the stride."""
        return slice(start // self.stride, -(-(start + length) // self.stride))

    def place(self, box: TileBox) -> tuple[slice, slice]:
        """Rows and columns of a tile among the latents of the whole picture."""
        return self.latents(box.top, box.height), self.latents(box.left, box.width)

    def around(self, box: TileBox) -> tuple[Span, Span]:
        """Begin and end in pixels, down and across, of what the transforms see for a tile."""
        return (
            self._along(box.top, box.height, self.height),
            self._along(box.left, box.width, self.width),
        )

    def touches(self, box: TileBox, other: TileBox) -> bool:
        """Whether what a tile shows may depend on another one."""
        (top, bottom), (left, right) = self.around(box)
        down = other.top < bottom and top < other.top + other.height
        return down and other.left < right and left < other.left + other.width

    def _along(self, start: int, length: int, whole: int) -> Span:
        begin = max(0, (start - self.reach) // self.grid * self.grid)
        end = -(-(start + length + self.reach) // self.grid) * self.grid
        return begin, min(whole, end)


def part(pixels: NDArray[T], box: TileBox) -> NDArray[T]:
    """A tile of a picture (H, W, C) or a plane (H, W), to read or to write."""
    return pixels[box.top :, box.left :][: box.height, : box.width]

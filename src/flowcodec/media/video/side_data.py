"""What lies beside the samples of a frame: how it is to be cropped and turned."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from flowcodec.media.video.format import Frame

DisplayMatrix = tuple[int, int, int, int]  # a, b, c, d: x is shown at a x + c y, y at b x + d y
CROPPING = re.compile(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)")
UPRIGHT: DisplayMatrix = (1, 0, 0, 1)


def _unnamed(kinds: type[Type], value: object) -> Type:
    """A member for a kind of side data that PyAV has no name for, such as EXIF."""
    member: Any = object.__new__(kinds)
    member._name_, member._value_ = f"UNNAMED_{value}", value
    return cast("Type", member)


# A frame that has such data beside it would have none at all: PyAV names every kind, or raises.
Type._missing_ = classmethod(_unnamed)  # type: ignore[method-assign, assignment]


def display_matrix(frame: VideoFrame) -> DisplayMatrix:
    """How a frame is to be turned and mirrored. A frame that was asked is never freed."""
    beside: Mapping[str, Any] = frame.side_data
    data = beside.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def is_turned(matrix: DisplayMatrix) -> bool:
    """Whether columns become rows."""
    return abs(matrix[1]) > abs(matrix[0])


def upright(pixels: Frame, matrix: DisplayMatrix) -> Frame:
    """Apply the display matrix, turned to the next right angle."""
    a, b, c, d = matrix
    if is_turned(matrix):
        pixels = pixels.transpose(1, 0, 2)
        across, down = c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


class Crop(NamedTuple):
    """Columns and rows that a container hides."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """What is left of a frame."""
        return width - self.left - self.right, height - self.top - self.bottom

    def of(self, pixels: Frame) -> Frame:
        """What is seen of a frame."""
        height, width = pixels.shape[:2]
        return pixels[self.top : height - self.bottom, self.left : width - self.right]


def crop_of(about: str) -> Crop:
    """What ffmpeg's lines about a stream say."""
    said = CROPPING.search(about)
    return Crop(*map(int, said.groups())) if said else Crop()

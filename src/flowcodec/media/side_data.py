"""What a picture file says beside its pixels, and the file without it for whoever reads those.

Readers of pixels refuse a picture over a damaged text, so they never see one.
"""

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from flowcodec.media.colour import Description

_BLOCK = 1 << 16
_LISTED = 8

Piece = bytes | tuple[int, int]
"""Bytes, or a stretch of a file: where it begins and how many bytes it has."""

IPTC_MARK = b"8BIM\x04\x04"
"""What goes before IPTC data in what Photoshop writes."""


@dataclass(frozen=True)
class Crop:
    """The part of a picture that is meant to be seen, before it is turned: its size, and how far
    its middle lies to the right of and below the picture's, in pixels."""

    width: Fraction
    height: Fraction
    right: Fraction
    down: Fraction

    def place(self, rows: int, columns: int) -> tuple[slice, slice] | None:
        """Where that is among so many rows and columns; None where it is not a part of them."""
        top = self.down + (rows - self.height) / 2
        left = self.right + (columns - self.width) / 2
        edges = top, top + self.height, left, left + self.width
        inside = 0 <= top < edges[1] <= rows and 0 <= left < edges[3] <= columns
        if not inside or any(edge.denominator != 1 for edge in edges):
            return None
        return slice(int(top), int(edges[1])), slice(int(left), int(edges[3]))


@dataclass
class SideData:
    """What was found, as it was found; None where there was nothing.

    icc, exif, xmp: not yet judged. colour: what the container itself says of the colours.
    orientation: what the container itself says, as EXIF counts.
    crop: what is to be seen, if that is not all and the reader of its pixels will not see to it.
    frames: how many pictures the file holds, if the reader of its pixels will not see it.
    notes: what was left out, in plain words.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    colour: "Description | None" = None
    orientation: int | None = None
    crop: Crop | None = None
    frames: int | None = None
    notes: list[str] = field(default_factory=list)


def shape_note(across: int, down: int) -> list[str]:
    """What is to be said of pixels of which there are so many in a unit of length, if anything."""
    if across == down or not across or not down:
        return []
    return [f"its pixels are not square ({down}:{across}), which was left out"]


def listed(names: Iterable[str]) -> str:
    """Names for a note: each once, not too many, and nothing in them that a terminal obeys."""
    shown = [
        "".join(letter if letter.isprintable() else "?" for letter in name)
        for name in dict.fromkeys(names)
    ]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more


class FileBytes:
    """A binary file that gives its bytes by slices."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        self.size = stream.seek(0, io.SEEK_END)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self.size)
        self.stream.seek(start)
        return self.stream.read(max(0, stop - start))

    def find(self, start: int, look: Callable[[bytes], int]) -> int | None:
        """Where from `start` on a byte is found; `look` says where in a block, or -1."""
        self.stream.seek(start)
        while block := self.stream.read(_BLOCK):
            if (place := look(block)) >= 0:
                return start + place
            start += len(block)
        return None


def spliced(source: BinaryIO, pieces: Sequence[Piece]) -> BinaryIO:
    """`pieces`, some of them stretches of `source`, as one file; nothing is copied before it is
    read."""
    return io.BufferedReader(_Spliced(source, pieces))


class _Spliced(io.RawIOBase):
    def __init__(self, source: BinaryIO, pieces: Sequence[Piece]):
        self.source = source
        self.pieces = [piece for piece in pieces if _length(piece)]
        self.ends = list(accumulate(_length(piece) for piece in self.pieces))
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self.ends[-1] if self.ends else 0
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: size}[whence]
        self.at = max(0, start + offset)
        return self.at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        index = bisect_right(self.ends, self.at)
        if index == len(self.ends):
            return 0
        piece = self.pieces[index]
        inside = self.at - (self.ends[index] - _length(piece))
        count = min(len(view), self.ends[index] - self.at)
        if isinstance(piece, bytes):
            data = piece[inside : inside + count]
        else:
            self.source.seek(piece[0] + inside)
            data = self.source.read(count)
        view[: len(data)] = data
        self.at += len(data)
        return len(data)


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1]

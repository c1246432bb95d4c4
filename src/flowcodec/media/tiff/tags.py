"""The tags of a TIFF file's first directory.

Strictly: what stands in them decides over pixels, so whatever cannot be read is an error, where
Pillow would warn and go on with a default.
"""

import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MARKS = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
}
"""First bytes of a file: the order of its bytes, and whether its offsets have 8 bytes (BigTIFF)."""

_MOST_DIRECTORIES = 1 << 16

_BYTES = (1, 2, 7)
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8"}
_INTEGERS[18] = "u8"
_FLOATS = {11: "f4", 12: "f8"}
_FRACTIONS = {5: "u4", 10: "i4"}


class Tags:
    """The first directory of the TIFF file `stream`, which stays open.

    size: how many bytes the file has. order: of the bytes in numbers, "<" or ">". big: BigTIFF.
    Values are read when they are asked for. ValueError says what is damaged.
    """

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self.size = stream.seek(0, 2)
        self.order, self.big = MARKS[self._at(0, 4)]
        self._offset, self._room = ("Q", 8) if self.big else ("I", 4)
        (self._start,) = self._unpacked(self._offset, self._room)
        first, count, length = self._directory(self._start)
        entries = self._at(first, length * count)
        self._entries: dict[int, tuple[int, int, int]] = {}
        for index in range(count):
            fields = struct.unpack_from(f"{self.order}HH{self._offset}", entries, index * length)
            tag, kind, values = fields
            place = first + (index + 1) * length - self._room
            self._entries.setdefault(tag, (kind, values, place))

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def directories(self) -> int:
        """How many directories follow upon each other, up to where one is damaged."""
        seen, start = set[int](), self._start
        while start and start not in seen and len(seen) < _MOST_DIRECTORIES:
            try:
                first, count, length = self._directory(start)
                (following,) = self._unpacked(self._offset, first + count * length)
            except ValueError:
                break
            seen.add(start)
            start = following
        return max(1, len(seen))

    def integers(self, tag: int) -> NDArray[np.int64]:
        """The values of `tag`, none where it is missing. ValueError where they are no integers."""
        kind, data = self._value(tag)
        if kind is None:
            return np.empty(0, np.int64)
        if kind not in _INTEGERS:
            raise ValueError(f"tag {tag} has no integers")
        values = np.frombuffer(data, self.order + _INTEGERS[kind])
        if values.max(initial=0) > np.iinfo(np.int64).max:
            raise ValueError(f"tag {tag} is out of range")
        return values.astype(np.int64)

    def integer(self, tag: int, default: int) -> int:
        """The one value of `tag`, or of several that are the same."""
        values: set[int] = set(self.integers(tag).tolist()) or {default}
        if len(values) > 1:
            raise ValueError(f"tag {tag} has several values")
        return values.pop()

    def numbers(self, tag: int) -> list[float]:
        """The values of `tag`, which may be fractions, none where it is missing."""
        kind, data = self._value(tag)
        if kind in _FRACTIONS:
            pairs = np.frombuffer(data, self.order + _FRACTIONS[kind]).astype(float).reshape(-1, 2)
            if not pairs[:, 1].all():
                raise ValueError(f"tag {tag} divides by 0")
            return [float(value) for value in pairs[:, 0] / pairs[:, 1]]
        if kind in _FLOATS:
            return [float(value) for value in np.frombuffer(data, self.order + _FLOATS[kind])]
        return [float(value) for value in self.integers(tag)]

    def data(self, tag: int) -> bytes:
        """The bytes of `tag`, none where it is missing."""
        kind, data = self._value(tag)
        if kind not in (None, *_BYTES):
            raise ValueError(f"tag {tag} has no bytes")
        return data

    def _value(self, tag: int) -> tuple[int | None, bytes]:
        if tag not in self._entries:
            return None, b""
        kind, count, place = self._entries[tag]
        length = count * _unit(kind)
        if length > self._room:
            (place,) = self._unpacked(self._offset, place)
        return kind, self._at(place, length)

    def _directory(self, start: int) -> tuple[int, int, int]:
        """Where the first entry of the directory at `start` is, how many, and bytes of each."""
        form, length = ("Q", 20) if self.big else ("H", 12)
        (count,) = self._unpacked(form, start)
        return start + struct.calcsize(form), count, length

    def _unpacked(self, form: str, place: int) -> tuple[int, ...]:
        form = self.order + form
        return struct.unpack(form, self._at(place, struct.calcsize(form)))

    def _at(self, place: int, length: int) -> bytes:
        if place + length > self.size:
            raise ValueError("its directory points behind its end")
        self._stream.seek(place)
        return self._stream.read(length)


def _unit(kind: int) -> int:
    """How many bytes a value of type `kind` takes."""
    if kind in _BYTES:
        return 1
    if kind in _FRACTIONS:
        return 8
    form = (_INTEGERS | _FLOATS).get(kind)
    if form is None:
        raise ValueError(f"there is no type of tags {kind}")
    return int(form[1])

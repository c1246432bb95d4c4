"""PPM, PGM and PBM: beside the pixels stand comments in the header, and further pictures behind."""

import re
from typing import BinaryIO

from flowcodec.media.side_data import FileBytes, SideData

_SEARCHED = 4096
_COUNTED = {b"P1": 2, b"P4": 2}
"""How many numbers the header of a kind has, if not three."""
_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([0-9.+-]*)")
_FURTHER = re.compile(rb"\s*P[1-6f]\s")


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """The file as it is, and notes on comments in its header and on further pictures."""
    data = FileBytes(stream)
    head = data[:_SEARCHED]
    kind, at = head[:2], 2
    numbers = []
    for _ in range(_COUNTED.get(kind, 3)):
        found = _NUMBER.match(head, at)
        assert found is not None  # it may be empty
        numbers.append(found[1])
        at = found.end()
    side = SideData()
    if b"#" in head[:at]:
        side.notes.append("left out: a comment")
    size = _raster_bytes(kind, numbers)
    if size is not None and _FURTHER.match(data[at + 1 + size : at + 1 + size + _SEARCHED]):
        side.notes.append("only the first picture in the file was read")
    return stream, side


def _raster_bytes(kind: bytes, numbers: list[bytes]) -> int | None:
    """How many bytes the samples take; None where the header does not tell."""
    if kind not in (b"P4", b"P5", b"P6") or not all(number.isdigit() for number in numbers):
        return None
    width, height, largest = (*map(int, numbers), 1)[:3]
    if kind == b"P4":
        return height * -(-width // 8)
    return height * width * (3 if kind == b"P6" else 1) * (2 if largest > 255 else 1)

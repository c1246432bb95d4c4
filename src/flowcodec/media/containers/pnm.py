"""PPM and PGM: nothing stands beside the pixels but comments in the header."""

from typing import BinaryIO

from flowcodec.media.side_data import SideData

_SEARCHED = 4096
_NUMBERS = {b"P1": 2, b"P4": 2}
"""How many numbers the header of a kind has, if not three."""


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """The file as it is, and a note on its comments."""
    head = stream.read(_SEARCHED)
    rest = head[2:]
    commented = False
    for _ in range(_NUMBERS.get(head[:2], 3)):
        rest = rest.lstrip()
        while rest.startswith(b"#"):
            commented = True
            rest = b"".join(rest.splitlines(keepends=True)[1:]).lstrip()
        rest = rest.lstrip(b"0123456789.+-")
    return stream, SideData(notes=["left out: a comment"] if commented else [])

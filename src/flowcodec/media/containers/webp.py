"""WebP chunks: those of the pixels are passed on, ICC profile, EXIF and XMP are read here."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from flowcodec.media.side_data import FileBytes, Piece, SideData, spliced

_HEAD_BYTES = 12
_PICTURE = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_SIDE = {b"ICCP": "icc", b"EXIF": "exif", b"XMP ": "xmp"}
_ALPHA, _ANIMATED = 0x10, 0x02  # bits of VP8X; the others tell of side chunks, or mean nothing


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """A WebP file without its side chunks, and what they said."""
    data = FileBytes(stream)
    side = SideData()
    pieces: list[Piece] = []
    chunks = list(_chunks(data))
    animated = any(type == b"ANMF" for type, _, _ in chunks)
    for type, start, size in chunks:
        there = min(size, len(data) - start)
        if type in _PICTURE:
            # What is cut short keeps its length: libwebp says what is wrong with it.
            head = struct.pack("<4sI", type, size)
            flags = data[start : start + 1] if type == b"VP8X" else b""
            if flags:
                flags = bytes([flags[0] & _ALPHA | (_ANIMATED if animated else 0)])
            pieces += [head + flags, (start + len(flags), there - len(flags)), bytes(size % 2)]
        elif type in _SIDE and there < size:
            side.notes.append(f"{_SIDE[type].upper()} that is cut short was dropped")
        elif type in _SIDE and getattr(side, _SIDE[type]) is None:
            setattr(side, _SIDE[type], data[start : start + size])
    whole = 4 + sum(8 + size + size % 2 for type, _, size in chunks if type in _PICTURE)
    riff = b"RIFF" + struct.pack("<I", min(whole, 2**32 - 1)) + b"WEBP"
    return spliced(stream, [riff, *pieces]), side


def _chunks(data: FileBytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin of the content and its stated size of each chunk."""
    at = _HEAD_BYTES
    while at + 8 <= len(data):
        type, size = struct.unpack("<4sI", data[at : at + 8])
        yield type, at + 8, size
        at += 8 + size + size % 2

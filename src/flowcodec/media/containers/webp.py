"""WebP chunks: those of the pixels are passed on, ICC profile, EXIF and XMP are read here."""

import struct
from typing import BinaryIO

from flowcodec.media.side_data import FileBytes, Piece, SideData, spliced

_PICTURE = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_SIDE = {b"ICCP": "icc", b"EXIF": "exif", b"XMP ": "xmp"}
_TOLD = 0x20 | 0x08 | 0x04  # the bits of VP8X that say which of these there are


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """A WebP file without its side chunks, and what they said."""
    data = FileBytes(stream)
    side = SideData()
    pieces: list[Piece] = []
    size = 4
    at = 12
    while at + 8 <= len(data):
        type, length = struct.unpack("<4sI", data[at : at + 8])
        body = (at + 8, min(length, len(data) - at - 8))
        cut = body[1] < length
        if type == b"VP8X" and length >= 10 and not cut:
            fields = bytearray(data[at : at + 8 + length])
            fields[8] &= ~_TOLD & 0xFF
            pieces += [bytes(fields), b"\0" * (length % 2)]
            size += 8 + length + length % 2
        elif type in _PICTURE or type == b"VP8X":
            # libwebp says what is wrong with one that is cut short.
            pieces += [(at, 8 + body[1]), b"\0" * (length % 2)]
            size += 8 + length + length % 2
        elif type in _SIDE and cut:
            side.notes.append(f"{_SIDE[type].upper()} that is cut short was dropped")
        elif type in _SIDE and getattr(side, _SIDE[type]) is None:
            setattr(side, _SIDE[type], data[body[0] : body[0] + length])
        at += 8 + length + length % 2
    head = b"RIFF" + struct.pack("<I", min(size, 0xFFFFFFFF)) + b"WEBP"
    return spliced(stream, [head, *pieces]), side

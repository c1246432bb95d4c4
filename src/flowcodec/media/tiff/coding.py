"""Compression undone by Pillow's libtiff.

libtiff is given strips or tiles as the strips of a small TIFF file, one column of them at a time.
What compresses bytes comes back as bytes, a gray picture as wide as a row has bytes; what the
samples mean is none of libtiff's business, nor of Pillow's. Codes of pictures come back as such.
"""

import ctypes
import struct
from collections.abc import Sequence
from functools import cache
from io import BytesIO

from PIL import Image, JpegImagePlugin, _imaging

from flowcodec.media.tiff.layout import FAX, JPEG, Layout, Photometric, Tag

_SHORT, _LONG, _UNDEFINED, _LONG8 = 3, 4, 7, 16
_FORMS = {_SHORT: "H", _LONG: "I", _UNDEFINED: "B", _LONG8: "Q"}


def decoded(layout: Layout, segments: Sequence[bytes], rows: int) -> Image.Image:
    """Strips or tiles below each other, `rows` in all; each but the last has `layout.rows`.

    A picture of mode 1 for fax, L, RGB or CMYK for JPEG, and else L, a row of bytes in each row.
    Raises ValueError on damage.
    """
    _silence()
    together = layout.together
    width, bits, channels, meaning = layout.columns, 8, together, int(Photometric.BLACK_IS_ZERO)
    tags: dict[int, tuple[int, Sequence[int]]] = {}
    if layout.compression == JPEG:
        _check_whole(layout, segments, rows)
    if layout.compression in FAX:
        mode, bits = "1", 1
        tags[Tag.T4_OPTIONS] = _LONG, [layout.t4_options]
        tags[Tag.FILL_ORDER] = _SHORT, [2 if layout.reversed_bits else 1]
    elif layout.compression == JPEG:
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[together]
        meaning = layout.photometric if together > 1 else meaning
        if layout.jpeg_tables:
            tags[Tag.JPEG_TABLES] = _UNDEFINED, layout.jpeg_tables
    else:
        mode, width, channels = "L", layout.row_bytes, 1
    tags[Tag.WIDTH] = _LONG, [width]
    tags[Tag.LENGTH] = _LONG, [rows]
    tags[Tag.BITS] = _SHORT, [bits] * channels
    tags[Tag.COMPRESSION] = _SHORT, [layout.compression]
    tags[Tag.PHOTOMETRIC] = _SHORT, [meaning]
    tags[Tag.SAMPLES] = _SHORT, [channels]
    tags[Tag.ROWS_PER_STRIP] = _LONG, [layout.rows]
    file, directory = _tiff(tags, segments)
    return Image.frombytes(mode, (width, rows), file, "libtiff", mode, False, directory)


def _check_whole(layout: Layout, segments: Sequence[bytes], rows: int) -> None:
    """Raise ValueError where libtiff would fill up what is missing of a JPEG stream with gray."""
    for index, data in enumerate(segments):
        width, height = JpegImagePlugin.JpegImageFile(BytesIO(data)).size
        if width != layout.columns or height < min(layout.rows, rows - index * layout.rows):
            raise ValueError(f"JPEG of {width} x {height} pixels in a larger strip or tile")
        if data.rfind(b"\xff\xd9") < 0:
            raise ValueError("JPEG without an end in a strip or tile")


def _tiff(tags: dict[int, tuple[int, Sequence[int]]], strips: Sequence[bytes]) -> tuple[bytes, int]:
    """A little-endian BigTIFF file of these strips, and where its directory begins."""
    place, offsets = 16, []
    for strip in strips:
        offsets.append(place)
        place += len(strip)
    tags[Tag.STRIP_OFFSETS] = _LONG8, offsets
    tags[Tag.STRIP_COUNTS] = _LONG8, [len(strip) for strip in strips]
    outside, entries = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}{_FORMS[kind]}", *values)
        if len(data) > 8:
            data, outside = struct.pack("<Q", place + len(outside)), outside + data
        entries += struct.pack("<HHQ8s", tag, kind, len(values), data)
    directory = place + len(outside)
    head = struct.pack("<4sHHQ", b"II+\0", 8, 0, directory)
    tail = struct.pack("<Q", len(tags)) + entries + bytes(8)
    return b"".join((head, *strips, outside, tail)), directory


@cache
def _silence() -> None:
    """Keep libtiff from writing what it finds damaged to stderr; we say it ourselves.

    Pillow offers no way to; where its libtiff cannot be reached, the lines stay.
    """
    library = ctypes.CDLL(_imaging.__file__)
    for setter in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, setter):
            getattr(library, setter)(None)

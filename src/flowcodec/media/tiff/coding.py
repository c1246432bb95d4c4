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

Fields = dict[int, tuple[int, Sequence[int]]]
"""Tags of a file: their types and values."""

_SHORT, _LONG, _UNDEFINED, _LONG8 = 3, 4, 7, 16
_FORMS = {_SHORT: "H", _LONG: "I", _UNDEFINED: "B", _LONG8: "Q"}

# What Adobe's marker in a JPEG stream says of such colours.
_TRANSFORMS = {int(Photometric.RGB): 0, int(Photometric.YCBCR): 1, int(Photometric.CMYK): 0}


def decoded(layout: Layout, segments: Sequence[bytes], rows: int) -> Image.Image:
    """Strips or tiles below each other, `rows` in all; each but the last has `layout.rows`.

    A picture of mode 1 for fax, L, RGB or CMYK for JPEG, and else L, a row of bytes in each row.
    Raises ValueError on damage.
    """
    _silence()
    mode, width, tags = "L", layout.columns, Fields()
    if layout.compression in FAX:
        mode = "1"
        tags[Tag.T4_OPTIONS] = _LONG, [layout.t4_options]
        tags[Tag.FILL_ORDER] = _SHORT, [2 if layout.reversed_bits else 1]
    elif layout.compression == JPEG:
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[layout.together]
        tags[Tag.PHOTOMETRIC] = _SHORT, [_jpeg_colours(layout, segments, rows)]
        if layout.jpeg_tables:
            tags[Tag.JPEG_TABLES] = _UNDEFINED, layout.jpeg_tables
    else:
        width = layout.row_bytes
    channels = layout.together if layout.compression == JPEG else 1
    tags.setdefault(Tag.PHOTOMETRIC, (_SHORT, [Photometric.BLACK_IS_ZERO]))
    tags[Tag.WIDTH] = _LONG, [width]
    tags[Tag.LENGTH] = _LONG, [rows]
    tags[Tag.BITS] = _SHORT, [1 if mode == "1" else 8] * channels
    tags[Tag.COMPRESSION] = _SHORT, [layout.compression]
    tags[Tag.SAMPLES] = _SHORT, [channels]
    tags[Tag.ROWS_PER_STRIP] = _LONG, [layout.rows]
    file, directory = _tiff(tags, segments)
    return Image.frombytes(mode, (width, rows), file, "libtiff", mode, False, directory)


def _jpeg_colours(layout: Layout, segments: Sequence[bytes], rows: int) -> int:
    """The colours that libtiff has to be told, as a photometric number."""
    coded = {
        _stream_colours(layout, data, min(layout.rows, rows - index * layout.rows))
        for index, data in enumerate(segments)
    }
    if len(coded) > 1:
        raise ValueError("strips or tiles of JPEG differ in their colours")
    return coded.pop()


def _stream_colours(layout: Layout, data: bytes, rows: int) -> int:
    """The same of one strip or tile, which is a stream of JPEG.

    Raises ValueError where libtiff would fill up with gray what is missing, which is less than
    `rows` or ends early, and where stream and tags name different colours: readers differ then.
    """
    header = JpegImagePlugin.JpegImageFile(BytesIO(data))
    width, height = header.size
    if width != layout.columns or height < rows:
        raise ValueError(f"JPEG of {width} x {height} pixels in a larger strip or tile")
    if data.rfind(b"\xff\xd9") < 0:
        raise ValueError("JPEG without an end in a strip or tile")
    if layout.together == 1:
        return Photometric.BLACK_IS_ZERO
    stated, transformed = layout.photometric, header.info.get("adobe_transform")
    if "jfif" in header.info and stated == Photometric.RGB:
        return Photometric.YCBCR  # which is what JFIF means; some writers do not change the tag
    if "jfif" not in header.info and transformed not in (None, _TRANSFORMS[stated]):
        raise ValueError("JPEG and tags differ in what its colours are")
    return stated


def _tiff(tags: Fields, strips: Sequence[bytes]) -> tuple[bytes, int]:
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

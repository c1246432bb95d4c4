"""Uncompressed TIFF files, with the tags that describe a photograph."""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import EXTRASAMPLES, ICCPROFILE, XMP

from flowcodec.media.directories import (
    HEADER_BYTES,
    LONG,
    MARKS,
    SHORT,
    Directory,
    Entry,
    packed,
)
from flowcodec.media.exif import TiffTags

_BYTE, _UNDEFINED = 1, 7
_NONE, _CHUNKY, _UNASSOCIATED = 1, 1, 2
_DARK_IS_ZERO, _RGB = 1, 2
_STRIP_BYTES = 1 << 16
_MOST = 2**32 - 1


def write_tiff(
    planes: NDArray[np.uint8],
    target: BinaryIO,
    tags: TiffTags,
    icc: bytes | None,
    xmp: bytes | None,
) -> None:
    """Write samples (H, W, 1 to 4), alpha last, as TIFF.

    Raises ValueError where the file would be larger than TIFF can be.
    """
    height, width, channels = planes.shape
    layout = tags.layout
    row_bytes = width * channels
    rows = max(1, _STRIP_BYTES // row_bytes)
    sizes = [min(rows, height - top) * row_bytes for top in range(0, height, rows)]
    places = [HEADER_BYTES + rows * row_bytes * index for index in range(len(sizes))]
    start = HEADER_BYTES + planes.size + planes.size % 2

    def numbers(tag: int, type: int, *values: int) -> Entry:
        size = 2 if type == SHORT else 4
        data = b"".join(layout.stored(value, size) for value in values)
        return Entry(tag, type, len(values), data)

    if start > _MOST:
        raise ValueError("it would have more than 4 GiB; use PNG")
    entries = [
        *tags.directory.entries,
        numbers(Base.ImageWidth, LONG, width),
        numbers(Base.ImageLength, LONG, height),
        numbers(Base.BitsPerSample, SHORT, *[8] * channels),
        numbers(Base.Compression, SHORT, _NONE),
        numbers(Base.PhotometricInterpretation, SHORT, _RGB if channels >= 3 else _DARK_IS_ZERO),
        numbers(Base.StripOffsets, LONG, *places),
        numbers(Base.SamplesPerPixel, SHORT, channels),
        numbers(Base.RowsPerStrip, LONG, min(rows, height)),
        numbers(Base.StripByteCounts, LONG, *sizes),
        numbers(Base.PlanarConfiguration, SHORT, _CHUNKY),
    ]
    if channels in (2, 4):
        entries.append(numbers(EXTRASAMPLES, SHORT, _UNASSOCIATED))
    if icc:
        entries.append(Entry(ICCPROFILE, _UNDEFINED, len(icc), icc))
    if xmp:
        entries.append(Entry(XMP, _BYTE, len(xmp), xmp))
    directory = packed(Directory(entries=entries, links=tags.directory.links), layout, start)
    if start + len(directory) > _MOST:
        raise ValueError("it would have more than 4 GiB; use PNG")
    mark = next(mark for mark, order in MARKS.items() if order == layout.order)
    target.write(mark + layout.stored(start, 4))
    target.write(np.ascontiguousarray(planes).data)
    target.write(b"\0" * (planes.size % 2) + directory)

"""EXIF: turning a picture upright, and which tags may move from one file format to another.

EXIF here is always the bare TIFF structure ("II*" or "MM" first), without the "Exif\\0\\0" that
JPEG puts before it.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import IFD, Base

PREFIX = b"Exif\0\0"

# A TIFF file keeps its EXIF in the very directory that describes its pixels: size, strips, depth.
# Only what describes the photograph goes out of such a directory, or into one.
_DESCRIPTIVE = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.HostComputer,
    Base.Copyright,
)


def turned(array: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """`array` (H, W, ...) as EXIF `orientation` 1..8 wants it shown; other values change nothing.

    The result is contiguous, and `array` itself where nothing turns.
    """
    match orientation:
        case 2:
            view = array[:, ::-1]
        case 3:
            view = array[::-1, ::-1]
        case 4:
            view = array[::-1]
        case 5:
            view = array.swapaxes(0, 1)
        case 6:
            view = array[::-1].swapaxes(0, 1)
        case 7:
            view = array[::-1, ::-1].swapaxes(0, 1)
        case 8:
            view = array[:, ::-1].swapaxes(0, 1)
        case _:
            view = array
    return np.ascontiguousarray(view)


def read_exif(image: Image.Image) -> tuple[bytes | None, int]:
    """The EXIF of a decoded picture with its orientation tag reset to 1, and what that tag said.

    Everything else stays byte for byte, except that a picture which has to be turned loses the
    link to its thumbnail, which would stay unturned. TIFF gives its descriptive tags only. An
    orientation may come from XMP, with no EXIF to keep. Raises struct.error, or whatever else
    Pillow raises, on damaged EXIF.
    """
    parsed = image.getexif()
    orientation = parsed.get(Base.Orientation, 1)
    raw = image.info.get("exif")
    if raw is None and hasattr(image, "tag_v2"):
        kept = _descriptive(parsed)
        raw = kept.tobytes() if len(kept) else None
    elif raw is None and "Raw profile type exif" in image.info:
        raw = parsed.tobytes()
    if not raw:
        return None, orientation
    return _reset(bare(raw), orientation), orientation


def bare(exif: bytes) -> bytes:
    """`exif` without the prefix that JPEG puts before it."""
    return exif.removeprefix(PREFIX)


def tiff_tags(exif: bytes | None) -> Image.Exif:
    """The tags of `exif` that a TIFF file may take over, as Pillow's TIFF writer wants them."""
    tags = Image.Exif()
    if exif:
        tags.load(exif)
        kept = _descriptive(tags)
        tags.load(kept.tobytes() if len(kept) else b"")
    return tags


def _descriptive(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    for directory in (IFD.Exif, IFD.GPSInfo):
        entries: dict[int, Any] = exif.get_ifd(directory)
        # The interoperability directory is one more offset into the old file.
        entries = {tag: value for tag, value in entries.items() if tag != IFD.Interop}
        if entries:
            kept[directory] = entries
    return kept


def _reset(exif: bytes, orientation: int) -> bytes:
    """`exif` with the value of its orientation tag set to 1 in place."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        raise struct.error("no byte order mark")
    data = bytearray(exif)
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, directory)
    end = directory + 2 + 12 * count
    for entry in range(directory + 2, end, 12):
        (tag,) = struct.unpack_from(f"{order}H", data, entry)
        if tag == Base.Orientation:
            short = 3
            struct.pack_into(f"{order}HIHH", data, entry + 2, short, 1, 1, 0)
    if orientation in range(2, 9) and end + 4 <= len(data):
        struct.pack_into(f"{order}I", data, end, 0)
    return bytes(data)

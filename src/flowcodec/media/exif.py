"""EXIF: turning a picture upright, and keeping what is whole.

EXIF here is always the bare TIFF structure ("II*" or "MM" first), without the "Exif\\0\\0" that
JPEG puts before it. Nothing is moved in it: offsets, those in the notes of makers too, stay right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import IFD, Base

from flowcodec.media.directories import (
    HEADER_BYTES,
    MARKS,
    Directory,
    Layout,
    orientation_of,
    packed,
    read_directories,
    rewritten,
)

PREFIX = b"Exif\0\0"

_SEARCHED = 32  # a beginning is looked for up to here: the prefix may stand there twice

# A TIFF file keeps its EXIF in the very directory that describes its pixels: size, strips, depth.
# Only what describes the photograph goes out of such a directory, or into one.
DESCRIPTIVE = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.HostComputer,
    Base.Copyright,
    IFD.Exif,
    IFD.GPSInfo,
)
# Nobody misses these: TIFF says them of its own pixels.
_OF_PIXELS = (
    Base.ImageWidth,
    Base.ImageLength,
    Base.BitsPerSample,
    Base.Compression,
    Base.PhotometricInterpretation,
    Base.StripOffsets,
    Base.Orientation,
    Base.SamplesPerPixel,
    Base.RowsPerStrip,
    Base.StripByteCounts,
    Base.XResolution,
    Base.YResolution,
    Base.PlanarConfiguration,
    Base.ResolutionUnit,
    Base.YCbCrCoefficients,
    Base.YCbCrSubSampling,
    Base.YCbCrPositioning,
    Base.ReferenceBlackWhite,
)


@dataclass(frozen=True)
class ReadExif:
    """EXIF as it is kept, its orientation reset to 1; None where nothing could be made of it.

    `orientation` is what the tag said, 1 to 8, or None where it said nothing.
    """

    kept: bytes | None = None
    orientation: int | None = None
    notes: tuple[str, ...] = ()


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


def read_exif(raw: bytes) -> ReadExif:
    """What can be kept of EXIF as it was found in a file, with or without its prefix.

    Whole EXIF stays byte for byte, except that orientation becomes 1 and that a picture which has
    to be turned loses the link to its thumbnail, which would stay unturned. From damaged EXIF
    what cannot be read is taken out, and a note tells it.
    """
    start = _start(raw)
    if start is None:
        return ReadExif(notes=("damaged EXIF was dropped",) if raw.strip(b"\0") else ())
    data = raw[start:]
    layout, root = parsed(data)
    orientation = orientation_of(root, layout)
    faults = sum(directory.faults for directory in root.tree())
    faults += start != (len(PREFIX) if raw.startswith(PREFIX) else 0)
    if not root.entries:
        return ReadExif(notes=("damaged EXIF was dropped",) if faults else ())
    if orientation not in (None, 1):
        root.next = 0
    notes = ("EXIF was damaged; what can be read of it is kept",) if faults else ()
    return ReadExif(rewritten(data, root, layout), orientation, notes)


def means_adobe_rgb(exif: bytes) -> bool:
    """Whether EXIF that `read_exif` has kept says, as cameras do, that colours are Adobe RGB's."""
    layout, root = parsed(exif)
    photo = root.links.get(IFD.Exif, Directory())
    space, index = photo.first(Base.ColorSpace), photo.links.get(IFD.Interop, Directory()).first(1)
    uncalibrated = space is not None and layout.number(space.data) == 0xFFFF
    return uncalibrated and index is not None and index.data.startswith(b"R03")


def parsed(exif: bytes) -> tuple[Layout, Directory]:
    """The directories of bare EXIF."""
    layout = Layout(MARKS[exif[:4]])
    return layout, read_directories(exif, layout, layout.number(exif[4:HEADER_BYTES]))


def without_orientation(exif: bytes) -> bytes | None:
    """EXIF that `read_exif` has kept without its orientation tag; None where that was all."""
    layout, root = parsed(exif)
    root.entries = [entry for entry in root.entries if entry.tag != Base.Orientation]
    return rewritten(exif, root, layout) if root.entries else None


@dataclass(frozen=True)
class TiffTags:
    """Tags that a TIFF file takes over, in the byte order of `layout`.

    `lost` says that others were left out, beyond those that TIFF has of its own pixels.
    """

    layout: Layout
    directory: Directory
    lost: bool = False


def tiff_tags(exif: bytes | None) -> TiffTags:
    """What of EXIF goes into a TIFF file: all that tells of the photograph and not of pixels."""
    if exif is None:
        return TiffTags(Layout("<"), Directory())
    layout, root = parsed(exif)
    known = (*DESCRIPTIVE, *_OF_PIXELS)
    lost = any(entry.tag not in known for entry in root.entries) or root.next != 0
    return TiffTags(layout, descriptive(root), lost)


def descriptive(root: Directory) -> Directory:
    """The part of a TIFF file's directory that tells of the photograph."""
    kept = Directory(entries=[entry for entry in root.entries if entry.tag in DESCRIPTIVE])
    for tag, below in root.links.items():
        # The interoperability directory is one more offset into the old file.
        entries = [entry for entry in below.entries if entry.tag != IFD.Interop]
        kept.links[tag] = Directory(entries=entries)
    empty = [tag for tag, below in kept.links.items() if not below.entries]
    for tag in empty:
        del kept.links[tag]
    kept.entries = [entry for entry in kept.entries if entry.tag not in empty]
    return kept


def exif_of(directory: Directory, layout: Layout) -> bytes | None:
    """A directory and those below as bare EXIF; None for an empty one."""
    if not directory.entries:
        return None
    mark = next(mark for mark, order in MARKS.items() if order == layout.order)
    layout = Layout(layout.order)
    for part in directory.tree():
        part.entries = [entry for entry in part.entries if layout.size(entry.type) is not None]
    return mark + layout.stored(HEADER_BYTES, 4) + packed(directory, layout, HEADER_BYTES)


def _start(raw: bytes) -> int | None:
    """Where the structure begins."""
    return next(
        (
            start
            for start in range(_SEARCHED)
            if raw[start : start + 4] in MARKS and len(raw) >= start + HEADER_BYTES
        ),
        None,
    )

"""TIFF tags that describe a picture; `tiff.picture` reads those that make its pixels."""

import struct
from typing import BinaryIO

from PIL import TiffImagePlugin
from PIL.ExifTags import Base

from flowcodec.media.colour import GammaPrimaries
from flowcodec.media.directories import Directory, Layout, orientation_of, read_directories
from flowcodec.media.exif import DESCRIPTIVE, descriptive, exif_of
from flowcodec.media.side_data import IPTC_MARK, FileBytes, SideData, shape_note
from flowcodec.media.tiff.tags import MARKS

_ICC = TiffImagePlugin.ICCPROFILE
_XMP = TiffImagePlugin.XMP
_IPTC = TiffImagePlugin.IPTC_NAA_CHUNK
_PHOTOSHOP = TiffImagePlugin.PHOTOSHOP_CHUNK
_RATIONAL = 5
_WANTED = frozenset(
    (*DESCRIPTIVE, Base.Orientation, Base.XResolution, Base.YResolution, Base.WhitePoint)
    + (Base.PrimaryChromaticities, _ICC, _XMP, _IPTC, _PHOTOSHOP)
)


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """The file as it is, and what its descriptive tags say."""
    data = FileBytes(stream)
    head = data[:16]
    order, big = MARKS[head[:4]]
    layout = Layout(order, big)
    offset = layout.number(head[8:16] if big else head[4:8])
    root = read_directories(data, layout, offset, _WANTED)
    side = SideData()
    if not root.end:
        return stream, side  # the reader says what is wrong
    side.icc, side.xmp = (
        entry.data if (entry := root.first(tag)) else None for tag in (_ICC, _XMP)
    )
    side.exif = exif_of(descriptive(root), layout)
    side.orientation = orientation_of(root, layout)
    photoshop = root.first(_PHOTOSHOP)
    if root.first(_IPTC) or (photoshop and IPTC_MARK in photoshop.data):
        side.notes.append("left out: IPTC data")
    side.notes += _told_of_shape(root, layout)
    side.colour = _colour(root, layout)
    if any(directory.faults for directory in root.tree()):
        side.notes.append("damaged tags were mended or dropped")
    return stream, side


def _rationals(root: Directory, layout: Layout, tag: int, count: int) -> list[float] | None:
    """The values of a tag that must have so many fractions."""
    entry = root.first(tag)
    if entry is None or entry.type != _RATIONAL or entry.count != count:
        return None
    numbers = struct.unpack(f"{layout.order}{2 * count}I", entry.data)
    if not all(numbers[1::2]):
        return None
    return [above / below for above, below in zip(numbers[::2], numbers[1::2], strict=True)]


def _told_of_shape(root: Directory, layout: Layout) -> list[str]:
    across = _rationals(root, layout, Base.XResolution, 1)
    down = _rationals(root, layout, Base.YResolution, 1)
    return shape_note(round(across[0]), round(down[0])) if across and down else []


def _colour(root: Directory, layout: Layout) -> GammaPrimaries | None:
    """White and primaries, where they are told."""
    white = _rationals(root, layout, Base.WhitePoint, 2)
    primaries = _rationals(root, layout, Base.PrimaryChromaticities, 6)
    if white is None or primaries is None:
        return None
    return GammaPrimaries(None, tuple(round(100_000 * value) for value in (*white, *primaries)))

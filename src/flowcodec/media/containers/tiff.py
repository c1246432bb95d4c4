"""TIFF tags: those that make the pixels are passed on, those that describe them are read here."""

import struct
from typing import BinaryIO

from PIL import TiffImagePlugin
from PIL.ExifTags import Base

from flowcodec.media.colour import GammaPrimaries
from flowcodec.media.directories import (
    MARKS,
    Directory,
    Layout,
    orientation_of,
    read_directories,
)
from flowcodec.media.exif import descriptive, exif_of
from flowcodec.media.side_data import IPTC_MARK, FileBytes, SideData, shape_note, spliced

_BIG_MARKS = {b"II+\0": "<", b"MM\0+": ">"}
_ICC = TiffImagePlugin.ICCPROFILE
_XMP = TiffImagePlugin.XMP
_IPTC = TiffImagePlugin.IPTC_NAA_CHUNK
_PHOTOSHOP = TiffImagePlugin.PHOTOSHOP_CHUNK
_RATIONAL = 5
# What readers of pixels need: TIFF 6.0, sections 3 to 23, its supplements, and private tags of
# compressions. All the rest is a description of the picture, or of no use to them.
_OF_PIXELS = frozenset(
    (254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284)
    + (288, 289, 290, 291, 292, 293, 297, 317, 320, 321, 322, 323, 324, 325)
    + (326, 327, 328, 332, 333, 334, 336, 338, 339, 340, 341, 342, 347, 400, 401, 402, 403, 404)
    + (433, 434, 435, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532)
    + (32995, 32996, 32997, 32998, 33421, 33422, 34925, 37439)
)


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """A TIFF file without its descriptive tags, its orientation among them, and what they said."""
    data = FileBytes(stream)
    head = data[:16]
    big = head[:4] in _BIG_MARKS
    layout = Layout((_BIG_MARKS if big else MARKS)[head[:4]], big)
    offset = layout.number(head[8:16] if big else head[4:8])
    root = read_directories(data, layout, offset)
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
    pixels = [entry for entry in root.entries if entry.tag in _OF_PIXELS]
    table = layout.stored(len(pixels), layout.count_bytes)
    table += b"".join(entry.raw for entry in pixels)
    table += layout.stored(root.next, layout.offset_bytes)
    after = offset + len(table)
    return spliced(stream, [(0, offset), table, (after, max(0, len(data) - after))]), side


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

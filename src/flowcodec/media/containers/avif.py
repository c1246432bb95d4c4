"""AVIF boxes: EXIF and XMP are read here and hidden from the decoder; colours, crop and shape of
the pixels are read too.

Nothing is moved: the items get a type that no reader knows.
"""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from flowcodec.media.colour import Cicp
from flowcodec.media.side_data import Crop, FileBytes, Piece, SideData, shape_note, spliced

_HIDDEN = b"skip"
_XMP_TYPE = b"application/rdf+xml"
_MAX_META = 1 << 24
_MOST_EXTENTS = 1 << 16
_NESTED = ((None, b"moov"), (b"moov", b"trak"))  # boxes that have meta boxes in them


@dataclass
class _Meta:
    """What a meta box says of its items."""

    primary: int = 0
    items: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Side data by number: their kind, and where the type of the item stands in the file."""
    extents: dict[int, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    """By number: how they are located, and their stretches."""
    data: int = 0
    """Where what stands in the meta box itself begins."""
    properties: list[bytes] = field(default_factory=list)
    owned: list[int] = field(default_factory=list)
    """Numbers, from 1, of the properties of the primary item."""


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """An AVIF file of which the decoder sees no EXIF and XMP, and what they said."""
    data = FileBytes(stream)
    side = SideData()
    hidden: list[int] = []
    for start, end in _metas(data, 0, len(data)):
        meta = _Meta()
        # What was found before the damage holds; the decoder judges the rest.
        with contextlib.suppress(struct.error, IndexError, ValueError):
            _read_meta(meta, data, start + 4, end)
        hidden += [place for _, place in meta.items.values()]
        _take(side, meta, data)
    pieces: list[Piece] = []
    at = 0
    for place in sorted(set(hidden)):
        pieces += [(at, place - at), _HIDDEN]
        at = place + len(_HIDDEN)
    return spliced(stream, [*pieces, (at, len(data) - at)]), side


def _boxes(data: FileBytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box."""
    while start + 8 <= end:
        size, type = struct.unpack(">I4s", data[start : start + 8])
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = end if size == 0 else start + size
        if size and size < head or stop > end:
            return
        yield type, start + head, stop
        start = stop


def _metas(
    data: FileBytes, start: int, end: int, parent: bytes | None = None
) -> Iterator[tuple[int, int]]:
    """The meta boxes of the file and of its tracks."""
    for type, begin, stop in _boxes(data, start, end):
        if type == b"meta" and stop - begin <= _MAX_META:
            yield begin, stop
        elif (parent, type) in _NESTED:
            yield from _metas(data, begin, stop, type)


def _read_meta(meta: _Meta, data: FileBytes, start: int, end: int) -> None:
    for type, begin, stop in _boxes(data, start, end):
        if type == b"pitm":
            wide = data[begin : begin + 1] != b"\0"
            meta.primary = int.from_bytes(data[begin + 4 : begin + (8 if wide else 6)], "big")
        elif type == b"idat":
            meta.data = begin
        elif type == b"iinf":
            head = 6 if data[begin : begin + 1] == b"\0" else 8
            for _, first, last in _boxes(data, begin + head, stop):
                _read_item(meta, data, first, last)
        elif type == b"iloc":
            _read_places(meta, data[begin:stop])
        elif type == b"iprp":
            for kind, first, last in _boxes(data, begin, stop):
                if kind == b"ipco":
                    meta.properties = [name + data[a:b] for name, a, b in _boxes(data, first, last)]
                elif kind == b"ipma":
                    _read_owners(meta, data[first:last])


def _read_item(meta: _Meta, data: FileBytes, start: int, end: int) -> None:
    version = data[start : start + 1][0]
    wide = version >= 3
    number = int.from_bytes(data[start + 4 : start + (8 if wide else 6)], "big")
    place = start + (10 if wide else 8)
    type = data[place : place + 4]
    content = data[place + 4 : end].split(b"\0")
    if type == b"Exif":
        meta.items[number] = ("exif", place)
    elif type == b"mime" and len(content) > 1 and content[1] == _XMP_TYPE:
        meta.items[number] = ("xmp", place)


class _Numbers:
    """Big-endian numbers, one after another."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def next(self, size: int) -> int:
        if self.at + size > len(self.data):
            raise ValueError("a box is cut short")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")


def _read_places(meta: _Meta, box: bytes) -> None:
    numbers = _Numbers(box)
    version = numbers.next(4) >> 24
    sizes = numbers.next(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    left = _MOST_EXTENTS
    for _ in range(numbers.next(wide)):
        number = numbers.next(wide)
        method = numbers.next(2) & 15 if version else 0
        numbers.next(2)
        begin = numbers.next(base)
        extents = []
        count = numbers.next(2)
        left -= count
        if left < 0:  # extents of no bytes could be any number
            raise ValueError("more extents than any picture has")
        for _ in range(count):
            if version:
                numbers.next(index)
            place = begin + numbers.next(offset)
            extents.append((place, numbers.next(length)))
        meta.extents[number] = (method, extents)


def _read_owners(meta: _Meta, box: bytes) -> None:
    numbers = _Numbers(box)
    flags = numbers.next(4)
    for _ in range(numbers.next(4)):
        number = numbers.next(4 if flags >> 24 else 2)
        for _ in range(numbers.next(1)):
            index = numbers.next(2) & 0x7FFF if flags & 1 else numbers.next(1) & 0x7F
            if number == meta.primary:
                meta.owned.append(index)


def _take(side: SideData, meta: _Meta, data: FileBytes) -> None:
    for number, (kind, _) in meta.items.items():
        method, extents = meta.extents.get(number, (0, []))
        start = meta.data if method == 1 else 0
        content = b""
        for place, size in extents:
            if len(content) < len(data):  # stretches that overlap could stand for any length
                content += data[start + place : start + place + size]
        if getattr(side, kind) is None and method in (0, 1) and content:
            setattr(side, kind, content[4:] if kind == "exif" else content)
    for index in meta.owned:
        box = meta.properties[index - 1] if 0 < index <= len(meta.properties) else b""
        if box.startswith((b"colrprof", b"colrrICC")) and side.icc is None:
            side.icc = box[8:]
        elif box.startswith(b"colrnclx") and len(box) >= 15 and side.colour is None:
            side.colour = Cicp(*struct.unpack(">HH", box[8:12]))  # the rest is the decoder's
        elif box.startswith(b"pasp") and len(box) == 12:
            side.notes += shape_note(*reversed(struct.unpack(">II", box[4:])))
        elif box.startswith(b"clap") and len(box) == 36:
            side.crop = _crop(box[4:])


def _crop(body: bytes) -> Crop | None:
    """The clean aperture, which the decoder does not apply; None for one that makes no sense."""
    numbers = struct.unpack(">IIIIiIiI", body)
    if not all(numbers[1::2]):
        return None
    width, height, right, down = map(Fraction, numbers[::2], numbers[1::2])
    return Crop(width, height, right, down)

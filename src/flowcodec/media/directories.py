"""Directories of tags as TIFF and EXIF have them: read with care, mended in place, put together.

A directory is a list of entries (tag, type, count, values or where they stand) and the place of the
next one. Some entries link to a directory below. Damage costs the entry that has it.
"""

import struct
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from PIL.ExifTags import IFD, Base

MARKS = {b"II*\0": "<", b"MM\0*": ">"}
"""How a TIFF structure begins, and the byte order that this tells, as `struct` calls it."""

HEADER_BYTES = 8

SHORT, LONG = 3, 4
_BYTES = (1, 6, 7)
_LONGS = (LONG, 9, 13)
_OFFSETS = (LONG, 13, 16, 18)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_BIG_SIZES = _SIZES | {16: 8, 17: 8, 18: 8}
_MOST_ENTRIES = 1 << 16
_LINKS: dict[int | None, tuple[int, ...]] = {
    None: (IFD.Exif, IFD.GPSInfo),
    IFD.Exif: (IFD.Interop,),
}
"""Which tags link to a directory, by the tag that has led to the one in which they stand."""


class Bytes(Protocol):
    """What is read from: bytes, or a file that gives them by slices."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> bytes: ...


@dataclass(frozen=True)
class Layout:
    """How directories are stored: byte order as `struct` calls it; BigTIFF has longer numbers."""

    order: str
    big: bool = False

    @property
    def count_bytes(self) -> int:
        return 8 if self.big else 2

    @property
    def entry_bytes(self) -> int:
        return 20 if self.big else 12

    @property
    def entry_start(self) -> str:
        """Tag, type and count, as `struct` calls them."""
        return f"{self.order}HH{'Q' if self.big else 'I'}"

    @property
    def offset_bytes(self) -> int:
        return 8 if self.big else 4

    def size(self, type: int) -> int | None:
        """Bytes of a value of a type, None if there is no such type."""
        return (_BIG_SIZES if self.big else _SIZES).get(type)

    def number(self, data: bytes) -> int:
        """An unsigned number of the length of `data`."""
        return int.from_bytes(data, "little" if self.order == "<" else "big")

    def stored(self, number: int, size: int) -> bytes:
        """The other way."""
        return number.to_bytes(size, "little" if self.order == "<" else "big")


@dataclass(frozen=True)
class Entry:
    """One tag: `data` are its `count` values of `type`, and `raw` the entry, as they are stored."""

    tag: int
    type: int
    count: int
    data: bytes
    raw: bytes = b""


@dataclass
class Directory:
    """The good entries of a directory, those that it links to, and where the next one is.

    `end` is where its last entry ends, `faults` how much of it was left out.
    """

    offset: int = 0
    end: int = 0
    entries: list[Entry] = field(default_factory=list)
    links: dict[int, "Directory"] = field(default_factory=dict)
    next: int = 0
    faults: int = 0

    def first(self, tag: int) -> Entry | None:
        """The first entry with this tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)

    def tree(self) -> Iterator["Directory"]:
        """This directory and all below."""
        yield self
        for below in self.links.values():
            yield from below.tree()


def read_directories(
    data: Bytes, layout: Layout, offset: int, wanted: Container[int] | None = None
) -> Directory:
    """The directory at `offset` of `data` and those that it links to, without what is damaged.

    Of the first one, only tags that are `wanted` are looked at, if that is given. No directory is
    read twice, and the values of one never take more memory than `data` has bytes.
    """
    taken = [(0, HEADER_BYTES)]
    root = _read(data, layout, offset, taken, wanted)
    after = root.next + layout.count_bytes
    if root.next and not (after <= len(data) and _is_free(root.next, after, taken)):
        root.next, root.faults = 0, root.faults + 1
    return root


def orientation_of(root: Directory, layout: Layout) -> int | None:
    """What the orientation tag says, 1 to 8, or None."""
    entry = root.first(Base.Orientation)
    value = layout.number(entry.data) if entry else 0
    return value if 1 <= value <= 8 else None


def upright(entry: Entry, layout: Layout) -> Entry:
    """An orientation tag that says 1; any other as it is."""
    return _orientation_entry(layout, 1) if entry.tag == Base.Orientation else entry


def rewritten(data: bytes, root: Directory, layout: Layout) -> bytes:
    """`data` with the directories of `root`, which were read from it, and nothing moved."""
    buffer = bytearray(data)
    for directory in root.tree():
        table = layout.stored(len(directory.entries), layout.count_bytes)
        table += b"".join(upright(entry, layout).raw for entry in directory.entries)
        # Behind a directory below, some writers leave out the place of the next.
        if directory is root or directory.offset + len(table) < directory.end:
            table += layout.stored(directory.next if directory is root else 0, layout.offset_bytes)
        buffer[directory.offset : directory.offset + len(table)] = table
    return bytes(buffer)


def packed(directory: Directory, layout: Layout, start: int) -> bytes:
    """A directory that shall stand at `start`, its values and those below it behind it."""
    entries = sorted(directory.entries, key=lambda entry: entry.tag)
    table = layout.stored(len(entries), layout.count_bytes)
    values = start + layout.count_bytes + len(entries) * layout.entry_bytes + layout.offset_bytes
    tail = b""
    for entry in entries:
        type, count, data = entry.type, entry.count, entry.data
        if entry.tag in directory.links:
            below = packed(directory.links[entry.tag], layout, values + len(tail))
            type, count, data = LONG, 1, layout.stored(values + len(tail), 4)
            tail += below
        elif len(data) > layout.offset_bytes:
            place = layout.stored(values + len(tail), layout.offset_bytes)
            tail += data + b"\0" * (len(data) % 2)
            data = place
        table += struct.pack(layout.entry_start, entry.tag, type, count)
        table += data.ljust(layout.offset_bytes, b"\0")
    return table + bytes(layout.offset_bytes) + tail


def _read(
    data: Bytes,
    layout: Layout,
    offset: int,
    taken: list[tuple[int, int]],
    wanted: Container[int] | None = None,
    parent: int | None = None,
) -> Directory:
    found = Directory(offset, faults=1)
    place = offset + layout.count_bytes
    if place > len(data):
        return found
    stated = layout.number(data[offset:place])
    count = min(stated, (len(data) - place) // layout.entry_bytes, _MOST_ENTRIES)
    if not _is_free(offset, place + count * layout.entry_bytes, taken):
        return found
    table = data[place : place + count * layout.entry_bytes]
    found.end = place + len(table)
    found.faults = stated - count
    after = data[found.end : found.end + layout.offset_bytes]
    if count == stated and len(after) == layout.offset_bytes:
        found.next = layout.number(after)
    taken.append((offset, found.end))
    room = len(data)
    for start in range(0, len(table), layout.entry_bytes):
        raw = table[start : start + layout.entry_bytes]
        if wanted is not None and layout.number(raw[:2]) not in wanted:
            continue
        entry = _entry(data, layout, raw, room)
        if entry is not None and entry.tag in _LINKS.get(parent, ()):
            below = _linked(data, layout, entry, taken)
            if below is None or entry.tag in found.links:
                entry = None
            else:
                found.links[entry.tag] = below
        found.faults += entry is None or entry.raw != raw
        if entry is not None:
            room -= len(entry.data)
            found.entries.append(entry)
    return found


def _entry(data: Bytes, layout: Layout, raw: bytes, room: int) -> Entry | None:
    """The entry in `raw` with its values, or None where they are not there."""
    tag, type, count = struct.unpack_from(layout.entry_start, raw)
    place = raw[-layout.offset_bytes :]
    if tag == Base.Orientation:
        if (type, count) == (SHORT, 1):
            return Entry(tag, type, count, place[:2], raw)
        return _orientation_entry(layout, _odd_orientation(layout, type, place))
    unit = layout.size(type)
    if unit is None or unit * count > room:
        return None
    size = unit * count
    if size <= len(place):
        return Entry(tag, type, count, place[:size], raw)
    offset = layout.number(place)
    values = data[offset : offset + size]
    return Entry(tag, type, count, values, raw) if len(values) == size else None


def _odd_orientation(layout: Layout, type: int, place: bytes) -> int:
    """The orientation in an entry of a wrong type or count: a number where it should stand."""
    size = 1 if type in _BYTES else 4 if type in _LONGS else 2
    value = layout.number(place[:size])
    return value if value <= 8 else 1


def _orientation_entry(layout: Layout, value: int) -> Entry:
    data = layout.stored(value, 2)
    raw = struct.pack(layout.entry_start, Base.Orientation, SHORT, 1)
    return Entry(Base.Orientation, SHORT, 1, data, raw + data.ljust(layout.offset_bytes, b"\0"))


def _linked(
    data: Bytes, layout: Layout, entry: Entry, taken: list[tuple[int, int]]
) -> Directory | None:
    """The directory that an entry links to, or None where there is none to be read."""
    if entry.type not in _OFFSETS or entry.count != 1:
        return None
    below = _read(data, layout, layout.number(entry.data), taken, parent=entry.tag)
    return below if below.end else None


def _is_free(start: int, end: int, taken: list[tuple[int, int]]) -> bool:
    """Whether a directory may stand there: in no other, since mending writes into each."""
    return all(start >= stop or end <= begin for begin, stop in taken)

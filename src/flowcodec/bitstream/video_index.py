"""The index at the end of a `.fcv` file: where its groups are (SPEC.md section 14).

marker | the fields of INDEX_FIELDS | CRC-32 | an entry for each group | CRC-32 | trailer
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass, fields

from flowcodec.bitstream.fields import MAX_GROUP_FRAMES, pack_fields
from flowcodec.bitstream.numbers import (
    CRC_BYTES,
    LONG_BITS,
    TICKS,
    Reader,
    pack_signed,
    pack_unsigned,
    pack_varint,
    running_crc,
    unpack_unsigned,
)
from flowcodec.bitstream.video_groups import (
    INDEX,
    INDEX_FIELDS,
    MIN_GROUP_BYTES,
    GroupHeader,
    Head,
)

END = b"\xfcEND"
LENGTH_BYTES = 4
TRAILER_BYTES = LENGTH_BYTES + len(END)
INDEX_UNIT = "index"


@dataclass(frozen=True)
class Place:
    """Where a group is, as the index has it; `length` counts the bytes of its header too."""

    offset: int
    length: int
    number: int
    first: int
    count: int
    start: int


class Places:
    """The places of groups in the order of the file, in 48 bytes each."""

    def __init__(self) -> None:
        self._columns = {field.name: array("q") for field in fields(Place)}

    def append(self, place: Place) -> None:
        """Add a group that comes after all the others."""
        for name, column in self._columns.items():
            column.append(getattr(place, name))

    def __len__(self) -> int:
        return len(self._columns["offset"])

    def __getitem__(self, index: int) -> Place:
        return Place(**{name: column[index] for name, column in self._columns.items()})

    @property
    def frame_count(self) -> int:
        """Frames up to the end of the last group."""
        return self._end(len(self) - 1) if len(self) else 0

    def of_frame(self, frame: int) -> int:
        """The group that holds a frame, or the first one after it; `len(self)` if there is none."""
        index = bisect_right(self._columns["first"], frame) - 1
        return index if index >= 0 and frame < self._end(index) else index + 1

    def at_time(self, tick: int) -> int:
        """The last group that begins at or before `tick`, or the first one of all."""
        return max(bisect_right(self._columns["start"], tick) - 1, 0)

    def _end(self, index: int) -> int:
        return self._columns["first"][index] + self._columns["count"][index]


class Listing:
    """The index in the making: groups are added in order."""

    def __init__(self) -> None:
        self.groups = self.frames = 0
        self.entries = bytearray()
        self.start = 0

    def add(self, group: GroupHeader, length: int) -> None:
        """A group that takes `length` bytes, its header included."""
        self.entries += pack_varint(group.count) + pack_varint(length)
        if self.groups == 0:
            self.entries += pack_signed(group.start)
        else:
            self.entries += pack_varint(group.start - self.start)
        self.start = group.start
        self.groups += 1
        self.frames += group.count

    def pack(self, seed: int) -> bytes:
        """Index and trailer of a file whose header has the checksum `seed`."""
        values = {"groups": self.groups, "frames": self.frames, "size": len(self.entries)}
        head = pack_fields("the index", INDEX, INDEX_FIELDS, values, seed)
        crc = running_crc(bytes(self.entries), unpack_unsigned(head[-CRC_BYTES:]))
        index = head + self.entries + pack_unsigned(crc, CRC_BYTES)
        return index + pack_unsigned(len(index), LENGTH_BYTES) + END


def index_length(trailer: bytes, offset: int) -> int:
    """Bytes of the index before the trailer, from the last bytes of a file."""
    reader = Reader(trailer, 0, INDEX_UNIT, offset)
    length = reader.unsigned(LENGTH_BYTES, "the trailer")
    if reader.take(len(END), "the trailer") != END:
        raise reader.error("there is no index at the end of the file", 0)
    return length


def index_entries(head: Head, data: bytes) -> bytes:
    """The entries of an index; `data` is what follows its head, the trailer included.

    FormatError if they are damaged, or the trailer is.
    """
    reader = Reader(data, 0, INDEX_UNIT, head.end)
    entries = reader.take(head.values["size"], "the index")
    if reader.unsigned(CRC_BYTES, "its checksum") != running_crc(entries, head.crc):
        raise reader.error("the entries are damaged: their checksum does not match", 0)
    stated = head.end - head.offset + reader.offset
    length = index_length(reader.take(TRAILER_BYTES, "the trailer"), head.end + reader.offset)
    if length != stated:
        raise reader.error(f"the trailer says that the index has {length} bytes, it has {stated}")
    return entries


def parse_entries(head: Head, entries: bytes, begin: int) -> Places:
    """The groups of an index, which lie between `begin` and the index without a gap."""
    reader = Reader(entries, 0, INDEX_UNIT, head.end, "index")
    room = head.offset - begin
    if head.values["groups"] * MIN_GROUP_BYTES > room:
        raise reader.error(f"{head.values['groups']} groups do not fit into {room} bytes")
    places = Places()
    offset, first, start = begin, 0, 0
    for number in range(head.values["groups"]):
        count, length = reader.varint("a count"), reader.varint("a length")
        if number == 0:
            start = reader.signed("a time")
        else:
            start += reader.varint("a time", LONG_BITS)
        if not (1 <= count <= MAX_GROUP_FRAMES and length >= MIN_GROUP_BYTES and start in TICKS):
            raise reader.error(f"the entry of group {number} cannot be")
        places.append(Place(offset, length, number, first, count, start))
        offset += length
        first += count
    if reader.left or offset != head.offset or first != head.values["frames"]:
        raise reader.error("the entries do not add up to the groups that stand before the index")
    return places

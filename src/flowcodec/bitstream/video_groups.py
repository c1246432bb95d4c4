"""Groups: what stands before and around the frames that are decoded together (SPEC.md section 12).

    sync | the fields of GROUP_FIELDS | CRC-32 | the colour | a unit for each frame | the ending

Most groups have neither colour nor ending, which a reader may pass over.

The checksum continues that of the file's header, and the units' checksums continue it, so that
nothing of another file, another group or another place passes for a group's own.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from flowcodec.bitstream.fields import (
    MAX_GROUP_FRAMES,
    PSNR,
    SIGNED,
    VARINT,
    Field,
    pack_fields,
    read_fields,
)
from flowcodec.bitstream.numbers import (
    CRC_BYTES,
    LONG_BITS,
    TICKS,
    VARINT_MAX,
    Reader,
    pack_unsigned,
    pack_varint,
    unpack_unsigned,
)
from flowcodec.bitstream.units import MIN_FRAME_BYTES, Unit, pack_unit, read_unit, unit_bytes
from flowcodec.bitstream.video_frames import (
    FRAME_KINDS,
    INTRA,
    CodedFrame,
    pack_frame,
    parse_frame,
)
from flowcodec.bitstream.video_header import VideoHeader
from flowcodec.bitstream.window import Window
from flowcodec.errors import FormatError, UsageError

SYNC = b"\xfcGRP"
INDEX = b"\xfcIDX"
MARKER_BYTES = 4

MAX_GROUPS = 2**22
MAX_GROUP_BYTES = 2**30
MIN_REPEAT_BYTES = MIN_FRAME_BYTES + 1
MIN_GROUP_BYTES = 30  # header, and one intra frame of an empty tile
MAX_HEAD_BYTES = 48

COLOUR = 0x51
ENDING = 0x52
SIDE_NAMES = {COLOUR: "colour", ENDING: "ending"}

GROUP_FIELDS = (
    Field("number", VARINT, range(MAX_GROUPS), "of the group, from 0"),
    Field("first", VARINT, range(VARINT_MAX + 1), "number of its first frame in the video, from 0"),
    Field("count", VARINT, range(1, MAX_GROUP_FRAMES + 1), "frames"),
    Field("start", SIGNED, TICKS, "time of its first frame in ticks"),
    Field("size", VARINT, range(1, MAX_GROUP_BYTES + 1), "bytes of its units"),
    replace(PSNR, meaning="hundredths of a dB over all samples of its frames; 65535: exact"),
)
INDEX_FIELDS = (
    Field("groups", VARINT, range(MAX_GROUPS + 1), "groups of the file"),
    Field("frames", VARINT, range(VARINT_MAX + 1), "frames of the file"),
    Field("size", VARINT, range(2**27), "bytes of the entries"),
)
TABLES = {SYNC: GROUP_FIELDS, INDEX: INDEX_FIELDS}
MARKERS = re.compile(b"|".join(re.escape(marker) for marker in TABLES))


@dataclass(frozen=True)
class Damage:
    """Something that is wrong with a file: where, in which part, and what it costs.

    harmless: nothing that belongs to the file.
    """

    offset: int
    unit: str
    text: str
    harmless: bool = False

    def __str__(self) -> str:
        return f"{self.text} (in {self.unit}, at byte {self.offset})"

    @classmethod
    def of(cls, error: FormatError, cost: str = "") -> "Damage":
        """What an error says, and what follows from it."""
        offset, unit = error.offset or 0, error.unit or ""
        place = str(FormatError("", offset=offset, unit=unit))
        return cls(offset, unit, str(error).removesuffix(place) + cost)


class Colour(NamedTuple):
    """Code points of ITU-T H.273 for the primaries and the transfer of a source; 2: not stated."""

    primaries: int
    transfer: int


Report = Callable[[Damage], None]


def refuse(damage: Damage) -> None:
    """The strict way to be told of damage: a FormatError at the first that does harm."""
    if not damage.harmless:
        raise FormatError(damage.text, offset=damage.offset, unit=damage.unit)


@dataclass(frozen=True)
class GroupHeader:
    """What a group says before its frames; ranges stand in `GROUP_FIELDS`.

    `first` is the number of its first frame in the video and `start` its time in ticks. `size`
    counts the bytes of its units, `psnr` hundredths of a dB over all its frames (65535: exact).
    """

    number: int
    first: int
    count: int
    start: int
    size: int
    psnr: int


@dataclass(frozen=True)
class Group:
    """A group that was read: the `frames` that are whole, up to the first that is not.

    They decode without the others. `whole` says whether none is missing; `offset` is where the
    group begins in its file, and `length` how many bytes it takes there. `colour` is what the group
    says of primaries and transfer, `ending` for how many ticks its last frame is shown; or None.
    """

    header: GroupHeader
    frames: tuple[CodedFrame, ...]
    offset: int
    length: int
    colour: Colour | None = None
    ending: int | None = None

    @property
    def whole(self) -> bool:
        """Whether all frames are there."""
        return len(self.frames) == self.header.count


class Head(NamedTuple):
    """A group header or the header of the index, where it was found."""

    marker: bytes
    values: dict[str, Any]
    offset: int
    end: int
    crc: int

    @property
    def group(self) -> GroupHeader:
        """The header of a group."""
        return GroupHeader(**self.values)


def pack_group(
    header: VideoHeader,
    seed: int,
    number: int,
    first: int,
    frames: Sequence[CodedFrame],
    psnr: int,
    colour: Colour | None = None,
    ending: int | None = None,
) -> tuple[GroupHeader, bytes]:
    """A group's header and all its bytes; `seed` is the checksum of the file's header.

    UsageError where a value is outside its range or frames contradict the header or each other.
    """
    if not frames or frames[0].type != INTRA:
        raise UsageError("a group begins with an intra frame")
    payloads = []
    if colour is not None:
        payloads.append((COLOUR, _pack_colour(colour)))
    before = frames[0].time
    for frame in frames:
        payloads.append((frame.type, pack_frame(frame, before, header)))
        before = frame.time
    if ending is not None:
        if not 0 <= ending <= TICKS[-1]:
            raise UsageError(f"the last frame is shown for 0 to {TICKS[-1]} ticks, not {ending}")
        payloads.append((ENDING, pack_varint(ending)))
    fields = GroupHeader(
        number=number,
        first=first,
        count=len(frames),
        start=frames[0].time,
        size=sum(unit_bytes(len(payload)) for _, payload in payloads),
        psnr=psnr,
    )
    start = pack_fields("the group", SYNC, GROUP_FIELDS, vars(fields), seed)
    crc = unpack_unsigned(start[-CRC_BYTES:])
    parts = [start]
    for type, payload in payloads:
        unit, crc = pack_unit(type, payload, crc)
        parts.append(unit)
    return fields, b"".join(parts)


def read_head(window: Window, seed: int) -> Head:
    """Take the header of a group or of the index, which must be what comes next.

    FormatError, and nothing is taken, if it is not, or not of this file, or damaged.
    """
    data = window.peek(MAX_HEAD_BYTES)
    reader = Reader(data, 0, "the groups", window.offset)
    marker = reader.take(min(MARKER_BYTES, len(data)), "a marker")
    if marker not in TABLES:
        raise reader.error("there is neither a group nor the index", 0)
    values, offsets = read_fields(reader, TABLES[marker], seed)
    if marker == SYNC and values["size"] < values["count"] * MIN_REPEAT_BYTES:
        raise reader.error(
            f"{values['count']} frames do not fit into {values['size']} bytes", offsets["size"]
        )
    start = window.offset
    window.skip(reader.offset)
    crc = unpack_unsigned(data[reader.offset - CRC_BYTES : reader.offset])
    return Head(marker, values, start, window.offset, crc)


def find_head(window: Window, seed: int) -> Head | None:
    """Take the next header of a group or of the index, wherever it is; None if there is none."""
    while window.find(MARKERS, MARKER_BYTES):
        try:
            return read_head(window, seed)
        except FormatError:
            window.skip(1)
    return None


def read_frames(window: Window, head: Head, header: VideoHeader, report: Report) -> Group:
    """Take the units of the group whose head was just taken.

    Damage is reported; then the window stands at the first unit that is not whole.
    """
    group = head.group
    data = window.peek(group.size)
    cut = len(data) < group.size
    reader = Reader(data, 0, "", window.offset, "file" if cut else "group")
    frames: list[CodedFrame] = []
    colour = ending = None
    crc, time, whole = head.crc, group.start, 0
    try:
        while reader.left or len(frames) < group.count:
            reader.unit = name = f"frame {group.first + len(frames)}"
            unit = read_unit(reader, crc, dict.fromkeys(FRAME_KINDS, name) | SIDE_NAMES)
            if unit.type in FRAME_KINDS:
                _check_place(unit, len(frames), group.count)
                frames.append(parse_frame(unit, time, header))
                time = frames[-1].time
            elif unit.type == COLOUR and len(unit.payload) >= len(Colour._fields):
                colour = Colour(*unit.payload[: len(Colour._fields)])
            elif unit.type == ENDING:
                with suppress(FormatError):
                    said = Reader(unit.payload, 0, unit.name).varint("its ticks", LONG_BITS)
                    ending = said if said in TICKS else None
            crc, whole = unit.crc, reader.offset
        if cut:
            raise reader.error(f"the file is cut short: {group.size - len(data)} bytes are missing")
    except FormatError as error:
        cost = f"; {len(frames)} of the {group.count} frames of group {group.number} are whole"
        report(Damage.of(error, cost))
    window.skip(whole)
    length = head.end - head.offset + group.size
    return Group(group, tuple(frames), head.offset, length, colour, ending)


def _pack_colour(colour: Colour) -> bytes:
    for name, code in colour._asdict().items():
        if not 0 <= code <= 255:
            raise UsageError(f"{name} is a code from 0 to 255, not {code}")
    return b"".join(pack_unsigned(code, 1) for code in colour)


def _check_place(unit: Unit, number: int, count: int) -> None:
    if number == 0 and unit.type != INTRA:
        trouble = "a group begins with an intra frame"
    elif number == count:
        trouble = f"the group has more than the {count} frames that its header states"
    elif number == 0 and unit.payload[:1] != b"\0":
        trouble = "the first frame of a group begins at the time that its header states"
    else:
        return
    raise FormatError(trouble, offset=unit.offset, unit=unit.name)

"""A whole `.fcv` file, to a stream and from a stream; SPEC.md beside this file is its description.

Writing needs no more than a pipe, and what is written is a file at any time. Reading group by
group needs no more either; reading some groups only needs a stream that can seek.

Damage is told to a function that the caller gives. `refuse`, the default, raises a FormatError;
any other goes on, and then damage costs its group only.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import SEEK_END
from typing import BinaryIO

from flowcodec.bitstream.header import UNIT
from flowcodec.bitstream.numbers import CRC_BYTES, TICKS, unpack_unsigned
from flowcodec.bitstream.video_frames import FRAME_KINDS, CodedFrame, Inter, Intra, Repeat
from flowcodec.bitstream.video_groups import (
    INDEX,
    Colour,
    Damage,
    Group,
    GroupHeader,
    Head,
    Report,
    pack_group,
    read_frames,
    read_head,
    refuse,
)
from flowcodec.bitstream.video_header import (
    MAX_HEADER_BYTES,
    VideoHeader,
    describe_video_header,
    mended_header,
    pack_video_header,
    parse_video_header,
)
from flowcodec.bitstream.video_index import (
    INDEX_UNIT,
    TRAILER_BYTES,
    Listing,
    Place,
    Places,
    index_entries,
    index_length,
    parse_entries,
)
from flowcodec.bitstream.video_walk import Walk
from flowcodec.bitstream.window import Window
from flowcodec.errors import FormatError, UsageError

UNFINISHED = "the file ends here, without its index"
"""What is told of a file whose encoder was ended: all else may be whole."""

__all__ = [
    "FRAME_KINDS",
    "UNFINISHED",
    "CodedFrame",
    "Colour",
    "Damage",
    "Group",
    "GroupHeader",
    "Inter",
    "Intra",
    "Place",
    "Repeat",
    "Report",
    "VideoHeader",
    "VideoIndex",
    "VideoWriter",
    "describe_video_header",
    "open_index",
    "read_groups",
    "refuse",
]


class VideoWriter:
    """Writes a `.fcv` file to a stream, which need not seek.

    After each call all bytes have been handed to the system: a writer that is killed leaves a file
    that is whole up to its last group.
    """

    def __init__(self, stream: BinaryIO, header: VideoHeader, colour: Colour | None = None):
        """Write the header; UsageError names a field outside its range.

        colour: of the source, where it is to be in the file; it stands in each group.
        """
        self._stream = stream
        self._header = header
        self._colour = colour
        self._listing = Listing()
        self._time = TICKS[0]
        self._size = 0
        data = pack_video_header(header)
        self._seed = unpack_unsigned(data[-CRC_BYTES:])
        self._append(data)

    def write_group(
        self, frames: Sequence[CodedFrame], psnr: int, ending: int | None = None
    ) -> int:
        """Append a group and return how many bytes it took.

        The first frame is intra, and times never fall, from group to group neither. `psnr` is that
        of the encoder's own reconstruction over all frames of the group, in hundredths of a dB
        (65535: exact). `ending` is for how many ticks the last frame is shown, where that is to be
        in the file. UsageError where that is not so or a value is outside its range; then nothing
        is written.
        """
        if frames and frames[0].time < self._time:
            raise UsageError(
                f"a group begins at the time {frames[0].time}, the frame before it has {self._time}"
            )
        group, data = pack_group(
            self._header,
            self._seed,
            self._listing.groups,
            self._listing.frames,
            frames,
            psnr,
            self._colour,
            ending,
        )
        self._append(data)
        self._listing.add(group, len(data))
        self._time = frames[-1].time
        return len(data)

    def finish(self) -> int:
        """Append the index and return how many bytes the whole file has.

        Without the index a reader finds the groups by looking for them.
        """
        self._append(self._listing.pack(self._seed))
        return self._size

    def _append(self, data: bytes) -> None:
        self._stream.write(data)
        self._stream.flush()
        self._size += len(data)


def read_groups(stream: BinaryIO, report: Report = refuse) -> tuple[VideoHeader, Iterator[Group]]:
    """The header, which is read at once, and the groups, each read when it is asked for.

    The stream stands at the start of the file and may be a pipe; one group at a time is held.
    Everything is checked up to the end of the file, and whatever is wrong is told to `report`:
    damaged frames (the group then comes without them and those behind), groups that are missing,
    repeated, moved or of another file (they do not come), a missing, damaged or untrue index.

    FormatError if the header cannot be read, or from `refuse`.
    """
    window = Window(stream)
    header, seed = _read_header(window, report)
    return header, _groups(window, header, seed, report)


def open_index(stream: BinaryIO, report: Report = refuse) -> "VideoIndex":
    """The index of a file on a stream that can seek, for reading some of its groups.

    A file without an index, or with a damaged one, is reported, and then its groups are looked for.
    FormatError if the header cannot be read, or from `refuse`.
    """
    window = Window(stream)
    window.move(0)
    header, seed = _read_header(window, report)
    begin = window.offset
    try:
        places = _read_index(window, seed, begin)
    except FormatError as error:
        found: list[Damage] = []
        window.move(begin)
        places, index = _scan(window, seed, found.append)
        if index is None or found or not _is_followed(window, index, begin, found.append):
            found.insert(0, Damage.of(error, "; its groups are looked for one by one"))
        for damage in found:
            report(damage)
    return VideoIndex(stream, header, seed, places, report)


class VideoIndex:
    """Where the groups of a file are. `open_index` makes it; the stream must stay open.

    `header` is the file's, `places` holds the groups in order: from 0, as they are counted here,
    which is their own number where none is missing.
    """

    def __init__(
        self, stream: BinaryIO, header: VideoHeader, seed: int, places: Places, report: Report
    ):
        self.header = header
        self.places = places
        self._stream = stream
        self._seed = seed
        self._report = report

    @property
    def frame_count(self) -> int:
        """Frames of the video, lost ones counted as far as is known."""
        return self.places.frame_count

    def group_of_frame(self, frame: int) -> int:
        """The group that holds a frame (from 0), or where it is lost the first one after it.

        UsageError if the video ends before.
        """
        group = self.places.of_frame(frame) if frame >= 0 else len(self.places)
        if group == len(self.places):
            raise UsageError(f"there is no frame {frame}, the video has {self.frame_count} frames")
        return group

    def group_at_time(self, tick: int) -> int:
        """The last group that begins at or before `tick`, else the first; UsageError if none."""
        if not len(self.places):
            raise UsageError("the video has no frames")
        return self.places.at_time(tick)

    def read_group(self, group: int) -> Group:
        """Read one group and none of the bytes of any other.

        Damage is reported. Where the group's own header is lost, its frames are too; what the index
        knows stands for it then, with a PSNR of 0.
        """
        place = self.places[group]
        self._stream.seek(place.offset)
        window = Window(self._stream, place.offset, place.offset + place.length)
        try:
            head = read_head(window, self._seed)
            if head.marker == INDEX or _place(head) != place:
                raise FormatError("another group stands here", offset=place.offset)
        except FormatError as error:
            text = Damage.of(error).text
            unit = f"group {place.number}"
            self._report(Damage(place.offset, unit, f"{text}; all {place.count} frames are lost"))
            known = GroupHeader(place.number, place.first, place.count, place.start, 0, 0)
            return Group(known, (), place.offset, place.length)
        return read_frames(window, head, self.header, self._report)


def _read_header(window: Window, report: Report) -> tuple[VideoHeader, int]:
    """The header and its checksum; one wrong byte is reported and put right."""
    data = window.peek(MAX_HEADER_BYTES)
    try:
        header, size = parse_video_header(data)
    except FormatError:
        mended = mended_header(data)
        if mended is None:
            raise
        data, wrong = mended
        report(Damage(wrong, UNIT, "this byte of the header was wrong and has been put right"))
        header, size = parse_video_header(data)
    window.skip(size)
    return header, unpack_unsigned(data[size - CRC_BYTES : size])


def _groups(window: Window, header: VideoHeader, seed: int, report: Report) -> Iterator[Group]:
    listing = Listing()
    for head in Walk(window, seed, report).heads():
        if head.marker == INDEX:
            _check_index(window, head, listing, report)
            return
        group = read_frames(window, head, header, report)
        listing.add(group.header, group.length)
        yield group
    report(Damage(window.offset, INDEX_UNIT, UNFINISHED))


def _check_index(window: Window, head: Head, listing: Listing, report: Report) -> None:
    """Compare the index with the groups that were read, and see what follows it."""
    entries = _pass_index(window, head, report)
    complete = listing.groups == head.values["groups"]
    if complete and entries is not None and entries != listing.entries:
        report(Damage(head.end, INDEX_UNIT, "the index lists other groups"))


def _pass_index(window: Window, head: Head, report: Report) -> bytes | None:
    """Go over an index whose head was read, and say what follows it. Its entries; None where they
    are damaged, which is told."""
    size = head.values["size"] + CRC_BYTES + TRAILER_BYTES
    try:
        entries = index_entries(head, window.peek(size))
    except FormatError as error:
        report(Damage.of(error))
        return None
    window.skip(size)
    if window.peek(1):
        report(Damage(window.offset, INDEX_UNIT, "what follows the index is passed over", True))
    return entries


def _is_followed(window: Window, head: Head, begin: int, report: Report) -> bool:
    """Whether an index is whole and true, and more bytes follow it, which is told."""
    found: list[Damage] = []
    entries = _pass_index(window, head, found.append)
    if entries is None or not found:
        return False
    try:
        parse_entries(head, entries, begin)
    except FormatError:
        return False
    report(found[0])
    return True


def _read_index(window: Window, seed: int, begin: int) -> Places:
    """The index by way of the trailer; FormatError unless it is whole."""
    end = window.stream.seek(0, SEEK_END)
    trailer = max(end - TRAILER_BYTES, begin)
    window.move(trailer)
    length = index_length(window.peek(TRAILER_BYTES), trailer)
    if length > trailer - begin:
        raise FormatError(
            f"the trailer says that the index has {length} bytes, {trailer - begin} are there",
            offset=trailer,
            unit=INDEX_UNIT,
        )
    window.move(trailer - length)
    head = None
    with suppress(FormatError):
        head = read_head(window, seed)
    if head is None or head.marker != INDEX:
        raise FormatError("the trailer does not lead to an index", offset=trailer, unit=INDEX_UNIT)
    entries = index_entries(head, window.peek(end - window.offset))
    return parse_entries(head, entries, begin)


def _scan(window: Window, seed: int, report: Report) -> tuple[Places, Head | None]:
    """The groups by their headers alone, from one to the next, and the head of the index, at whose
    end the window stands then."""
    places = Places()
    for head in Walk(window, seed, report).heads():
        if head.marker == INDEX:
            return places, head
        place = _place(head)
        places.append(place)
        end = place.offset + place.length
        window.move(end)
        try:
            read_head(window, seed)
        except FormatError:
            window.move(head.end)  # bytes may be missing: the next group may begin before the end
        else:
            window.move(end)
    return places, None


def _place(head: Head) -> Place:
    group = head.group
    length = head.end - head.offset + group.size
    return Place(head.offset, length, group.number, group.first, group.count, group.start)

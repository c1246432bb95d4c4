"""The whole frames of one stream of a container, and the numbers of those that are not.

A frame is damaged where its bytes did not come whole or its decoder says so: by an error, by the
frame's flags, or in ffmpeg's log. What is decoded after it may be made of it, up to the next frame
that stands alone. Frames are numbered as they are shown, from 0, the damaged ones counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowcodec.media.video_format import Found
from flowcodec.media.video_hearing import Complaints, hearing

RAW_H264 = "h264"  # the one source that loses frames with nobody to miss them but the decoder
TRIES = 16  # at reading on after an error
MOST_DELAYED = 64  # packets after which the frame of one has come, or never comes


@dataclass(eq=False)
class Fed:
    """A packet that the decoder was given. whole: nothing speaks against its frame so far."""

    number: int
    time: int | None
    duration: int
    key: bool
    whole: bool


class Decoding:
    """Walks over a stream once and tells `found` what of it is damaged or missing.

    heard: what was complained of while the container was opened. cut: how much of the file is
    there, in words, where it is not the whole.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        heard: Complaints,
        found: Found,
        cut: str = "",
    ):
        self.container, self.stream, self.found = container, stream, found
        self.heard, self.cut = heard, cut
        if self._complained():
            self._begin_again()
        self.last: Fed | None = None  # that was decoded
        self._fed = 0
        self._shown = 0  # frames that came out, and those that should have
        self._pending: list[Fed] = []
        self._tainted = False  # what is decoded now is made of damaged frames
        self._leading: int | None = None  # what is shown before may be so, too
        self._damaged: list[int] = []
        self._gaps: list[tuple[int, str]] = []  # frames, and what was wrong before them
        self._demuxed = container.demux(stream)
        context: Any = stream.codec_context
        context.thread_count = 1  # what a decoder logs is then about the packet it was just given
        context.copy_opaque = True
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Whole frames in the order in which they are shown, each with its number."""
        for packet, before, behind in self._packets():
            fed = None if packet is None else self._feed(packet, before, behind)
            for frame in self._decoded(packet, fed):
                of = frame.opaque if isinstance(frame.opaque, Fed) else fed
                if of is not None:
                    self._count_lost(of)
                    if frame.is_corrupt:
                        self._spoil(of)
                if of is None or of.whole:
                    yield self._shown, frame
                else:
                    self._damaged.append(self._shown)
                self._shown += 1
            if packet is None:
                self._count_lost(None)
                self._tell(before)

    def _packets(self) -> Iterator[tuple[Packet[VideoStream] | None, str, str]]:
        """Those of the stream, and None in the end; with what the container complained of while
        they were looked for, and while the next one was."""
        packet, before = self._next()
        while packet is not None:
            following, behind = self._next()
            # At the end of the file, what is there of the last one is known.
            yield packet, before, behind if following is not None else ""
            packet, before = following, behind
        yield None, before, ""

    def _next(self) -> tuple[Packet[VideoStream] | None, str]:
        for _ in range(TRIES):
            try:
                with hearing(self.heard):
                    packet = next(self._demuxed, None)
            except av.FFmpegError as error:
                self.heard.errors.append((self.container.format.name, str(error.strerror)))
                self._demuxed = self.container.demux(self.stream)
                continue
            if packet is None or packet.size or packet.dts is None:
                break  # an empty one says that the frame before goes on
        complaint = self._complained()
        self.heard.errors.clear()
        return (packet if packet and packet.size else None), complaint

    def _complained(self) -> str:
        """The first thing that the container complained of."""
        name = self.container.format.name
        return next((text for who, text in self.heard.errors if who == name), "")

    def _begin_again(self) -> None:
        """Go back to the beginning: what was wrong while the container was opened is heard again
        in its place."""
        with suppress(av.FFmpegError):
            self.container.seek(self.stream.start_time or 0, stream=self.stream)
            self.heard.errors.clear()

    def _feed(self, packet: Packet[VideoStream], before: str, behind: str) -> Fed:
        """Judge a packet by how it came."""
        key = packet.is_keyframe or self.stream.codec_context.codec.intra_only
        if before:
            self._gaps.append((self._shown, before))
        if key:
            self._leading = packet.pts if self._tainted or before else None
            self._tainted = False
        if (before and not key) or behind or self._came_damaged(packet):
            self._tainted = True
        leads = self._leading is not None and packet.pts is not None and packet.pts < self._leading
        whole = not (self._tainted or leads)
        fed = Fed(self._fed, packet.pts, packet.duration or 0, key, whole)
        packet.opaque = fed
        self._fed += 1
        if not packet.is_discard:
            self.last = fed
            self._pending.append(fed)
        return fed

    def _came_damaged(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet is, or is made of, one that ffmpeg said to be corrupt.

        The flag of a packet that was put together may be that of the next one; times are not.
        """
        corrupt = [dts for stream, dts in self.heard.corrupt if stream == self.stream.index]
        if not corrupt:
            return packet.is_corrupt
        due = [dts for dts in corrupt if None in (dts, packet.dts) or dts <= packet.dts]  # type: ignore[operator]
        self.heard.corrupt = [(self.stream.index, dts) for dts in corrupt if dts not in due]
        return bool(due)

    def _decoded(self, packet: Packet[VideoStream] | None, fed: Fed | None) -> list[VideoFrame]:
        context = self.stream.codec_context
        heard = Complaints()
        try:
            with hearing(heard, gaps=self.container.format.name == RAW_H264):
                return self.stream.decode(packet)
        except av.EOFError:
            return []
        except av.FFmpegError as error:
            heard.errors.append((context.name, str(error.strerror)))
            return []
        finally:
            if fed is not None and heard.errors:
                self._spoil(fed)

    def _spoil(self, fed: Fed) -> None:
        """A frame is damaged, and so is what was decoded after it."""
        fed.whole = False
        for other in self._pending:
            if other.number > fed.number:
                if other.key:
                    return
                other.whole = False
        self._tainted = True

    def _count_lost(self, shown: Fed | None) -> None:
        """Number the damaged packets whose frames should have come before that of `shown`."""

        def is_past(fed: Fed) -> bool:
            if shown is None or shown.number - fed.number > MOST_DELAYED:
                return True
            if fed.time is None or shown.time is None:
                return False
            return fed.time < shown.time

        past = [fed for fed in self._pending if fed is not shown and is_past(fed)]
        self._pending = [fed for fed in self._pending if fed is not shown and fed not in past]
        for fed in past:
            if not fed.whole:
                self._damaged.append(self._shown)
                self._shown += 1

    def _tell(self, at_the_end: str) -> None:
        told = self.found.damage
        for first, last in _runs(self._damaged):
            told.append(f"{_numbers(first, last)} damaged and left out")
        for number, complaint in self._gaps:
            told.append(f"something is missing before frame {number}: {complaint}")
        missing = self._stated() - self._fed
        if missing > 0:
            numbers = _numbers(self._shown, self._shown + missing - 1)
            told.append(f"{numbers} missing, of {self._shown + missing}")
        if self.cut:
            told.append(self.cut)
        elif at_the_end and missing <= 0:
            told.append(f"something is missing at the end: {at_the_end}")

    def _stated(self) -> int:
        """How many packets there should be, where the container has a list of them; or 0."""
        listed = self.container.format.name.startswith("mov")
        return len(self.stream.index_entries) if listed else 0


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Numbers that follow each other, as the first and the last of them."""
    for _, run in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]


def _numbers(first: int, last: int) -> str:
    return f"frame {first} is" if first == last else f"frames {first} to {last} are"

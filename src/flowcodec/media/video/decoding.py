"""The whole frames of one stream of a container, and the numbers of those that are not.

A frame is damaged where its bytes did not come whole or its decoder says so: by an error, by the
frame's flags, or in ffmpeg's log. What is decoded after it may be made of it, up to the next frame
that stands alone. Frames are numbered as they are shown, from 0, the damaged ones counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import cast

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowcodec.media.video.format import Found
from flowcodec.media.video.hearing import Complaints, hearing
from flowcodec.media.video.packets import Packets, Read
from flowcodec.media.video.times import LONGEST_PAUSE

WITH_SEAMS, WITHOUT_TIMES = 0x200, 0x80  # flags of containers: transport streams, raw streams
DECODED_ONLY = ("avi", "asf")  # containers that know when frames are decoded, not when shown
LASTING = "h264"  # a decoder that adds what is left of a broken block to a block of a later frame
RAW_H264 = "h264"  # the one source that loses frames with nobody to miss them but the decoder
MOST_DELAYED = 64  # packets after which the frame of one has come, or never comes
IN_THE_MIDST = "it begins in the midst of a group of frames, of which it lacks the first"


@dataclass(eq=False)
class Fed:
    """A packet that the decoder was given.

    key: its frame stands alone. leads: its frame is shown before the one that stands alone before
    it, and may be made of earlier ones. opening: it comes before the first that stands alone.
    whole: nothing speaks against its frame so far.
    """

    number: int
    time: int | None
    duration: int
    key: bool
    leads: bool
    opening: bool
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
        self.container, self.stream, self.found, self.cut = container, stream, found, cut
        self.last: Fed | None = None  # that was decoded
        self.complaint = ""  # the first of the decoder
        self._packets = Packets(container, stream, heard, bool(cut))
        self._fed = 0
        self._shown = 0  # frames that came out, and those that should have
        self._pending: list[Fed] = []
        # Whether a frame that stands alone has come; only what is broadcast begins without.
        self._begun = not container.format.flags & (WITH_SEAMS | WITHOUT_TIMES)
        self._opens = False  # the last that came was the first
        self._tainted = False  # what is decoded now is made of damaged frames
        self._leading: int | None = None  # when the last one that stands alone is shown
        self._after_damage = False  # what is shown before it may be made of damaged frames
        self._suspect: Packet[VideoStream] | None = None  # the one before, where it came damaged
        self._damaged: list[int] = []
        self._gaps: list[tuple[int, str]] = []  # frames, and what was wrong before them
        self._context = _alone(stream.codec_context)
        self._options = dict(self._context.options)
        self._sound = True  # no error has left traces in the decoder

    @property
    def aspect(self) -> Fraction:
        """Width of a pixel by its height, as the decoder last had it."""
        return self._context.sample_aspect_ratio or Fraction(1)

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Whole frames in the order in which they are shown, each with its number."""
        for read in self._packets:
            fed = self._feed(read)
            for frame in self._decoded(read.packet, fed):
                of = frame.opaque if isinstance(frame.opaque, Fed) else fed
                if of is not None:
                    self._count_lost(of)
                    if frame.is_corrupt:
                        self._spoil(of)
                if of is None or of.whole:
                    yield self._shown, frame
                    self._shown += 1
                else:
                    self._lose(of)
            if read.packet is None:
                self._count_lost(None)
                self._tell(read.before)

    def _feed(self, read: Read) -> Fed | None:
        """Judge a packet by how it came."""
        packet = read.packet
        if packet is None:
            return None
        # Some containers do not know when a frame is shown, and ffmpeg makes it up.
        time = None if self.container.format.name in DECODED_ONLY else packet.pts
        key = packet.is_keyframe or self.stream.codec_context.codec.intra_only
        if read.before:
            self._gaps.append((self._shown, read.before))
        elif key and self._suspect is not None and self._is_late(packet, self._suspect):
            self._gaps.append((self._shown, "bytes of the transport stream are lost"))
        self._suspect = None
        opening = not self._begun and not key
        if key:
            self._leading = time
            self._after_damage, self._opens = self._tainted or bool(read.before), not self._begun
            self._tainted, self._begun = False, True
        elif read.before:
            self._tainted = True
        leads = not key and self._leading is not None and time is not None and time < self._leading
        whole = not (self._tainted or (leads and self._after_damage))
        if read.behind or self._packets.came_damaged(packet):
            self._tainted = True
            self._suspect = packet
            # A seam between transport streams looks like a loss: their decoder knows better.
            whole = whole and bool(self.container.format.flags & WITH_SEAMS) and not read.behind
        opening = opening or (leads and self._opens)
        fed = Fed(self._fed, time, packet.duration or 0, key, leads, opening, whole)
        packet.opaque = fed
        self._fed += 1
        if not packet.is_discard:
            self.last = fed
            self._pending.append(fed)
        return fed

    def _is_late(self, packet: Packet[VideoStream], before: Packet[VideoStream]) -> bool:
        """Whether there is room for a frame between two packets, and no seam."""
        if packet.dts is None or before.dts is None or not before.duration:
            return False
        later = packet.dts - before.dts
        seam = LONGEST_PAUSE / packet.time_base
        return 3 * before.duration < 2 * later < 2 * seam

    def _decoded(self, packet: Packet[VideoStream] | None, fed: Fed | None) -> list[VideoFrame]:
        if fed is None or not fed.key or self._sound or self._context.name != LASTING:
            return self._tried(packet, fed)
        frames = self._tried(None, None)
        self._context, self._sound = self._renewed(), True
        return frames + self._tried(packet, fed)

    def _tried(self, packet: Packet[VideoStream] | None, fed: Fed | None) -> list[VideoFrame]:
        heard = Complaints()
        frames: list[VideoFrame] = []
        try:
            with hearing(heard, gaps=self.container.format.name == RAW_H264):
                frames = self._context.decode(packet)
        except av.EOFError:
            pass
        except av.FFmpegError as error:
            heard.errors.append((self._context.name, str(error.strerror)))
        if heard.errors:
            self.complaint = self.complaint or heard.errors[0][1]
        if fed is not None and heard.errors:
            self._sound = False
            self._spoil(fed)
        return frames

    def _renewed(self) -> VideoCodecContext:
        """Another decoder of the same stream."""
        before = self.stream.codec_context
        context = cast("VideoCodecContext", CodecContext.create(before.name, "r"))
        context.extradata = before.extradata
        context.options = self._options
        return _alone(context)

    def _spoil(self, fed: Fed) -> None:
        """A frame is damaged, and so is what was decoded after it; nothing, if it only leads."""
        fed.whole = False
        if fed.leads:
            return
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
                self._lose(fed)

    def _lose(self, fed: Fed) -> None:
        """One frame less; where a recording begins, that is no damage."""
        if fed.opening:
            self.found.note(IN_THE_MIDST)
        else:
            self._damaged.append(self._shown)
            self._shown += 1

    def _tell(self, at_the_end: str) -> None:
        told = self.found.damage
        for first, last in _runs(self._damaged):
            told.append(f"{_numbers(first, last)} damaged and left out")
        for number, complaint in self._gaps:
            told.append(f"something is missing before frame {number}: {complaint}")
        missing = self._packets.stated - self._packets.read
        if missing > 0:
            numbers = _numbers(self._shown, self._shown + missing - 1)
            told.append(f"{numbers} missing, of {self._shown + missing}")
        if self.cut:
            told.append(self.cut)
        elif at_the_end and missing <= 0:
            told.append(f"something is missing at the end: {at_the_end}")


def _alone(context: VideoCodecContext) -> VideoCodecContext:
    """With one thread: what a decoder logs is then about the packet that it was just given."""
    context.thread_count = 1
    context.copy_opaque = True
    return context


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Numbers that follow each other, as the first and the last of them."""
    for _, run in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]


def _numbers(first: int, last: int) -> str:
    return f"frame {first} is" if first == last else f"frames {first} to {last} are"

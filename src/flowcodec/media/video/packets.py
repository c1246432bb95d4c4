"""The packets of one stream of a container, with what was wrong when they were read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from flowcodec.media.video.hearing import Complaints, hearing

ENDS = "File ended prematurely"  # what ffmpeg says of Matroska
TRIES = 16  # at reading on after an error


class Read(NamedTuple):
    """A packet, None in the end, with what the container complained of while it was looked for
    (before), and while the next one was (behind)."""

    packet: Packet[VideoStream] | None
    before: str
    behind: str


class Packets:
    """Reads a stream once. `read` counts its packets; heard: what was complained of before; cut:
    whether it is known that the file has an end too early."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, heard: Complaints, cut: bool
    ):
        self.container, self.stream, self.cut = container, stream, cut
        self.read = 0
        # Of one without a time, nobody knows where it is: its own flag tells.
        self._heard = heard
        heard.corrupt = [(number, time) for number, time in heard.corrupt if time is not None]
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        if self._complaint():
            self._begin_again()
        self._demuxed = container.demux(stream)

    def __iter__(self) -> Iterator[Read]:
        packet, before = self._next()
        while packet is not None:
            following, behind = self._next()
            # Where a file was cut, it is known how much is there of the last one.
            ends = following is None and (self.cut or behind == ENDS)
            yield Read(packet, before, "" if ends else behind)
            packet, before = following, behind
        yield Read(None, before, "")

    @property
    def stated(self) -> int:
        """How many there should be, where the container has a list of them; or 0."""
        listed = self.container.format.name.startswith("mov")
        return len(self.stream.index_entries) if listed else 0

    def came_damaged(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet is, or is made of, one that ffmpeg said to be corrupt.

        The flag of a packet that was put together may be that of the next one; times are not.
        """
        corrupt = [dts for stream, dts in self._heard.corrupt if stream == self.stream.index]
        if not corrupt:
            return packet.is_corrupt
        due = [dts for dts in corrupt if dts is None or packet.dts is None or dts <= packet.dts]
        self._heard.corrupt = [(self.stream.index, dts) for dts in corrupt if dts not in due]
        return bool(due)

    def _next(self) -> tuple[Packet[VideoStream] | None, str]:
        found = None
        failed = 0
        while failed < TRIES:
            try:
                with hearing(self._heard):
                    packet = next(self._demuxed, None)
            except av.FFmpegError as error:
                self._heard.errors.append((self.container.format.name, str(error.strerror)))
                self._demuxed = self.container.demux(self.stream)
                failed += 1
                continue
            if packet is None or (not packet.size and packet.dts is None):
                break
            self.read += 1
            if packet.size:  # an empty one says that the frame before goes on
                found = packet
                break
        complaint = self._complaint()
        self._heard.errors.clear()
        return found, complaint

    def _complaint(self) -> str:
        """The first thing that the container complained of."""
        name = self.container.format.name
        return next((text for who, text in self._heard.errors if who == name), "")

    def _begin_again(self) -> None:
        """Go back to the beginning: what was wrong while the container was opened is heard again
        in its place."""
        with suppress(av.FFmpegError):
            self.container.seek(self.stream.start_time or 0, stream=self.stream)
            self._heard.errors.clear()

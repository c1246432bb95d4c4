"""Interlaced frames, which show two moments at once, become whole pictures of the first of them."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from flowcodec.media.video.format import Found

LEAST = (3, 4)  # columns and lines that the filter needs
NOTE = "it is interlaced: its frames are deinterlaced"
KEPT = "it is interlaced, and its frames are kept so"

COUNTED = Fraction(1)  # times are numbers here
Numbered = tuple[int, int, VideoFrame]  # number, tick


def progressive(frames: Iterable[Numbered], found: Found) -> Iterator[Numbered]:
    """The frames, one for one, those that are interlaced made whole by ffmpeg's bwdif."""
    filters: _Filter | None = None
    for number, tick, frame in frames:
        if filters is not None and not filters.takes(frame):
            yield from filters.rest()
            filters = None
        if filters is None and frame.interlaced_frame:
            filters = _filter_of(frame)
            found.note(KEPT if filters is None else NOTE)
        if filters is None:
            yield number, tick, frame
        else:
            yield from filters.put(number, tick, frame)
    if filters is not None:
        yield from filters.rest()


def _filter_of(frame: VideoFrame) -> "_Filter | None":
    plain = not (frame.format.is_rgb or frame.format.has_palette)
    if plain and frame.width >= LEAST[0] and frame.height >= LEAST[1]:
        return _Filter(frame)
    return None


class _Filter:
    def __init__(self, frame: VideoFrame):
        self.kind = _kind(frame)
        self.waiting: deque[tuple[int, int, int, int]] = deque()
        self.graph = Graph()
        source = self.graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=COUNTED
        )
        deinterlace = self.graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = self.graph.add("buffersink")
        source.link_to(deinterlace)
        deinterlace.link_to(sink)
        self.graph.configure()
        self.count = 0

    def takes(self, frame: VideoFrame) -> bool:
        return _kind(frame) == self.kind

    def put(self, number: int, tick: int, frame: VideoFrame) -> Iterator[Numbered]:
        self.waiting.append((number, tick, frame.colorspace, frame.color_range))
        frame.pts, frame.time_base = self.count, COUNTED
        self.count += 1
        self.graph.push(frame)
        return self._ready()

    def rest(self) -> Iterator[Numbered]:
        self.graph.push(None)
        return self._ready()

    def _ready(self) -> Iterator[Numbered]:
        while self.waiting:
            try:
                made = cast("VideoFrame", self.graph.pull())
            except (av.BlockingIOError, av.EOFError):
                return
            number, tick, made.colorspace, made.color_range = self.waiting.popleft()
            yield number, tick, made


def _kind(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name

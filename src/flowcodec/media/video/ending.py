"""For how long the last frame of a container's stream is shown."""

import re
from collections import deque
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowcodec.media.video.decoding import Fed

CLOCK_TIME = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
REMEMBERED = 32  # frames


class Ending:
    """Sees all frames of a stream; knows in the end what the container says of the last one."""

    def __init__(self, container: InputContainer, stream: VideoStream):
        self.container, self.stream = container, stream
        self.duration = 0  # ticks; 0: not known
        self.times: deque[int] = deque(maxlen=REMEMBERED)

    def see(self, frame: VideoFrame) -> None:
        """One frame after the other, as they are shown."""
        self.duration = frame.duration
        if frame.pts is not None:
            self.times.append(frame.pts)

    def ticks(self, last: Fed | None, whole: bool) -> int:
        """Ticks of the stream, 0 where nothing says it. `last`: the packet that was decoded last;
        whole: nothing of the video is missing."""
        if not self.times or last is None or last.time is None or not whole:
            return self.duration
        if self.container.format.name.startswith("matroska"):
            # It says for no frame how long it is shown, but where it ends itself.
            end = self._stated_end()
            return max(self.duration, round(end - self.times[-1])) if end else self.duration
        following = [time for time in self.times if time > last.time]
        if self.container.format.name.startswith("mov") and following:
            # Durations stand in the order of decoding: what the last one has too much is meant.
            return self.duration + max(0, last.duration - (min(following) - last.time))
        return self.duration

    def _stated_end(self) -> Fraction | None:
        if self.stream.time_base is None:
            return None
        said = CLOCK_TIME.match(self.stream.metadata.get("DURATION", ""))
        if said:
            hours, minutes, seconds = (Fraction(part) for part in said.groups())
            return (3600 * hours + 60 * minutes + seconds) / self.stream.time_base
        if self.container.duration is None or len(self.container.streams) > 1:
            return None
        return Fraction(self.container.duration, av.time_base) / self.stream.time_base

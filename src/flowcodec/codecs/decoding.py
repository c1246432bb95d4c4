"""Decoding what is wanted of a video, and counting what came."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowcodec.bitstream.video_file import Damage, Group
from flowcodec.codecs.seeking import Part, duration_in
from flowcodec.codecs.verification import Verification

if TYPE_CHECKING:
    from flowcodec.codecs.groups import Decoders
    from flowcodec.codecs.video import VideoCodec
    from flowcodec.media.video.format import Frame, Timed


@dataclass
class Decoding:
    """The frames of a part of a video.

    wanted: how many at most, None: all. verification: whole groups are compared by it, also one
    that is shown in part. frames and groups: how many were decoded; damage: what was found.
    """

    codec: VideoCodec
    part: Part
    wanted: int | None = None
    verification: Verification | None = None
    frames: int = field(default=0, init=False)
    groups: int = field(default=0, init=False)
    damage: list[Damage] = field(default_factory=list, init=False)

    def shown(
        self, jobs: int | Decoders = 1
    ) -> Generator[tuple[Frame, int, int | None], None, None]:
        """Each frame, its time in ticks, and for how many it is shown, where that is known.

        jobs: worker processes, or those of `VideoCodec.decoders`. FormatError and FlowcodecError
        where verification fails; damage costs the rest of its group.
        """
        with closing(self.codec.decode_part(self.part, self.damage.append, jobs)) as groups:
            for group, decoded in groups:
                yield from self._of(group, decoded)
                self.groups += 1
                if self.frames == self.wanted:
                    return
        if self.verification is not None and not self.damage:
            self.verification.finish()

    def _of(
        self, group: Group, decoded: Iterator[Timed]
    ) -> Iterator[tuple[Frame, int, int | None]]:
        frames = decoded if self.verification is None else self.verification.of(group, decoded)
        for place, (tick, frame) in enumerate(frames, 1):
            late = self.part.first is None or tick >= self.part.first
            if late and self.frames != self.wanted:
                self.frames += 1
                yield frame, tick, duration_in(group, place)
            if self.frames == self.wanted and self.verification is None:
                return

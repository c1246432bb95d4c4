"""Groups of a video, coded and decoded by a crew: in order, and a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from flowcodec.bitstream.video_file import CodedFrame, Damage, Group, VideoHeader
from flowcodec.codecs.plan import Plan, PlannedFrame, PlannedGroup
from flowcodec.codecs.protocols import Frame
from flowcodec.codecs.seeking import Part
from flowcodec.codecs.workers import Crew

if TYPE_CHECKING:
    from flowcodec.codecs.video import VideoCodec

LONG = 128  # frames: a longer group is coded as its frames come, with no other beside it

Timed: TypeAlias = tuple[int, Frame]
Coders: TypeAlias = Crew[PlannedGroup, tuple[CodedFrame, float]]
Decoders: TypeAlias = Crew[tuple[VideoHeader, Group], Timed | Damage]


@dataclass
class CodedGroup:
    """Frames of one group, and the squared error of each, summed over its samples; whether it is
    the last one."""

    frames: list[CodedFrame] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    last: bool = False


def coded_groups(
    plan: Plan,
    crew: Coders,
    code: Callable[[PlannedGroup], Iterator[tuple[CodedFrame, float]]],
    most: int,
    on_frame: Callable[[], None] | None = None,
) -> Generator[CodedGroup, None, None]:
    """The groups of a plan in order. most: that are held at a time, by a crew of several.

    code: as the crew does it, in this process, where frames are not held.
    """
    groups = iter(plan)
    longest = LONG if crew.count > 1 else 0
    last: deque[bool] = deque()
    long: list[PlannedGroup] = []

    def held() -> Iterator[list[tuple[PlannedFrame, Frame]]]:
        """Groups whose frames are all there, up to one that is long."""
        for group in groups:
            frames = []
            for frame in islice(group, longest + 1):
                frames.append(frame)
                crew.attend()
            if len(frames) > longest:
                long.append(chain(_emptied(frames), group))
                return
            last.append(plan.ended)
            yield frames

    while True:
        for parts in crew.do(held(), most):
            yield _gathered(parts, last.popleft, on_frame)
        if not long:
            return
        yield _gathered(code(long.pop()), lambda: plan.ended, on_frame)


def _emptied(frames: list[tuple[PlannedFrame, Frame]]) -> Iterator[tuple[PlannedFrame, Frame]]:
    """Frames in order, each given up when it is taken."""
    frames.reverse()
    while frames:
        yield frames.pop()


def _gathered(
    parts: Iterator[tuple[CodedFrame, float]],
    last: Callable[[], bool],
    on_frame: Callable[[], None] | None,
) -> CodedGroup:
    group = CodedGroup()
    for frame, error in parts:
        group.frames.append(frame)
        group.errors.append(error)
        if on_frame:
            on_frame()
    group.last = last()
    return group


def decoded_parts(codec: VideoCodec, job: tuple[VideoHeader, Group]) -> Iterator[Timed | Damage]:
    """The frames of a group, and behind them what is damaged."""
    damage: list[Damage] = []
    yield from codec.decode(*job, damage.append)
    yield from damage


def decoded_groups(
    part: Part, crew: Decoders, report: Callable[[Damage], None]
) -> Iterator[tuple[Group, Iterator[Timed]]]:
    """The groups of a part in order, each with its frames. Damage is told in its place: of reading
    a group before its frames come, of a frame in its stead."""
    taken: deque[tuple[Group, list[Damage]]] = deque()

    def jobs() -> Iterator[tuple[VideoHeader, Group]]:
        for group in part.groups:
            taken.append((group, part.found()))
            yield part.header, group

    def frames(parts: Iterator[Timed | Damage]) -> Iterator[Timed]:
        for each in parts:
            if isinstance(each, Damage):
                report(each)
            else:
                yield each

    for parts in crew.do(jobs(), crew.count + 1):
        group, found = taken.popleft()
        for damage in found:
            report(damage)
        yield group, frames(parts)
    for damage in part.found():
        report(damage)

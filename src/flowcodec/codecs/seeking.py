"""Parts of a coded video: from a time on, in a file or a pipe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from flowcodec.bitstream.video_file import (
    Colour,
    Damage,
    Group,
    VideoHeader,
    VideoIndex,
    open_index,
    read_groups,
)


@dataclass(frozen=True)
class Part:
    """Groups to decode, each read when it is asked for, of which frames are wanted from the tick
    `first` on; None: all of them. `found` gives what was found damaged since it was asked last."""

    header: VideoHeader
    groups: Iterator[Group]
    first: int | None
    colour: Colour | None
    _damage: list[Damage]

    def found(self) -> list[Damage]:
        """What reading has found damaged since the last call."""
        found = self._damage.copy()
        self._damage.clear()
        return found


def open_part(stream: BinaryIO, start: float = 0.0) -> Part:
    """What of a file is shown from so many seconds after its first frame on, wherever that was.

    A stream that can seek is read from there on only. FormatError where the header is damaged.
    """
    damage: list[Damage] = []
    groups: Iterator[Group]
    if start and stream.seekable():
        index = open_index(stream, damage.append)
        origin = index.places[0].start if len(index.places) else 0
        first = origin + ticks(start, index.header)
        header, groups = index.header, groups_from(index, first)
        begin = next(groups, None)
    else:
        header, groups = read_groups(stream, damage.append)
        begin = next(groups, None)
        first = begin.header.start + ticks(start, header) if begin else 0
    if begin is not None:
        groups = itertools.chain([begin], groups)
    if start and not stream.seekable():
        groups = groups_after(groups, first)
    colour = begin.colour if begin else None
    return Part(header, groups, first if start else None, colour, damage)


def duration_in(group: Group, place: int) -> int | None:
    """For how many ticks the frame at a place, from 1, is shown; None where the group does not
    say it."""
    if place < len(group.frames):
        return group.frames[place].time - group.frames[place - 1].time
    return group.ending if group.whole else None


def ticks(seconds: float, header: VideoHeader) -> int:
    """A time in the ticks of a video."""
    return round(Fraction(seconds) / header.time_base)


def groups_from(index: VideoIndex, tick: int) -> Iterator[Group]:
    """The groups from the one that shows this time on."""
    for number in range(index.group_at_time(tick), len(index.places)):
        yield index.read_group(number)


def groups_after(groups: Iterator[Group], tick: int) -> Iterator[Group]:
    """The same of groups that come one after another."""
    held: Group | None = None
    for group in groups:
        if held is not None and group.header.start > tick:
            yield held
        held = group
    if held is not None:
        yield held

"""The quality of each group of a video, so that its file comes to a size.

A sample of the video, coded at several qualities, says which one to begin with and how size goes
with quality. Then each group that is written corrects those after it, and each file that misses the
size corrects the next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcodec.errors import UsageError

LOWEST, HIGHEST = 1.0, 8.0
USUAL_SLOPE = 0.6  # octaves of size for one quality
ROUNDS = 5  # codings of the sample
CLOSE = 0.02  # octaves
NEAR = 0.95  # of the most bytes allowed: what is wished for at least
GOAL = 0.98  # of them: what is aimed at
ATTEMPTS = 4  # files, before one that is not near will do
SHORTER = 0.03  # of a size: by how much less is aimed at then, twice as much each time


@dataclass
class Pace:
    """Qualities of groups to come. `target` bytes for `frames` frames; `first` to begin with.

    slope: octaves of size for one quality. limit: bytes that must not be exceeded.
    """

    target: float
    frames: int
    first: float
    slope: float = USUAL_SLOPE
    limit: float = math.inf
    _spent: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)
    _told: list[float] = field(default_factory=list, init=False)

    def next(self) -> float:
        """The quality of the next group."""
        self._told.append(self._wanted())
        return self._told[-1]

    def note(self, size: int, frames: int) -> None:
        """What a group took; UsageError where the limit cannot be kept at any quality."""
        self._spent += size
        self._done += frames
        if self._spent > self.limit and self.always(LOWEST):
            raise UsageError(
                f"cannot be coded in {self.limit:,.0f} bytes: at quality 1,"
                f" {self._done} of its {self.frames} frames take {self._spent:,} bytes"
            )

    def always(self, quality: float) -> bool:
        """Whether each group had this quality."""
        return all(told == quality for told in self._told)

    def _wanted(self) -> float:
        left = self.frames - self._done
        if not self._done or left <= 0:
            return self._told[-1] if self._told else self.first
        # What the rest would take at the first quality: the sample said one thing, what was coded
        # says another, and is believed the more, the more there is of it.
        mean = sum(self._told) / len(self._told)
        coded = self._spent / self._done * 2 ** (self.slope * (self.first - mean))
        share = self._done / self.frames
        expected = (1 - share) * self.target / self.frames + share * coded
        wanted = max(self.target - self._spent, 0.1 * self.target * left / self.frames) / left
        return kept(self.first + math.log2(wanted / expected) / self.slope)


def kept(quality: float) -> float:
    """A quality within the scale."""
    return max(LOWEST, min(HIGHEST, quality))


@dataclass
class Aim:
    """The most bytes that a file may have, and what is known of how to come near.

    quality: the first, as a sample has it, for a file of `GOAL` times the limit.
    """

    limit: int
    frames: int
    quality: float
    slope: float
    _tried: list[tuple[float, int]] = field(default_factory=list, init=False)  # wanted and got

    @classmethod
    def of(
        cls,
        sizes: Callable[[Sequence[Any], float], list[int]],
        stretches: Sequence[Sequence[Any]],
        limit: int,
        frames: int,
        gop: int,
    ) -> Aim:
        """By a sample of stretches of frames, which `sizes` codes at a quality.

        Secant steps on the logarithm of the size that they let expect.
        """
        quality, slope = 4.0, USUAL_SLOPE
        before: tuple[float, float] | None = None
        for _ in range(ROUNDS):
            coded = [sizes(stretch, quality) for stretch in stretches]
            size = math.log2(estimate(coded, frames, gop))
            if before is not None and abs(quality - before[0]) > 0.05:
                slope = min(2.0, max(0.2, (size - before[1]) / (quality - before[0])))
            before = quality, size
            off = math.log2(GOAL * limit) - size
            following = kept(quality + off / slope)
            if abs(off) < CLOSE or following == quality:
                break
            quality = following
        return cls(limit, frames, quality, slope)

    def pace(self) -> Pace:
        """For the next coding of the video."""
        wanted = self._wanted()
        off = math.log2(wanted / (GOAL * self.limit))
        first = kept(self.quality + off / self.slope)
        return Pace(wanted, self.frames, first, self.slope, self.limit)

    def takes(self, size: int, pace: Pace) -> bool:
        """Whether a file that was coded with the last pace will do, or another is to be tried.

        UsageError where none of its size or below is possible.
        """
        if size > self.limit and pace.always(LOWEST):
            raise UsageError(
                f"cannot be coded in {self.limit:,} bytes: sizes begin with {size:,} bytes at"
                " quality 1"
            )
        self._tried.append((pace.target, size))
        if size > self.limit:
            return False
        near = size >= NEAR * self.limit
        return near or pace.always(HIGHEST) or len(self._tried) >= ATTEMPTS

    def _wanted(self) -> float:
        """Bytes to tell the next pace."""
        goal = GOAL * self.limit
        if not self._tried:
            return goal
        over = [pair for pair in self._tried if pair[1] > self.limit]
        under = [pair for pair in self._tried if pair[1] <= self.limit]
        if over and under:
            wanted = _between(max(under), min(over), goal)
        else:
            wanted = self._tried[-1][0] * (goal / self._tried[-1][1]) ** (1 / self._response())
        late = len(self._tried) - ATTEMPTS
        if over and late >= 0:
            wanted = min(wanted, min(over)[0] * max(0.1, 1 - SHORTER * 2**late))
        return wanted

    def _response(self) -> float:
        """Octaves of size for an octave of what was told, by the last two files."""
        if len(self._tried) < 2:
            return 1.0
        (wanted, got), (other, gave) = self._tried[-2:]
        told = math.log2(other / wanted)
        return min(2.5, max(0.4, math.log2(gave / got) / told)) if told else 1.0


def _between(under: tuple[float, int], over: tuple[float, int], goal: float) -> float:
    """Where a line through two files, on logarithms, meets the goal; near neither of them."""
    (low, less), (high, more) = under, over
    part = math.log(goal / less) / math.log(more / less)
    return float(low * (high / low) ** min(0.9, max(0.1, part)))


def estimate(sizes: Sequence[Sequence[int]], frames: int, gop: int) -> float:
    """Bytes of a video from a sample: of each stretch, the first frame stands alone."""
    groups = frames / gop
    alone = sum(stretch[0] for stretch in sizes) / len(sizes)
    following = [size for stretch in sizes for size in stretch[1:]]
    mean = sum(following) / len(following) if following else 0.0
    return groups * alone + (frames - groups) * mean

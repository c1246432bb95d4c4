"""The quality of each group of a video, so that its file comes to a size.

A sample of the video, coded at several qualities, says which one to begin with and how size goes
with quality. Then each group that is written corrects those after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

LOWEST, HIGHEST = 1.0, 8.0
USUAL_SLOPE = 0.6  # octaves of size for one quality
ROUNDS = 5  # codings of the sample
CLOSE = 0.02  # octaves
TOLERANCE = 0.05  # of a size


@dataclass
class Pace:
    """Qualities of groups to come. `target` bytes for `frames` frames; `first` to begin with.

    slope: octaves of size for one quality.
    """

    target: float
    frames: int
    first: float
    slope: float = USUAL_SLOPE
    _spent: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)
    _told: list[float] = field(default_factory=list, init=False)

    def next(self) -> float:
        """The quality of the next group."""
        self._told.append(self._wanted())
        return self._told[-1]

    def note(self, size: int, frames: int) -> None:
        """What a group took."""
        self._spent += size
        self._done += frames

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
    """A size that a file should come to, and what is known of how to get there."""

    target: float
    frames: int
    quality: float
    slope: float
    _trust: float = field(default=1.0, init=False)

    @classmethod
    def of(
        cls,
        sizes: Callable[[Sequence[Any], float], list[int]],
        stretches: Sequence[Sequence[Any]],
        target: float,
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
            off = math.log2(target) - size
            following = kept(quality + off / slope)
            if abs(off) < CLOSE or following == quality:
                break
            quality = following
        return cls(target, frames, quality, slope)

    def pace(self) -> Pace:
        """For one coding of the video."""
        return Pace(self.target * self._trust, self.frames, self.quality, self.slope)

    def met(self, size: int) -> bool:
        """Whether a file is near enough."""
        return abs(size / self.target - 1) <= TOLERANCE

    def correct(self, size: int) -> None:
        """Learn from a file that is not: its groups could not make up for what was off."""
        off = math.log2(self.target / size)
        self.quality = kept(self.quality + off / self.slope)
        self._trust *= 2**off


def estimate(sizes: Sequence[Sequence[int]], frames: int, gop: int) -> float:
    """Bytes of a video from a sample: of each stretch, the first frame stands alone."""
    groups = frames / gop
    alone = sum(stretch[0] for stretch in sizes) / len(sizes)
    following = [size for stretch in sizes for size in stretch[1:]]
    mean = sum(following) / len(following) if following else 0.0
    return groups * alone + (frames - groups) * mean

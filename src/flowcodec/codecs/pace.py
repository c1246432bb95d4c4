"""The quality of each group of a video, so that its file comes to a size.

A sample of the video, coded at several qualities, says which one to begin with and how size goes
with quality. Then each group that is written corrects those after it, and each file that misses the
size corrects the next one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from flowcodec.errors import UsageError
from flowcodec.quality import COARSEST, FINEST

LOWEST, HIGHEST = COARSEST / 1000, FINEST / 1000
USUAL_SLOPE = 0.6  # octaves of size for one quality
ROUNDS = 5  # codings of the sample
CLOSE = 0.02  # octaves
NEAR = 0.95  # of the most bytes allowed: what is wished for at least
GOAL = 0.98  # of them: what is aimed at
ATTEMPTS = 4  # files, before one that is not near will do
BEHIND = 4  # groups: so far behind those that are begun are those whose sizes count
SHORTER = 0.03  # of a size: by how much less is aimed at then, twice as much each time


@dataclass
class Pace:
    """Qualities of groups to come. `target` bytes for `frames` frames; `first` to begin with.

    slope: octaves of size for one quality. limit: bytes that must not be exceeded. expected: by the
    numbers of the frames at which groups begin and the video ends, bytes of all before at the first
    quality; without it all frames are taken to be alike.

    The quality of a group follows from the sizes of groups up to `BEHIND` before it: so it is the
    same whether those between are coded beside it or before it.
    """

    target: float
    frames: int
    first: float
    slope: float = USUAL_SLOPE
    limit: float = math.inf
    expected: Mapping[int, float] = field(default_factory=dict)
    _told: list[float] = field(default_factory=list, init=False)
    _begun: list[int] = field(default_factory=list, init=False)  # frames before each group
    _sizes: list[int] = field(default_factory=list, init=False)
    _spent: int = field(default=0, init=False)

    def quality(self, number: int, begun: int) -> float:
        """The quality of a group, asked in order of their numbers; frames before it."""
        assert number == len(self._told) and number <= len(self._sizes) + BEHIND
        self._begun.append(begun)
        self._told.append(self._wanted(max(0, number - BEHIND + 1)))
        return self._told[-1]

    def note(self, size: int, frames: int) -> None:
        """What the next group took; UsageError where the limit cannot be kept at any quality."""
        self._spent += size
        done = self._begun[len(self._sizes)] + frames
        self._sizes.append(size)
        if self._spent > self.limit and self.always(LOWEST):
            raise UsageError(
                f"cannot be coded in {self.limit:,.0f} bytes: at quality 1,"
                f" {done} of its {self.frames} frames take {self._spent:,} bytes"
            )

    def always(self, quality: float) -> bool:
        """Whether each group that was coded had this quality."""
        return all(told == quality for told in self._told[: len(self._sizes)])

    def _wanted(self, known: int) -> float:
        """The quality of the next group, by the sizes of so many."""
        begun = self._begun[-1]
        left = self.frames - begun
        if not known or left <= 0:
            return self._told[-1] if self._told else self.first
        # What the rest would take at the first quality: what was expected says one thing, what was
        # coded says another, and is believed the more, the more there is of it.
        done = self._begun[known]
        share = done / self.frames
        scale = 1 - share + share * sum(self._alike()[:known]) / self._before(done)
        spent: float = sum(self._sizes[:known])
        under_way = zip(self._told[known:], pairwise(self._begun[known:]), strict=True)
        for told, (start, end) in under_way:
            spent += scale * (self._before(end) - self._before(start)) * self._gain(told)
        expected = scale * (self._before(self.frames) - self._before(begun))
        wanted = max(self.target - spent, 0.1 * self.target * left / self.frames)
        return kept(self.first + math.log2(wanted / expected) / self.slope)

    def _gain(self, told: float) -> float:
        """How many times the bytes of the first quality a group of this one takes."""
        return 2 ** (self.slope * (told - self.first))

    def _before(self, frame: int) -> float:
        """Bytes that are expected of all frames before one, at the first quality."""
        return self.expected.get(frame, self.target * frame / self.frames)

    @property
    def mean(self) -> float:
        """The quality at which groups, all alike, would have taken what they took."""
        return self.first + math.log2(self._spent / sum(self._alike())) / self.slope

    def again(self, quality: float) -> Pace:
        """For coding the same video again, at about that quality."""
        first = kept(quality)
        sizes = [size * self._gain(first) for size in self._alike()]
        expected = zip([*self._begun, self.frames], accumulate(sizes, initial=0.0), strict=True)
        return replace(self, target=sum(sizes), first=first, expected=dict(expected))

    def _alike(self) -> list[float]:
        """What groups that were coded would have taken at the first quality."""
        return list(map(operator.truediv, self._sizes, map(self._gain, self._told)))


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
    _tried: list[tuple[float, int]] = field(default_factory=list, init=False)  # quality and bytes
    _last: Pace | None = field(default=None, init=False)

    @classmethod
    def of(
        cls,
        sizes: Callable[[float], list[list[int]]],
        limit: int,
        frames: int,
        gop: int,
    ) -> Aim:
        """By a sample of stretches of frames, whose `sizes` are those of each frame at a quality.

        Secant steps on the logarithm of the size that they let expect.
        """
        quality, slope = 4.0, USUAL_SLOPE
        before: tuple[float, float] | None = None
        for _ in range(ROUNDS):
            size = math.log2(estimate(sizes(quality), frames, gop))
            if before is not None and abs(quality - before[0]) > 0.05:
                slope = within((size - before[1]) / (quality - before[0]))
            before = quality, size
            off = math.log2(GOAL * limit) - size
            following = kept(quality + off / slope)
            if abs(off) < CLOSE or following == quality:
                break
            quality = following
        return cls(limit, frames, quality, slope)

    def pace(self) -> Pace:
        """For the next coding of the video."""
        if self._last is not None:
            return self._last.again(self._wanted())
        return Pace(GOAL * self.limit, self.frames, self.quality, self.slope, self.limit)

    def takes(self, size: int, pace: Pace) -> bool:
        """Whether a file that was coded with the last pace will do, or another is to be tried.

        UsageError where none of its size or below is possible.
        """
        if size > self.limit and pace.always(LOWEST):
            raise UsageError(
                f"cannot be coded in {self.limit:,} bytes: sizes begin with {size:,} bytes at"
                " quality 1"
            )
        self._tried.append((pace.mean, size))
        self._last = pace
        if size > self.limit:
            return False
        near = size >= NEAR * self.limit
        return near or pace.always(HIGHEST) or len(self._tried) >= ATTEMPTS

    def _wanted(self) -> float:
        """The quality for the next pace, after those that were tried."""
        goal = GOAL * self.limit
        over = [pair for pair in self._tried if pair[1] > self.limit]
        under = [pair for pair in self._tried if pair[1] <= self.limit]
        slope = self._slope()
        if over and under:
            wanted = _between(max(under), min(over), goal)
        else:
            quality, size = self._tried[-1]
            wanted = quality + math.log2(goal / size) / slope
        late = len(self._tried) - ATTEMPTS
        if over and late >= 0:
            wanted = min(wanted, min(over)[0] + math.log2(max(0.1, 1 - SHORTER * 2**late)) / slope)
        return wanted

    def _slope(self) -> float:
        """Octaves of size for one quality, by the last two files."""
        if len(self._tried) < 2:
            return self.slope
        (quality, size), (other, more) = self._tried[-2:]
        apart = other - quality
        return within(math.log2(more / size) / apart) if abs(apart) > 0.01 else self.slope


def within(slope: float) -> float:
    """A slope that may be believed."""
    return min(2.0, max(0.2, slope))


def _between(under: tuple[float, int], over: tuple[float, int], goal: float) -> float:
    """Where a line through two files, on logarithms of size, meets the goal; near neither."""
    (low, less), (high, more) = under, over
    part = math.log(goal / less) / math.log(more / less)
    return low + (high - low) * min(0.9, max(0.1, part))


def estimate(sizes: Sequence[Sequence[int]], frames: int, gop: int) -> float:
    """Bytes of a video from a sample: of each stretch, the first frame stands alone."""
    groups = frames / gop
    alone = sum(stretch[0] for stretch in sizes) / len(sizes)
    following = [size for stretch in sizes for size in stretch[1:]]
    mean = sum(following) / len(following) if following else 0.0
    return groups * alone + (frames - groups) * mean

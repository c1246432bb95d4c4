"""Finding the quality that meets a size or a PSNR, by coding a picture several times.

Size and PSNR rise with quality but for small wiggles. The search keeps two qualities between which
the target lies and draws a line through what it knows, or halves when that gains nothing; qualities
are whole thousandths, as files store them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from flowcodec.errors import UsageError
from flowcodec.quality import COARSEST, FINEST

FIRST = 4000
TRIALS = 8  # after so many, the best so far is good enough
SIZE_TOLERANCE = 0.005  # as a fraction, below the limit
PSNR_TOLERANCE = 0.02  # dB, above the target
SIZE_SLOPE, PSNR_SLOPE = 0.3, 1.7  # usual gain of one quality: in log size, in dB


class Coded(Protocol):
    """What coding gives, as far as the search looks: `codecs.picture.EncodedPicture`."""

    @property
    def data(self) -> bytes: ...

    @property
    def psnr(self) -> float: ...


C = TypeVar("C", bound=Coded)


@dataclass(frozen=True)
class Trial:
    """One coding of the picture: quality 1 to 8, bytes of the file, PSNR in dB."""

    quality: float
    size: int
    psnr: float


@dataclass(frozen=True)
class Found(Generic[C]):
    """The coding that was chosen, its quality, and all trials in order."""

    coded: C
    quality: float
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Target:
    """What the coding of a picture is to come to: bits a pixel or bytes at most, or a PSNR in dB at
    least, whichever is given; otherwise a quality."""

    quality: float = 4.0
    bpp: float | None = None
    size: int | None = None
    psnr: float | None = None


def reach(
    encode: Callable[[float], C],
    target: Target,
    pixels: int,
    on_trial: Callable[[Trial], None] | None = None,
) -> Found[C]:
    """The coding of a picture of so many pixels that meets a target.

    encode: from a quality to the coding (`PreparedPicture.encode`). on_trial: told of each that is
    tried for a target. UsageError where none meets it.
    """
    limit = math.floor(target.bpp * pixels / 8) if target.bpp else target.size
    if limit is not None:
        return reach_size(encode, limit, on_trial)
    if target.psnr is not None:
        return reach_psnr(encode, target.psnr, on_trial)
    coded = encode(target.quality)
    quality = round(target.quality, 3)
    return Found(coded, quality, (Trial(quality, len(coded.data), coded.psnr),))


def reach_size(
    encode: Callable[[float], C], limit: int, on_trial: Callable[[Trial], None] | None = None
) -> Found[C]:
    """The best coding of at most `limit` bytes: within 0.5 % of it, where quality 8 is not smaller.

    encode: from a quality to the coding. on_trial: told of each. UsageError if even quality 1
    needs more bytes.
    """

    def miss(coded: C) -> float:
        return math.log(len(coded.data) / max(limit, 1))

    search = Search(encode, miss, on_trial, SIZE_SLOPE, -SIZE_TOLERANCE, 0.0)
    found = search.run()
    if found is None:
        least = min(search.trials, key=lambda trial: trial.size)
        raise UsageError(
            f"cannot be coded in {limit:,} bytes: sizes begin with {least.size:,} bytes at quality"
            f" {least.quality:g}"
        )
    return found


def reach_psnr(
    encode: Callable[[float], C], target: float, on_trial: Callable[[Trial], None] | None = None
) -> Found[C]:
    """The smallest coding of at least `target` dB: within 0.02 dB, where quality 1 is not better.

    encode, on_trial: as for `reach_size`. UsageError if even quality 8 is worse.
    """

    def miss(coded: C) -> float:
        return min(coded.psnr, 200.0) - target

    search = Search(encode, miss, on_trial, PSNR_SLOPE, 0.0, PSNR_TOLERANCE)
    found = search.run()
    if found is None:
        best = search.trials[-1].psnr
        raise UsageError(f"cannot reach {target:g} dB: PSNR ends with {best:.2f} dB at quality 8")
    return found


class Search(Generic[C]):
    """The search for a quality whose miss lies in the window [lowest, highest].

    miss: how far a coding is off, rising with quality by about `slope` for each quality. The window
    touches 0 on one side; that side is a hard limit, what lies beyond the other is allowed.
    """

    def __init__(
        self,
        encode: Callable[[float], C],
        miss: Callable[[C], float],
        on_trial: Callable[[Trial], None] | None,
        slope: float,
        lowest: float,
        highest: float,
    ):
        self.encode, self.miss, self.on_trial = encode, miss, on_trial
        self.slope, self.lowest, self.highest = slope, lowest, highest
        self.goal = (lowest + highest) / 2
        self.trials: list[Trial] = []
        self.below: tuple[int, float] | None = None  # quality and miss, on either side
        self.above: tuple[int, float] | None = None
        self.best: tuple[float, int, C] | None = None  # distance, quality, coding

    def run(self) -> Found[C] | None:
        """The allowed coding nearest to the target; None if there is none."""
        quality = FIRST
        repeated = 0  # trials in a row that fell on the same side
        while True:
            side = self._try(quality)
            if side == 0 or (self.best is not None and len(self.trials) >= TRIALS):
                break
            low = self.below[0] if self.below else COARSEST - 1
            high = self.above[0] if self.above else FINEST + 1
            if high - low <= 1:
                break
            repeated = repeated + side if repeated * side > 0 else side
            if self.below is None or self.above is None:
                guess = self._outwards(abs(repeated))
            elif abs(repeated) > 1:
                guess = (low + high) // 2
            else:
                guess = self._between(self.below, self.above)
            quality = min(max(guess, low + 1), high - 1)
        if self.best is None:
            return None
        _, chosen, coded = self.best
        return Found(coded, chosen / 1000, tuple(self.trials))

    def _try(self, quality: int) -> int:
        """Code once; -1, 0 or 1: the target needs more, is met, needs less quality."""
        coded = self.encode(quality / 1000)
        trial = Trial(quality / 1000, len(coded.data), coded.psnr)
        self.trials.append(trial)
        if self.on_trial:
            self.on_trial(trial)
        miss = self.miss(coded)
        allowed = miss <= 0 if self.highest == 0 else miss >= 0
        if allowed and (self.best is None or abs(miss) < self.best[0]):
            self.best = abs(miss), quality, coded
        if self.lowest <= miss <= self.highest:
            return 0
        if miss < self.lowest:
            self.below = quality, miss
            return -1
        self.above = quality, miss
        return 1

    def _outwards(self, times: int) -> int:
        """Beyond the one side that is known, by the usual slope, further each time."""
        known = self.below or self.above
        assert known is not None
        return round(known[0] + times * (self.goal - known[1]) * 1000 / self.slope)

    def _between(self, below: tuple[int, float], above: tuple[int, float]) -> int:
        """Where a line through both sides meets the goal."""
        part = (self.goal - below[1]) / (above[1] - below[1])
        return round(below[0] + part * (above[0] - below[0]))

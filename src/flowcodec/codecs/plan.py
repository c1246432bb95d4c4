"""What is coded how, before anything is coded: cuts, groups, references and qualities.

    frames ─► repeat? cut? full? ─► groups of frames, each with its way, reference and quality

All of it is decided from the frames alone, while they come; so groups can be coded side by side. A
group is in coding order: a frame stands after the one that it is coded from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.protocols import Frame
from flowcodec.quality import FINEST

DEFAULT_GOP = 32  # frames
# Thousandths by which a frame that others follow is better, by metric: 1.5 and 4.5 % fewer bits.
FINER = {"mse": 700, "ms-ssim": 1700}
RISE, RISE_OVER = 1100, 31  # thousandths, frames: what inter frames lose one after another

COARSE = 16  # pixels a side that are averaged before two frames are compared
SUSPECTED_CUT = 12.0  # mean difference of such averages, of 255
# A suspicion is looked into on thumbnails of 112 samples along the longer side, of which blocks are
# searched for in the frame before. EXPLAINED: a block is, where what is found differs by less than
# that part of what the block differs from its own mean by. LITTLE: a smaller share is not enough.
LONGER_SIDE, BLOCK, SEARCH = 112, 8, 16
EXPLAINED, LITTLE = 0.7, 0.55
# How the logarithm of what inter costs over what alone costs, bits + weight * error, goes with the
# residual, the detail and the share of blocks explained; least squares over 147 coded pairs of
# frames: cuts, flashes, fades, pans, zooms, fast motion.
RESIDUAL, DETAIL, SHARE, BIAS = 0.24, 0.34, 0.44, 0.44


class Way(Enum):
    """How a frame is coded: alone, from another one, or as that one shown again."""

    ALONE = auto()
    INTER = auto()
    REPEAT = auto()


@dataclass(frozen=True)
class PlannedFrame:
    """A frame of a group. place: in the order in which its group is shown, from 0; time in ticks;
    reference: the place of the frame that it is coded from, None for one that stands alone;
    quality in thousandths."""

    place: int
    time: int
    way: Way
    reference: int | None
    quality: int


PlannedGroup = Iterable[tuple[PlannedFrame, Frame]]
"""The frames of a group in coding order, with their samples (H, W, 3)."""


# A frame: number and first frame of its group, its way, its time, its samples.
Outlined = tuple[tuple[int, int], Way, int, Frame]


class Plan:
    """The plan of a video whose frames come in order, each with its time in ticks.

    gop: frames of a group at most. metric: of the weights. quality: told the number of a group and
    that of its first frame, says its quality in thousandths; asked when the group begins.
    """

    def __init__(
        self,
        timed: Iterable[tuple[int, Frame]],
        gop: int,
        metric: str,
        quality: Callable[[int, int], int],
    ):
        self._timed, self._gop = timed, gop
        self._metric = metric
        self._quality = quality
        self.ended = False  # no more frames come

    def __iter__(self) -> Iterator[PlannedGroup]:
        """The groups in order; the frames of one are taken before the next is asked for.

        When all frames of a group are taken, `ended` says whether it is the last.
        """
        for (number, first), frames in groupby(self._outlined(), key=itemgetter(0)):
            yield self._group(self._quality(number, first), frames)

    def _group(
        self, quality: int, frames: Iterable[Outlined]
    ) -> Iterator[tuple[PlannedFrame, Frame]]:
        for place, (_, way, time, frame) in enumerate(frames):
            alone = way is Way.ALONE
            at = risen(quality, place)
            if alone and self._gop > 1:
                at = finer(quality, self._metric)
            yield PlannedFrame(place, time, way, None if alone else place - 1, at), frame

    def _outlined(self) -> Iterator[Outlined]:
        """All frames, each with its group and how it is coded."""
        number, first = -1, 0
        before: Frame | None = None
        for count, (time, frame) in enumerate(self._timed):
            way = Way.INTER
            if before is None or count - first == self._gop:
                way = Way.ALONE
            elif np.array_equal(frame, before):
                way = Way.REPEAT
            elif is_cut(before, frame):
                way = Way.ALONE
            if way is Way.ALONE:
                number, first = number + 1, count
            yield (number, first), way, time, frame
            before = frame
        self.ended = True


def finer(quality: int, metric: str) -> int:
    """The quality of a frame that others follow, in thousandths."""
    return min(quality + FINER[metric], FINEST)


def risen(quality: int, place: int) -> int:
    """The quality of an inter frame, in thousandths: it rises along a group, since each frame
    inherits what those before it have lost, and people would see the group fade."""
    return min(quality + RISE * min(place, RISE_OVER) // RISE_OVER, FINEST)


def is_cut(before: Frame, frame: Frame) -> bool:
    """Whether a frame is better coded alone than from the one before it."""
    if min(frame.shape[:2]) < COARSE or difference(before, frame) < SUSPECTED_CUT:
        return False
    residual, share = explained(before, frame)
    if share < LITTLE:
        return True
    cost = RESIDUAL * math.log1p(residual) - DETAIL * math.log1p(detail(frame))
    return cost - SHARE * share + BIAS > 0


def difference(a: Frame, b: Frame) -> float:
    """Mean difference of two frames in blocks of 16x16, as far as they are whole."""
    return float(np.abs(thumbnail(a, COARSE) - thumbnail(b, COARSE)).mean())


def detail(frame: Frame) -> float:
    """Mean difference of neighbours, of 255."""
    green = frame[..., 1].astype(np.float32)
    return float(sum(np.abs(np.diff(green, axis=axis)).mean() for axis in (0, 1)) / 2)


def explained(before: Frame, frame: Frame) -> tuple[float, float]:
    """How the frame before, moved, explains a frame in blocks: mean difference of samples, and the
    share of blocks that it explains better than their own mean does; all, where there is none."""
    step = -(-max(frame.shape[:2]) // LONGER_SIDE)
    there, here = thumbnail(before, step), thumbnail(frame, step)
    rows, columns = (side // BLOCK * BLOCK for side in here.shape)
    if not rows * columns:
        return 0.0, 1.0
    here = here[:rows, :columns]
    around = np.pad(there, SEARCH, mode="edge")
    moves = range(2 * SEARCH + 1)
    found = [
        block_sums(np.abs(here - around[down:, right:][:rows, :columns]))
        for down in moves
        for right in moves
    ]
    best = np.min(found, axis=0)
    mean = block_sums(here).repeat(BLOCK, 0).repeat(BLOCK, 1) / BLOCK**2
    own = block_sums(np.abs(here - mean))
    return float(best.mean()) / BLOCK**2, float((best < EXPLAINED * own).mean())


def thumbnail(frame: Frame, step: int) -> NDArray[np.float32]:
    """Means of the green samples in squares of `step` pixels, as far as they are whole."""
    rows, columns = (side // step for side in frame.shape[:2])
    whole = frame[: rows * step, : columns * step, 1]
    return whole.reshape(rows, step, columns, step).mean((1, 3), dtype=np.float32)


def block_sums(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of (H, W) over blocks, (H / 8, W / 8)."""
    rows, columns = x.shape
    return x.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).sum((1, 3))

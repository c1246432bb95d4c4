"""Orders of coding: which positions of a slice of channels are coded together, and in which steps.

An order ranks positions; those of one rank are one step, the smallest rank first. A position sees
what has a smaller rank than its own.

    checkerboard   0 1 0 1    four-step   0 2 0 2    wavefront   0 1 2 3
                   1 0 1 0                3 1 3 1                3 4 5 6
                   0 1 0 1                0 2 0 2                6 7 8 9
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Order = Literal["checkerboard", "wavefront", "four-step", "one-step"]
WAVEFRONT_SLOPE = 3  # a position waits for the one two columns to the right in the row above


@dataclass(frozen=True)
class Ranking:
    """rank: of rows and columns; kernel: of the convolution by which a step sees those before;
    biases: of the ranks 1, 2, ... (the last of them serves all that follow); around: whether that
    convolution sees all sides, so that a whole slice tells the next one by it too."""

    rank: Callable[[Ints, Ints], Ints]
    kernel: int
    biases: int
    around: bool


RANKINGS: dict[Order, Ranking] = {
    "checkerboard": Ranking(lambda row, column: (row + column) % 2, 3, 1, True),
    "wavefront": Ranking(lambda row, column: WAVEFRONT_SLOPE * row + column, 5, 1, False),
    "four-step": Ranking(lambda row, column: row % 2 * 3 ^ column % 2 * 2, 3, 3, True),
    "one-step": Ranking(lambda row, column: 0 * (row + column), 0, 0, False),
}


@dataclass(frozen=True)
class Step:
    """positions: indices of a flat map, row by row; seen: the taps of the order's kernel, counted
    row by row, at which the steps before lie (none for rank 0); unseen: the others."""

    rank: int
    positions: Ints
    seen: Ints
    unseen: Ints


@lru_cache(maxsize=32)
def steps_of(order: Order, height: int, width: int) -> tuple[Step, ...]:
    """The steps that there are in a map of so many rows and columns."""
    ranking = RANKINGS[order]
    row, column = np.divmod(np.arange(height * width), width)
    rank = ranking.rank(row, column)
    sequence = np.argsort(rank, kind="stable")
    down, across = np.indices((ranking.kernel, ranking.kernel)) - ranking.kernel // 2
    steps = []
    for positions in np.split(sequence, np.flatnonzero(np.diff(rank[sequence])) + 1):
        first = positions[0]
        own = int(rank[first])
        around = ranking.rank(row[first] + down, column[first] + across)
        seen = (around < own) & (own > 0)
        steps.append(Step(own, positions, np.flatnonzero(seen), np.flatnonzero(~seen)))
    return tuple(steps)


@lru_cache(maxsize=32)
def back_of(order: Order, height: int, width: int) -> Ints:
    """Where each position, row by row, stands in the sequence of all steps."""
    return np.argsort(np.concatenate([step.positions for step in steps_of(order, height, width)]))


def orders_of(order: Order | tuple[Order, ...], slices: int) -> tuple[Order, ...]:
    """The order of each slice. A word alone is for all of them, but of "checkerboard" the last
    slice, which has none to help, comes in one step."""
    if isinstance(order, tuple):
        return order
    if order == "checkerboard":
        return (order,) * (slices - 1) + ("one-step",)
    return (order,) * slices


def shortest(orders: tuple[Order, ...]) -> Order | tuple[Order, ...]:
    """The word that stands for the orders of all slices, the first of `Order` if there are several;
    the orders themselves if there is none."""
    words = (word for word in RANKINGS if orders_of(word, len(orders)) == orders)
    return next(words, orders)

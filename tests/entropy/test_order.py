"""Orders of coding: every position once, and each sees what was coded before it."""

from typing import get_args

import numpy as np
import pytest

from flowcodec.entropy.order import RANKINGS, Order, orders_of, shortest, steps_of

DRAWN = {
    "checkerboard": ["01010", "10101", "01010"],
    "wavefront": ["01234", "34567", "6789a"],
    "four-step": ["02020", "31313", "02020"],
    "one-step": ["00000", "00000", "00000"],
}


@pytest.mark.parametrize("order", get_args(Order))
def test_steps_are_those_of_the_drawing(order):
    found = np.full((3, 5), -1)
    for step in steps_of(order, 3, 5):
        found.flat[step.positions] = step.rank
    assert found.tolist() == [[int(rank, 16) for rank in row] for row in DRAWN[order]]


@pytest.mark.parametrize("height", [1, 2, 5])
@pytest.mark.parametrize("width", [1, 2, 7])
@pytest.mark.parametrize("order", get_args(Order))
def test_a_step_sees_what_was_coded_before(order, height, width):
    kernel = RANKINGS[order].kernel
    coded = np.zeros((height, width), bool)
    for step in steps_of(order, height, width):
        seen = np.zeros(kernel**2, bool)
        seen[step.seen] = True
        padded = np.pad(coded, kernel // 2)
        for row, column in zip(*np.unravel_index(step.positions, coded.shape), strict=True):
            there = padded[row : row + kernel, column : column + kernel].reshape(-1)
            assert not (there & ~seen).any()  # all that is there, and nothing else
        assert not coded.flat[step.positions].any()
        coded.flat[step.positions] = True
    assert coded.all()


def test_words_for_orders_of_slices():
    assert orders_of("checkerboard", 3) == ("checkerboard", "checkerboard", "one-step")
    assert orders_of("checkerboard", 1) == ("one-step",)
    assert orders_of("four-step", 2) == ("four-step", "four-step")
    own = ("wavefront", "four-step")
    assert orders_of(own, 2) == own == shortest(own)
    for word in get_args(Order):
        assert shortest(orders_of(word, 3)) == word
    assert shortest(("one-step",)) == "checkerboard"

"""What the speed of flow is measured on."""

import numpy as np

from benchmarks import flow_speed
from tests.training.pictures import draw


def test_the_shifted_pair_moves_as_far_as_it_says() -> None:
    first, second = flow_speed.shifted(draw(1), 60, 90)
    assert first.shape == second.shape == (60, 90, 3)
    step = flow_speed.SHIFT
    assert np.array_equal(second[:-step, :-step], first[step:, step:])

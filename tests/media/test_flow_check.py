"""The forward-backward check finds what is hidden, what leaves the frame, and nothing else."""

import numpy as np
import pytest

from flowcodec.errors import MediaError
from flowcodec.media.flow_check import consistency


def constant(height: int, width: int, x: float, y: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y], np.float32), (height, width, 2)).copy()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 0), (-2.5, 1.25), (0, -4.5)])
def test_a_shift_hides_what_leaves_the_frame_and_nothing_else(x, y):
    hidden = consistency(constant(20, 30, x, y), constant(20, 30, -x, -y))
    assert hidden.dtype == bool
    rows, columns = np.mgrid[0:20, 0:30]
    leaves = (rows + y < 0) | (rows + y > 19) | (columns + x < 0) | (columns + x > 29)
    assert np.array_equal(hidden, leaves)


def test_a_square_hides_the_background_that_it_comes_to_cover():
    forward, backward = constant(40, 40, 0, 0), constant(40, 40, 0, 0)
    forward[10:20, 10:20] = (6, 0)  # in frame 1 the square lies here
    backward[10:20, 16:26] = (-6, 0)  # in frame 2 there
    expected = np.zeros((40, 40), bool)
    expected[10:20, 20:26] = True
    assert np.array_equal(consistency(forward, backward), expected)


@pytest.mark.parametrize(
    ("length", "error", "hidden"),
    [
        (0, 0.70, False),  # 0.490 against 0.500
        (0, 0.72, True),  # 0.518
        (20, 2.7, False),  # 7.290 against 0.01 (400 + 299) + 0.5 = 7.493
        (20, 2.8, True),  # 7.840 against 7.458
    ],
)
def test_the_bound_grows_with_the_motion(length, error, hidden):
    found = consistency(constant(8, 60, length, 0), constant(8, 60, error - length, 0))
    assert (found[:, :30] == hidden).all()


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_is_hidden():
    forward, backward = constant(8, 8, 1, 0), constant(8, 8, -1, 0)
    forward[2, 2] = (np.nan, 0)
    forward[3, 3] = (np.inf, 0)
    backward[5, 5] = (np.nan, np.nan)
    backward[6, 6] = (np.inf, -np.inf)
    hidden = consistency(forward, backward)
    assert hidden[2, 2] and hidden[3, 3] and hidden[5, 4] and hidden[6, 5]
    assert not hidden[0, :7].any()


@pytest.mark.parametrize("shape", [(8, 9, 2), (8, 8, 3), (8, 8)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(MediaError, match="two flows of one shape"):
        consistency(np.zeros((8, 8, 2), np.float32), np.zeros(shape, np.float32))

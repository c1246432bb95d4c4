"""What a camera did, found in the flow of blocks."""

import numpy as np
import pytest

from flowcodec.models.video_mofnet.global_motion import LARGEST, estimate, field, left_over

PAN = [21, 0, 0, -10, 0, 0]
ZOOM = [3, 16, -2, 5, 1, 12]


def test_the_field_is_what_the_format_says() -> None:
    found = field(np.array([8, 16, 24, -8, 0, 4]), 4, 5)
    assert found.shape == (2, 4, 5)
    u, v = -1 + 1 / 5, -1 + 1 / 4  # the top left sample
    np.testing.assert_allclose(found[:, 0, 0], [1 + 2 * u + 3 * v, -1 + v / 2], rtol=1e-5)


@pytest.mark.parametrize("camera", [PAN, ZOOM])
def test_a_third_of_the_frame_may_move_otherwise(camera: list[int]) -> None:
    wanted = np.array(camera)
    flow = field(wanted, 30, 40) + 0.02 * np.random.default_rng(1).normal(size=(2, 30, 40))
    flow[:, 12:, 18:] += np.array([4.0, -7.0])[:, None, None]
    found = estimate(flow)
    assert np.abs(found - wanted).max() <= 1
    assert left_over(flow - field(found, 30, 40)) == pytest.approx(18 * 22, rel=0.1)


def test_a_pan_has_two_numbers() -> None:
    assert estimate(field(np.array(PAN), 16, 16), linear=False).tolist() == PAN
    found = estimate(field(np.array(ZOOM), 16, 16), linear=False)
    assert np.abs(found[[1, 2, 4, 5]]).max() == 0


def test_most_of_a_frame_stands_still() -> None:
    """Whatever the rest does: the mean of all would be wrong everywhere."""
    flow = np.zeros((2, 20, 20))
    flow[:, :, 12:] = np.linspace(-30, 30, 8)
    assert np.abs(estimate(flow)).max() == 0


def test_what_no_file_can_say_is_cut() -> None:
    assert np.abs(estimate(np.full((2, 8, 8), 1e6))).max() < LARGEST

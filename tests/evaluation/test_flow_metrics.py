"""Errors of flow against cases worked out by hand."""

import math

import numpy as np
import pytest

from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.metrics import Part, errors_over, flow_errors


def field(*vectors: tuple[float, float]) -> np.ndarray:
    """A flow of one row."""
    return np.array([vectors], np.float32)


def errors(estimate: np.ndarray, truth: np.ndarray, **masks: list[bool]):
    valid = np.array([masks.get("valid", [True] * truth.shape[1])])
    occluded = np.array([masks["occluded"]]) if "occluded" in masks else None
    return flow_errors(estimate, truth, valid, occluded)


def test_the_mean_is_over_known_pixels_alone():
    truth = field((1, 0), (0, 2), (1e9, math.nan))
    found = errors(field((4, 4), (0, 2), (0, 0)), truth, valid=[True, True, False])
    assert found.known == Part(2, pytest.approx(2.5))
    assert found.matched is None and found.unmatched is None


def test_speeds_are_those_of_the_true_flow():
    truth = field((9.75, 0), (6, 8), (0, 39.75), (24, 32), (0, -300))
    off = np.array([[[0, 1], [0, 2], [3, 0], [4, 0], [0, 8]]], np.float32)
    speeds = errors(truth + off, truth).speeds
    assert speeds == {"s0-10": Part(1, 1.0), "s10-40": Part(2, 2.5), "s40+": Part(2, 6.0)}


def test_a_band_without_pixels_has_no_error():
    assert errors(field((1, 1)), field((1, 1))).speeds["s40+"] == Part(0, None)


def test_rates_count_errors_above_their_limits():
    truth = field(*[(0, 0)] * 8)
    estimate = field((0, 0), (1, 0), (1.5, 0), (3, 0), (0, 3.5), (5, 0), (0, -5.5), (-60, 0))
    assert errors(estimate, truth).over == {1: 75.0, 3: 50.0, 5: 25.0}


def test_fl_all_wants_three_pixels_and_five_percent():
    truth = field((100, 0), (100, 0), (0, 20), (0, 20))
    off = np.array([[[4.5, 0], [5.5, 0], [0, 2.5], [0, 3.5]]], np.float32)
    found = errors(truth + off, truth)
    assert found.fl_all == 50.0
    assert found.over[3] == 75.0


def test_unmatched_is_hidden_or_moved_out_of_the_picture():
    truth = field((-1, 0), (1, 0), (1, 0), (0, 0), (0.5, 0), (-4, 0.5))
    estimate = truth + np.float32([0, 1]) * np.arange(1, 7, dtype=np.float32)[None, :, None]
    found = errors(estimate, truth, occluded=[False, False, True, False, False, False])
    assert found.unmatched == Part(3, pytest.approx((1 + 3 + 6) / 3))
    assert found.matched == Part(3, pytest.approx((2 + 4 + 5) / 3))
    assert found.known.epe == pytest.approx(3.5)


def test_over_a_data_set_pairs_count_alike_and_pixels_of_a_speed_do():
    one = errors(field((0, 4)), field((0, 0)))
    three = errors(field((0, 0), (0, 0), (20, 6)), field((0, 0), (0, 0), (20, 0)))
    both = errors_over([one, three])
    assert both.known == Part(4, pytest.approx((4 + 2) / 2))
    assert both.speeds["s0-10"] == Part(3, pytest.approx(4 / 3))
    assert both.speeds["s10-40"] == Part(1, 6.0)
    assert both.over == {
        1: pytest.approx((100 + 100 / 3) / 2),
        3: pytest.approx((100 + 100 / 3) / 2),
        5: pytest.approx(100 / 6),
    }
    assert both.matched is None


def test_pairs_without_a_mask_or_unmatched_pixels_stay_out_of_those_means():
    truth = field((0, 0), (0, 0))
    without = errors(field((0, 9), (0, 9)), truth)
    seen = errors(field((0, 1), (0, 1)), truth, occluded=[False, False])
    hidden = errors(field((0, 2), (0, 4)), truth, occluded=[False, True])
    both = errors_over([without, seen, hidden])
    assert both.matched == Part(3, 1.5)
    assert both.unmatched == Part(1, 4.0)


def test_json_says_how_many_pixels_each_error_is_of():
    written = errors(field((3, 4)), field((0, 0)), occluded=[False]).as_json()
    assert written == {
        "pixels": {"known": 1, "s0-10": 1, "s10-40": 0, "s40+": 0, "matched": 1, "unmatched": 0},
        "epe": {
            "known": 5.0,
            "s0-10": 5.0,
            "s10-40": None,
            "s40+": None,
            "matched": 5.0,
            "unmatched": None,
        },
        "percent": {"over 1 px": 100.0, "over 3 px": 100.0, "over 5 px": 0.0, "fl-all": 100.0},
    }


def test_what_cannot_be_measured_is_told():
    good = field((1, 1), (0, 0))
    with pytest.raises(UsageError, match="one shape"):
        errors(field((1, 1)), good)
    with pytest.raises(UsageError, match="nothing to measure"):
        errors(good, good, valid=[False, False])
    with pytest.raises(UsageError, match="not finite"):
        errors(field((1, math.nan), (0, 0)), good)

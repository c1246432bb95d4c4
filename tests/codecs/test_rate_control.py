"""The search for a quality, with made-up codings: the right side of the target, in few trials."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.codecs.rate_control import (
    PSNR_TOLERANCE,
    SIZE_TOLERANCE,
    reach_psnr,
    reach_size,
)
from flowcodec.errors import UsageError

ENOUGH = 10  # trials


@dataclass(frozen=True)
class Coding:
    data: bytes
    psnr: float


def curve(log_size=9.0, growth=0.3, bend=0.0, wiggle=0.0, psnr=28.0, gain=1.7):
    """A codec whose log size and PSNR rise with quality, along a bent line that wiggles."""

    def encode(quality):
        x = quality - 1
        shake = wiggle * math.sin(977 * quality)
        size = math.exp(log_size + growth * x + bend * x * x + shake)
        return Coding(bytes(round(size)), psnr + gain * x + bend * x * x + shake)

    return encode


curves = st.builds(
    curve,
    log_size=st.floats(6, 10),
    growth=st.floats(0.2, 0.5),
    bend=st.floats(-0.012, 0.012),
    wiggle=st.floats(0, 0.001),
    psnr=st.floats(24, 32),
    gain=st.floats(0.8, 2.5),
)


@given(curves, st.floats(0.01, 0.99))
def test_a_size_is_met_from_below(encode, place):
    low, high = (len(encode(quality).data) for quality in (1, 8))
    limit = round(low ** (1 - place) * high**place)
    found = reach_size(encode, limit)
    size = len(found.coded.data)
    assert size <= limit
    assert size >= limit * (1 - SIZE_TOLERANCE) or size >= limit - 2
    assert len(found.trials) <= ENOUGH


@given(curves, st.floats(0.01, 0.99))
def test_a_psnr_is_met_from_above(encode, place):
    low, high = (encode(quality).psnr for quality in (1, 8))
    target = low + place * (high - low)
    found = reach_psnr(encode, target)
    assert target <= found.coded.psnr <= target + PSNR_TOLERANCE
    assert len(found.trials) <= ENOUGH


def test_what_is_chosen_is_one_of_the_trials_and_each_is_told():
    told = []
    found = reach_size(curve(), 30_000, told.append)
    assert told == list(found.trials)
    chosen = [trial for trial in told if trial.quality == found.quality]
    assert [trial.size for trial in chosen] == [len(found.coded.data)]
    assert found.coded == curve()(found.quality)
    assert all(round(trial.quality * 1000) == trial.quality * 1000 for trial in told)


def test_coarse_steps_end_the_search():
    def stairs(quality):
        return Coding(bytes(1000 if quality < 4.5 else 5000), 30.0 if quality < 4.5 else 35.0)

    assert len(reach_size(stairs, 3000).coded.data) == 1000
    assert reach_psnr(stairs, 33).coded.psnr == 35


def test_more_room_than_the_best_quality_needs():
    found = reach_size(curve(), 10**9)
    assert found.quality == 8
    assert reach_psnr(curve(), 1).quality == 1


def test_targets_out_of_reach_say_what_is():
    smallest = len(curve()(1).data)
    with pytest.raises(UsageError, match=rf"100 bytes: sizes begin with {smallest:,} bytes"):
        reach_size(curve(), 100)
    with pytest.raises(UsageError, match=r"sizes begin with 118 bytes at quality 4"):
        reach_size(lambda quality: Coding(bytes(136 if quality < 4 else 118), math.inf), 100)
    with pytest.raises(UsageError, match=r"60 dB: PSNR ends with 39\.90 dB at quality 8"):
        reach_psnr(curve(), 60)


def test_an_exact_coding_is_good_enough():
    found = reach_psnr(lambda quality: Coding(b"", math.inf), 99)
    assert found.coded.psnr == math.inf

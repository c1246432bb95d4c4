"""Coefficients without a network: whatever is coded comes back, and damage ends in an error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcodec.entropy.plain import decode, encode
from flowcodec.errors import FormatError

SIDES = st.integers(1, 7)
COLOURS = st.sampled_from([1, 3])
FEW = settings(max_examples=settings().max_examples // 4)  # each goes through 64 or 192 steps


def draw(height: int, width: int, colours: int, scale: float, seed: int) -> np.ndarray:
    """Coefficients that fall off with frequency and differ from block to block."""
    random = np.random.default_rng(seed)
    fall = np.exp(-0.5 * np.add.outer(np.arange(8), np.arange(8))).reshape(-1)
    loud = 2.0 ** random.integers(-3, 4, (height, width, 1))
    drawn = random.normal(0, scale, (height, width, 64 * colours)) * np.tile(fall, colours)
    return np.rint(drawn * loud).astype(np.int64)


@FEW
@given(SIDES, SIDES, COLOURS, st.sampled_from([0, 0.4, 30, 1e4]), st.integers(0, 99))
def test_coefficients_come_back(height, width, colours, scale, seed):
    wanted = draw(height, width, colours, scale, seed)
    assert np.array_equal(decode(encode(wanted), height, width, colours), wanted)


@FEW
@given(st.binary(max_size=64), SIDES, SIDES, COLOURS)
def test_any_bytes_give_coefficients_or_a_format_error(data, height, width, colours):
    try:
        found = decode(data, height, width, colours)
    except FormatError:
        return
    assert found.shape == (height, width, 64 * colours)


def test_blocks_that_differ_take_fewer_bits_than_if_their_places_were_shuffled():
    """Scales follow what is known of a block: the same coefficients, mixed, cost a fifth more."""
    wanted = draw(20, 20, 1, 8, 1)
    mixed = np.random.default_rng(2).permuted(wanted.reshape(400, 64), axis=0).reshape(20, 20, 64)
    assert len(encode(wanted)) < len(encode(mixed)) / 1.2


@pytest.mark.parametrize("scale", [0.7, 9])
def test_noise_costs_its_entropy(scale):
    """What slopes, offsets and tables of a level that is everywhere the same add is under 3 %."""
    wanted = np.rint(np.random.default_rng(3).normal(0, scale, (40, 40, 64))).astype(np.int64)
    wanted[:, :, 0] = 0  # coded as differences, which cost more
    _, counts = np.unique(wanted[:, :, 1:], return_counts=True)
    entropy = -(counts * np.log2(counts / counts.sum())).sum()
    assert len(encode(wanted)) * 8 < 1.03 * entropy

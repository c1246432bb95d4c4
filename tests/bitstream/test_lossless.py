"""Samples come back exactly, and a payload that claims too much is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flowcodec.bitstream.lossless import pack_lossless, unpack_lossless
from flowcodec.errors import FormatError

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))


@given(arrays.arrays(np.uint8, SHAPES))
def test_every_tile_comes_back(pixels):
    decoded = unpack_lossless(pack_lossless(pixels), *pixels.shape)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


@given(st.integers(0, 60), st.binary(max_size=8), st.integers(0, 8))
def test_damage_gives_samples_or_a_format_error(start, noise, dropped):
    data = pack_lossless(np.arange(1200, dtype=np.uint8).reshape(20, 20, 3) // 7)
    try:
        pixels = unpack_lossless(data[:start] + noise + data[start + dropped :], 20, 20, 3)
    except FormatError as error:
        assert "\n" not in str(error)
    else:
        assert pixels.shape == (20, 20, 3)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 99))
def test_noise_does_not_grow(height, width, channels, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    assert len(pack_lossless(noise)) <= noise.size


@pytest.mark.parametrize("shape", [(3, 4), (4, 5), (16383, 16384)])
def test_another_size_is_refused_before_it_is_decoded(shape):
    payload = pack_lossless(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(FormatError, match=f"holds 4x4 pixels, not {shape[1]}x{shape[0]}"):
        unpack_lossless(payload, *shape, 3)


@pytest.mark.parametrize("payload", [b"", b"\x2f", b"\x2f\0\0\0\x10\0\0", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_chunk_without_alpha_is_refused(payload):
    with pytest.raises(FormatError, match="VP8L chunk without alpha"):
        unpack_lossless(payload, 1, 1, 3)


def test_a_chunk_that_ends_early_is_refused():
    payload = pack_lossless(np.random.default_rng(0).integers(0, 9, (30, 30, 3), np.uint8))
    with pytest.raises(FormatError, match="damaged"):
        unpack_lossless(payload[:300], 30, 30, 3)

"""The alpha plane comes back exactly, and a payload that claims too much is refused."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flowcodec.bitstream.alpha import pack_alpha, unpack_alpha
from flowcodec.errors import FormatError

planes = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(planes)
def test_every_plane_comes_back(alpha):
    decoded = unpack_alpha(pack_alpha(alpha), *alpha.shape)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, alpha)


def test_smooth_alpha_is_small():
    ramp = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint8)
    assert len(pack_alpha(ramp)) < 2000  # of 65,536: the PNG filters are at work


def test_pillows_limit_on_opened_pictures_is_not_ours(monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)
    alpha = np.zeros((8, 8), np.uint8)
    assert unpack_alpha(pack_alpha(alpha), *alpha.shape).shape == alpha.shape


@pytest.mark.parametrize("shape", [(3, 4), (5, 4), (4, 3), (4, 5), (4000, 4000)])
def test_another_size_is_refused(shape):
    payload = pack_alpha(np.full((4, 4), 7, np.uint8))
    with pytest.raises(FormatError, match="does not hold"):
        unpack_alpha(payload, *shape)


def test_more_rows_than_the_picture_has_are_not_inflated():
    bomb = zlib.compress(bytes(10_000_000))
    with pytest.raises(FormatError, match="does not hold 1 rows of 1 samples"):
        unpack_alpha(bomb, 1, 1)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "does not hold"),
        (b"not deflate", "damaged"),
        (zlib.compress(b"\x00\x07\x00\x07") + b"more", "does not hold"),
        (zlib.compress(b"\x09\x07\x00\x07"), "unfiltered"),
    ],
    ids=["empty", "no deflate stream", "bytes after the stream", "unknown filter"],
)
def test_broken_payloads_are_refused(payload, complaint):
    with pytest.raises(FormatError, match=complaint) as caught:
        unpack_alpha(payload, 2, 1)
    assert caught.value.unit == "alpha"

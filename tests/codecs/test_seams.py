"""Tiles of the bundled weights cost little, and nothing is to be seen between them."""

import pytest

from experiments.seams import BAND, Seams, measure, near_seams
from flowcodec.codecs.loading import load
from tests.codecs import stress

SIDE, TILE = 512, 128


@pytest.fixture(scope="module")
def seams() -> Seams:
    """16 small tiles of a picture of a quarter of a megapixel."""
    return measure(load(threads=1), stress.photo_like(SIDE, SIDE), 4, TILE)


def test_the_bands_along_the_seams_are_as_good_as_the_rest(seams):
    assert abs(seams["more_psnr"]) < 0.02
    assert abs(seams["more_psnr_in_bands"]) < 0.1


def test_tiles_take_few_bytes_more(seams):
    """A seam's length in pixels is what it costs by: 0.2 bytes are 0.5 % of usual photographs of
    four megapixels at quality 4."""
    length = 2 * SIDE * (SIDE // TILE - 1)
    assert seams["more_bytes"] * seams["bytes"] / length < 0.2


def test_bands_lie_along_the_seams():
    near = near_seams(3 * TILE, TILE)
    assert near.sum() == 2 * 2 * BAND
    assert near[TILE - BAND : TILE + BAND].all()
    assert not near[:BAND].any() and not near[-BAND:].any()

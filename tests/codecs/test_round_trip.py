"""Every size and kind of picture comes back, and tiles leave no seam."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowcodec.bitstream.picture_file import pack_picture, parse_picture
from flowcodec.codecs.picture import PictureCodec
from flowcodec.errors import FormatError, UsageError, WeightsError
from flowcodec.media.picture import Picture, read_picture
from tests.golden import make

SIDES = st.integers(1, 67)
QUALITIES = st.integers(1000, 8000).map(lambda quality: quality / 1000)
KINDS = st.sampled_from(
    [("learned",), ("plain",), ("lossless",), ("learned", "lossless"), ("learned", "plain")]
)


@cache
def codec() -> PictureCodec:
    return make.codec("tiny")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(float) - b).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def check(
    picture: Picture,
    quality: float = 8.0,
    tile: int = 1024,
    kinds: tuple[str, ...] = ("learned", "plain", "lossless"),
) -> None:
    coded = codec().encode(picture, quality, tile=tile, kinds=kinds)
    decoded = codec().decode(coded.data)
    assert decoded.pixels.shape == picture.pixels.shape
    assert np.array_equal(decoded.pixels, coded.reconstruction)
    assert coded.psnr == pytest.approx(psnr(decoded.pixels, picture.pixels), abs=0.01)
    assert decoded.icc == picture.icc
    assert (decoded.exif, decoded.xmp) == (picture.exif, picture.xmp)
    assert (decoded.alpha is None) == (picture.alpha is None)
    assert decoded.alpha is None or np.array_equal(decoded.alpha, picture.alpha)


@given(SIDES, SIDES, QUALITIES, st.booleans(), st.booleans(), KINDS)
def test_every_size_up_to_67_comes_back(height, width, quality, gray, alpha, kinds):
    pixels = make.draw(height, width)[:, :, : 1 if gray else 3]
    plane = make.draw(height, width, 1)[:, :, 0] if alpha else None
    picture = Picture(pixels.copy(), None if plane is None else plane.copy())
    check(picture, quality, tile=64, kinds=kinds)


@given(SIDES, SIDES)
def test_a_flat_picture_stays_nearly_flat(height, width):
    """Its colour is met wherever the picture ends: nothing of the padding shows."""
    pixels = np.full((height, width, 3), (140, 120, 90), np.uint8)
    decoded = codec().decode(codec().encode(pixels, 8, kinds=["learned"]).data)
    assert psnr(decoded.pixels, pixels) > 30


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1)])
@pytest.mark.parametrize("kind", ["learned", "plain", "lossless"])
def test_lines_come_back(shape, kind):
    check(Picture(make.draw(*shape)), kinds=(kind,))


def test_metadata_comes_back():
    check(Picture(make.draw(20, 30), icc=b"a profile", exif=b"II*\0\x08" + bytes(9), xmp=b"<x/>"))


def test_what_a_png_holds_comes_back():
    """Gray with alpha through the reader, as a user's file would come."""
    image = Image.fromarray(np.dstack([make.draw(40, 50, seed)[:, :, 0] for seed in (0, 1)]), "LA")
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    picture = read_picture(file)
    assert picture.gray and picture.alpha is not None
    check(picture)


@pytest.mark.parametrize("quality", [1, 8])
def test_tiles_leave_no_seam(quality, monkeypatch):
    """Windows have margins, so small tiles decode to the picture of one tile.

    Where a latent lies on the edge between two integers it may be rounded otherwise; elsewhere
    pixels agree within rounding. So it is while bits have no price: with one, an encoder's choice
    hangs on probabilities, which are those of the tile.
    """
    monkeypatch.setattr("flowcodec.codecs.picture.BIT_PRICE", 0.0)
    picture = make.draw(200, 330)
    whole = codec().encode(picture, quality, kinds=["learned"])
    for tile in (64, 128):
        parts = codec().encode(picture, quality, tile=tile, kinds=["learned"])
        assert parse_picture(parts.data).header.tile_count == -(-200 // tile) * -(-330 // tile)
        difference = np.abs(parts.reconstruction.astype(int) - whole.reconstruction)
        assert np.mean(difference > 1) < 0.001
        assert abs(parts.psnr - whole.psnr) < 0.01


@pytest.mark.parametrize("quality", [0.9, 8.1, float("nan"), float("inf")])
def test_qualities_outside_the_range_are_refused(quality):
    with pytest.raises(UsageError, match="1 to 8"):
        codec().encode(make.draw(4, 4), quality)


@pytest.mark.parametrize("tile", [0, 32, 100, 8192])
def test_tiles_off_the_grid_are_refused(tile):
    with pytest.raises(UsageError, match="multiple of 64"):
        codec().encode(make.draw(4, 4), tile=tile)


def test_a_file_of_other_weights_is_refused_by_name():
    data = make.codec("merge").encode(make.draw(20, 20)).data
    wanted = parse_picture(data).header.weights_hash.hex()
    with pytest.raises(WeightsError, match=wanted):
        codec().decode(data)


def test_a_tile_of_another_picture_is_refused():
    """Right checksums, wrong latents: the hash of the latents tells, and names tile and offset."""
    first, second = (
        codec().encode(make.draw(40, 40, seed), kinds=["learned"]).data for seed in (0, 1)
    )
    one, two = parse_picture(first), parse_picture(second)
    mixed = pack_picture(one.header, [replace(two.tiles[0], hash=one.tiles[0].hash)])
    with pytest.raises(FormatError, match="hash") as caught:
        codec().decode(mixed)
    assert (caught.value.unit, caught.value.offset) == ("tile 0", one.tiles[0].offset)

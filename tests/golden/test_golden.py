"""Old files stay readable for ever, and the same latents always give the same bytes."""

import json

import numpy as np
import pytest

from flowcodec.bitstream.numbers import Reader
from flowcodec.bitstream.picture_file import LEARNED, PLAIN, parse_picture
from flowcodec.entropy import plain
from flowcodec.media.picture import read_picture
from tests.golden import make

EXPECTED = json.loads(make.EXPECTED.read_text())


def test_every_stream_is_tested():
    assert set(EXPECTED) == set(make.STREAMS)
    assert {path.stem for path in make.FOLDER.glob("*.fci")} == set(make.STREAMS)


@pytest.mark.parametrize("name", EXPECTED)
def test_latents_are_those_of_the_day_it_was_made(name):
    file = parse_picture((make.FOLDER / f"{name}.fci").read_bytes())
    prior = make.codec(EXPECTED[name]["model"]).prior
    assert make.digests(prior, file) == {k: EXPECTED[name][k] for k in ("latents", "code")}
    for tile, integers in zip(file.tiles, make.latents(prior, file), strict=True):
        if tile.type == LEARNED:
            z, y = integers
            assert prior.encode(z, y, file.header.quality)[0] == tile.data
        elif tile.type == PLAIN:
            assert plain.encode(*integers) == tile.data


def test_every_kind_of_tile_is_there():
    files = [parse_picture((make.FOLDER / f"{name}.fci").read_bytes()) for name in make.STREAMS]
    kinds = [{tile.kind for tile in file.tiles} for file in files]
    for found in ({"learned"}, {"plain"}, {"lossless"}, {"learned", "lossless"}):
        assert found in kinds


def test_all_forms_of_a_matte_are_there():
    data = parse_picture((make.FOLDER / "matte-2080x8.fci").read_bytes()).matte
    reader, forms = Reader(data, 0, "matte"), []
    while reader.left:
        forms.append(reader.unsigned(1, "form"))
        reader.take(reader.varint("length") + 4, "hash and code")
    assert forms == [1, 2, 0]


@pytest.mark.parametrize("name", EXPECTED)
def test_pixels_are_within_one_of_those_of_that_day(name):
    decoded = make.codec(EXPECTED[name]["model"]).decode((make.FOLDER / f"{name}.fci").read_bytes())
    stored = read_picture(make.FOLDER / f"{name}.png")
    difference = decoded.pixels.astype(int) - stored.pixels
    assert np.abs(difference).max() <= 1
    assert (decoded.alpha is None) == (stored.alpha is None)
    assert decoded.alpha is None or np.array_equal(decoded.alpha, stored.alpha)
    assert decoded.icc == make.STREAMS[name].icc


@pytest.mark.parametrize("name", [n for n in EXPECTED if EXPECTED[n]["model"] != "merge"])
def test_pictures_resemble_their_source(name):
    """The transforms of "merge" are noise; the others' are a KLT."""
    source = make.source(make.STREAMS[name])
    stored = read_picture(make.FOLDER / f"{name}.png")
    error = np.square(stored.pixels.astype(float) - source.pixels).mean()
    assert error < 20**2
    assert source.alpha is None or np.array_equal(stored.alpha, source.alpha)

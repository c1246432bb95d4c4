"""What callers ask for: numbers of any library are numbers, everything else is told in one line."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import flowcodec
from flowcodec.codecs.settings import at_least_one, thousandths, tile_side
from flowcodec.errors import UsageError
from tests.training.pictures import draw


@pytest.mark.parametrize(
    ("quality", "found"),
    [
        (4, 4000),
        (2.5, 2500),
        (np.int64(4), 4000),
        (np.uint8(8), 8000),
        (np.float32(2.5), 2500),
        (np.array(3), 3000),
        (Fraction(5, 4), 1250),
        (Decimal("1.5"), 1500),
    ],
)
def test_qualities(quality, found):
    assert thousandths(quality) == found
    assert type(thousandths(quality)) is int


@pytest.mark.parametrize(
    "quality",
    ["4", b"4", None, "", "good", [4], [4, 5], {}, 1j, object(), np.array([4, 5])]
    + [float("nan"), float("inf"), np.float32("nan"), 0.9, 8.1, 0, -4, 10**400],
)
def test_what_is_no_quality(quality):
    with pytest.raises(UsageError, match="^quality is a number from 1 to 8, not ") as error:
        thousandths(quality)
    assert "\n" not in str(error.value)


def test_tiles_and_counts():
    assert [tile_side(tile) for tile in (64, np.int32(1024), np.uint16(2048))] == [64, 1024, 2048]
    for tile in ("64", None, 64.0, 0, 63, 100, 4096, -64, np.float64(64), [64]):
        with pytest.raises(UsageError, match="^tile is a multiple of 64 from 64 to 2048, not "):
            tile_side(tile)
    assert at_least_one(np.int64(3), "gop") == 3
    for count in ("3", None, 2.5, 0, -1):
        with pytest.raises(UsageError, match="^gop is a whole number from 1 on, not "):
            at_least_one(count, "gop")


def test_codecs_take_them(tiny_weights):
    codec = flowcodec.load(weights=tiny_weights, threads=np.int64(1))
    picture = draw(1, 30, 30)
    plain = codec.encode(picture, 4, tile=64).data
    assert codec.encode(picture, np.int64(4), tile=np.int64(64)).data == plain
    assert codec.encode(picture, np.float32(4), tile=np.uint8(64)).data == plain
    for wrong in ("4", None, float("nan")):
        with pytest.raises(UsageError):
            codec.encode(picture, wrong)
        with pytest.raises(UsageError):
            codec.encode(picture, 4, tile=wrong)
    for threads in ("2", 0, 1.5):
        with pytest.raises(UsageError, match="^threads is a whole number"):
            flowcodec.load(weights=tiny_weights, threads=threads)


@pytest.mark.parametrize("device", ["gpu", "", "meta", "cpu:x", "cuda:99", None, 7])
@pytest.mark.parametrize("model", ["image-cnn", "flow-deeppynet"])
def test_devices_that_are_not_there(model, device):
    with pytest.raises(UsageError, match="device"):
        flowcodec.load(model, device=device)

"""Flow made visible: the published colours, what is unknown, overlays and arrows in place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flowcodec.errors import UsageError
from flowcodec.media.flow_view import arrows, colors, largest_length, overlay, wheel_key, with_key

ANYTHING = st.floats(width=32)


def uniform(u: float, v: float, height: int = 4, width: int = 5) -> np.ndarray:
    return np.full((height, width, 2), (u, v), np.float32)


# By the published formula, at full length.
@pytest.mark.parametrize(
    ("u", "v", "colour"),
    [
        (1, 0, (255, 0, 0)),
        (0, 1, (255, 229, 0)),
        (-1, 0, (0, 208, 255)),
        (0, -1, (88, 0, 255)),
    ],
)
def test_hues_are_those_of_the_benchmark(u, v, colour):
    picture = colors(uniform(u, v), largest=1)
    assert picture.dtype == np.uint8 and picture.shape == (4, 5, 3)
    assert np.abs(picture.astype(int) - colour).max() <= 1


def test_length_is_saturation_up_to_the_largest():
    def red(length):
        return colors(uniform(length, 0), largest=8)[0, 0].tolist()

    assert red(0) == [255, 255, 255]
    assert red(4) == [255, 127, 127]
    assert red(8) == red(80) == [255, 0, 0]


def test_unknown_is_black_and_still_is_white():
    vectors = uniform(0, 0)
    vectors[0, 0] = np.nan, 1
    vectors[0, 1] = np.inf, 1
    valid = np.ones((4, 5), bool)
    valid[0, 2] = False
    picture = colors(vectors, valid)
    assert not picture[0, :3].any()
    assert (picture[1:] == 255).all()
    assert not colors(np.full((2, 2, 2), np.nan)).any()


def test_the_default_scale_leaves_outliers_out_and_noise_pale():
    vectors = uniform(3, 4, 50, 50)
    vectors[0, 0] = 1000
    assert largest_length(vectors) == pytest.approx(5)
    assert largest_length(vectors, np.zeros((50, 50), bool)) == 1
    noise = np.random.default_rng(1).normal(0, 0.02, (50, 50, 2)).astype(np.float32)
    assert largest_length(noise) == 1
    assert colors(noise).min() > 200


@given(
    vectors=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=ANYTHING),
    other=ANYTHING,
)
@pytest.mark.filterwarnings("error")
def test_any_vectors_can_be_shown(vectors, other):
    flow = np.stack((vectors, np.full_like(vectors, other)), axis=2)
    frame = np.zeros((*vectors.shape, 3), np.uint8)
    for picture in (colors(flow), overlay(frame, flow), arrows(frame, flow)):
        assert picture.shape == frame.shape and picture.dtype == np.uint8


def test_the_key_shows_each_vector_where_it_points():
    key = wheel_key(101)
    assert key.shape == (101, 101, 3) and key.dtype == np.uint8
    assert (key[50, 50] == 255).all() and not key[0, 0].any()
    for u, v in [(40, 0), (0, 40), (-30, 10), (5, -20)]:
        expected = colors(uniform(u, v), largest=50.5)[0, 0]
        assert np.abs(key[50 + v, 50 + u].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(200, 300), (16, 16), (5, 7)])
def test_the_key_goes_into_the_corner(size):
    gray = np.full((*size, 3), 100, np.uint8)
    picture = with_key(gray, 12.345)
    assert picture.shape == gray.shape and picture.dtype == np.uint8
    assert (picture != 100).any()
    assert (gray == 100).all()
    if size == (200, 300):
        # The disc is 40 wide with its rim 5 from the edges; the text stands to its left.
        assert (picture[175, 275] > 240).all()
        assert (picture[:150] == 100).all() and (picture[:, :150] == 100).all()
        assert (picture[170:, 200:250] > 200).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_overlay_keeps_gray_where_nothing_moves(channels):
    frame = np.full((4, 6, channels), 90, np.uint8)
    vectors, valid = uniform(0, 0, 4, 6), np.ones((4, 6), bool)
    vectors[:, 2:] = 10, 0
    valid[:, 4:] = False
    picture = overlay(frame, vectors, valid, largest=10)
    assert (picture[:, :2] == 90).all() and (picture[:, 4:] == 90).all()
    assert (picture[:, 2:4, 0] > 200).all() and (picture[:, 2:4, 1:] < 30).all()


def test_arrows_begin_on_the_grid_and_end_where_the_pixel_goes():
    frame = np.full((64, 96, 1), 90, np.uint8)
    vectors = np.zeros((64, 96, 2), np.float32)
    vectors[16, 16] = 40, 20
    valid = np.ones((64, 96), bool)
    valid[16, 48] = False
    picture = arrows(frame, vectors, valid, step=32)
    drawn = (picture != 90).any(axis=2)
    assert drawn[16, 16] and drawn[26, 36] and drawn[36, 56]
    assert drawn[48, 48], "a still pixel is a dot"
    assert not drawn[10:23, 44:53].any(), "an unknown one is nothing"
    assert not drawn[37:60, 60:70].any()
    assert picture[26, 36].tolist() == [255, 230, 0]
    assert (frame == 90).all()
    longer = arrows(frame, vectors, valid, step=32, scale=1.5)
    assert (longer[46, 76] != 90).any()


def test_frames_of_another_size_are_refused():
    for draw in (overlay, arrows):
        with pytest.raises(UsageError, match="flow of 5 x 4 pixels .* a frame of 6 x 4"):
            draw(np.zeros((4, 6, 3), np.uint8), uniform(1, 1))

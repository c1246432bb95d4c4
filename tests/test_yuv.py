"""Y, Cb and Cr in 4:2:0, and what is measured of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowcodec.yuv import PSNR_WEIGHTS, eight_bits, planes_of, psnr, squared_error
from tests.golden import make

SIDES = st.integers(1, 33)


@given(SIDES, SIDES)
def test_planes_are_those_of_jfif_and_means_of_four_pixels(height, width):
    pixels = make.draw(height, width)
    known = np.asarray(Image.fromarray(pixels).convert("YCbCr"), float) - (0, 128, 128)
    even = np.pad(known, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    means = even.reshape(len(even) // 2, 2, -1, 2, 3).mean((1, 3))
    y, *colour = planes_of(pixels)
    np.testing.assert_allclose(y, known[..., 0], atol=1.01)  # Pillow has whole numbers
    for plane, wanted in zip(colour, means.transpose(2, 0, 1)[1:], strict=True):
        np.testing.assert_allclose(plane, wanted, atol=1.01)


def test_gray_has_no_colour():
    gray = make.draw(5, 8)[..., :1]
    y, *colour = planes_of(gray)
    np.testing.assert_allclose(y, gray[..., 0], atol=1e-4)
    assert all(np.abs(plane).max() < 1e-4 for plane in colour)
    assert [plane.shape for plane in planes_of(gray)] == [(5, 8), (3, 4), (3, 4)]


def test_planes_of_eight_bits_stand_around_128():
    y, cb, cr = eight_bits(np.array([[(255, 0, 0)] * 2] * 2, np.uint8))
    assert (y == 76).all() and (cb, cr) == (85, 255)  # JFIF's red, whose Cr of 255.5 does not fit


def test_psnr_weighs_planes_6_1_1_and_leaves_out_exact_ones():
    a = [np.zeros(shape) for shape in ((4, 6), (2, 3), (2, 3))]
    errors = 2.0, 5.0, 7.0
    b = [plane + error for plane, error in zip(a, errors, strict=True)]
    decibels = [20 * math.log10(255 / error) for error in errors]
    assert psnr(a, b) == pytest.approx((6 * decibels[0] + decibels[1] + decibels[2]) / 8)
    assert sum(PSNR_WEIGHTS) == 8
    assert psnr(a, [b[0], *a[1:]]) == pytest.approx(decibels[0])
    assert psnr(a, a) == math.inf


def test_squared_error_is_that_of_luma_for_gray_and_blind_to_what_the_planes_lose():
    gray = np.random.default_rng(1).integers(-9, 9, (6, 4, 1))
    assert squared_error(gray) == pytest.approx(np.square(gray).sum(), rel=1e-5)
    assert squared_error(np.repeat(gray, 3, 2)) == pytest.approx(np.square(gray).sum(), rel=1e-5)
    hue = np.array([1.402, -0.299 / 0.587 * 1.402, 0])  # Cr of 1, Y of 0
    checks = np.where(np.indices((4, 6)).sum(0) % 2, 1, -1)[..., None]
    assert squared_error(checks * hue) < 1e-9
    assert squared_error(np.ones((4, 6, 1)) * hue) == pytest.approx(24 * 0.5, rel=1e-5)

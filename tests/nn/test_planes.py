"""RGB to planes in 4:2:0 and back, and the bases in which these are corrected."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.nn.distortion import distortion
from flowcodec.nn.patches import RGB, YUV420, Planes, dct_basis
from flowcodec.nn.planes import to_planes, to_rgb

SIDES = st.integers(1, 9)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@given(SIDES, SIDES)
def test_what_is_shown_has_exactly_the_planes_it_was_made_of(height: int, width: int) -> None:
    planes = noise(2, 6, height, width)
    shown = to_rgb(planes, YUV420)
    assert shown.shape == (2, 3, 2 * height, 2 * width)
    torch.testing.assert_close(to_planes(shown, YUV420), planes, atol=1e-5, rtol=0)


def test_colour_that_is_flat_or_slopes_comes_back() -> None:
    down, right = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing="ij")
    colours = noise(3, 3)
    x = torch.stack([a + b * down + c * right for a, b, c in colours])[None]
    back = to_rgb(to_planes(x, YUV420), YUV420)
    torch.testing.assert_close(back[..., 2:-2, 2:-2], x[..., 2:-2, 2:-2], atol=1e-4, rtol=0)
    flat = colours[0].view(1, 3, 1, 1).expand(1, 3, 6, 4)
    torch.testing.assert_close(to_rgb(to_planes(flat, YUV420), YUV420), flat)


@given(SIDES, SIDES)
def test_the_distortion_is_its_definition(height: int, width: int) -> None:
    """Mean squared errors of Y, Cb and Cr weighted 1, 1/2 and 1/2, written out."""
    x, x_hat = noise(2, 3, 2 * height, 2 * width), noise(2, 3, 2 * width, 2 * height).mT
    r, g, b = (x_hat - x).double().numpy().transpose(1, 0, 2, 3)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    colour = [
        each.reshape(2, height, 2, width, 2).mean((2, 4))
        for each in ((b - y) / 1.772, (r - y) / 1.402)
    ]
    means = [np.square(each).mean((1, 2)) for each in (y, *colour)]
    wanted = means[0] + 0.5 * means[1] + 0.5 * means[2]
    np.testing.assert_allclose(distortion("yuv", x, x_hat).numpy(), wanted, rtol=1e-4)


def test_a_gray_error_costs_what_it_costs_by_mse() -> None:
    x, error = noise(3, 3, 8, 6), noise(3, 1, 8, 6)
    by_yuv, by_mse = (distortion(metric, x, x + error) for metric in ("yuv", "mse"))
    torch.testing.assert_close(by_yuv, by_mse)


@pytest.mark.parametrize("planes", [RGB, YUV420])
def test_bases_are_orthonormal(planes: Planes) -> None:
    basis = torch.from_numpy(dct_basis(planes))
    side = planes.block
    assert basis.shape == (planes.coefficients, planes.channels, side, side)
    flat = basis.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-5, rtol=0)


def test_gray_has_the_same_coefficients_in_both_bases() -> None:
    gray = noise(1, 1, 8, 8).expand(1, 3, 8, 8)
    found = [
        F.conv2d(to_planes(gray, planes), torch.from_numpy(dct_basis(planes))).flatten()
        for planes in (RGB, YUV420)
    ]
    torch.testing.assert_close(found[0][:64], found[1][:64], atol=1e-5, rtol=0)
    assert all(coefficients[64:].abs().max() < 1e-5 for coefficients in found)

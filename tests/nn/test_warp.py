"""Warping samples where the flow says."""

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from flowcodec.nn.warp import inside, warp


def test_no_flow_changes_nothing_and_whole_pixels_are_exact() -> None:
    x = torch.rand(2, 3, 17, 23)
    torch.testing.assert_close(warp(x, torch.zeros(2, 2, 17, 23)), x, atol=1e-5, rtol=0)
    flow = torch.zeros(2, 2, 17, 23)
    flow[:, 0], flow[:, 1] = 3, -2
    shifted = warp(x, flow)
    torch.testing.assert_close(shifted[:, :, 2:, :-3], x[:, :, :-2, 3:], atol=1e-5, rtol=0)
    torch.testing.assert_close(shifted[:, :, 0, :-3], x[:, :, 0, 3:], atol=1e-5, rtol=0)


def test_parts_of_pixels_are_bilinear() -> None:
    x = torch.rand(1, 1, 12, 15)
    flow = torch.rand(1, 2, 12, 15) * 8 - 4
    y_at, x_at = np.mgrid[:12, :15] + flow[0].flip(0).numpy()
    wanted = map_coordinates(x[0, 0].numpy(), [y_at, x_at], order=1, mode="nearest")
    np.testing.assert_allclose(warp(x, flow)[0, 0].numpy(), wanted, atol=1e-5)


def test_splines_go_through_all_samples_and_are_those_of_scipy() -> None:
    x = torch.rand(2, 3, 21, 26)
    torch.testing.assert_close(warp(x, torch.zeros(2, 2, 21, 26), "spline"), x, atol=2e-4, rtol=0)
    flow = torch.rand(2, 2, 21, 26) * 12 - 6
    y_at, x_at = np.mgrid[:21, :26] + flow[1].flip(0).numpy()
    y_at, x_at = y_at.clip(0, 20), x_at.clip(0, 25)
    wanted = map_coordinates(x[1, 2].numpy(), [y_at, x_at], order=3, mode="nearest")
    np.testing.assert_allclose(warp(x, flow, "spline")[1, 2].numpy(), wanted, atol=5e-4)


def test_inside_is_where_the_flow_stays_in_the_picture() -> None:
    flow = torch.zeros(1, 2, 4, 6)
    flow[:, 0] = 2.5
    assert inside(flow)[0, 0, 1].tolist() == [1, 1, 1, 0, 0, 0]

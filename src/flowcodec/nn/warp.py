"""Backward warping: what a second picture shows where a flow says the first one's pixels went."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Interpolation = Literal["bilinear", "bicubic", "spline"]

POLE = 3**0.5 - 2  # of the filter from samples to coefficients of a cubic spline
TAPS = 8  # on either side; the first that is left out is 2^-15
BEYOND = 2  # coefficients that count at a border


def warp(x: Tensor, flow: Tensor, interpolation: Interpolation = "bilinear") -> Tensor:
    """x (B, C, H, W) sampled at p + flow(p); beyond the border, the border's values.

    flow (B, 2, H, W) in pixels of x: channel 0 to the right, channel 1 down.
    """
    places = _grid(flow) + flow
    if interpolation == "spline":
        return _spline(x, places)
    return sampled(x, places, interpolation)


def sampled(x: Tensor, places: Tensor, interpolation: str = "bilinear") -> Tensor:
    """x (B, C, H, W) at places (B, 2, h, w) in its pixels, as `warp` has it but for splines."""
    grid = (places * (2 / _last(x).clamp(min=1))).sub_(1).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode=interpolation, padding_mode="border", align_corners=True)


def _spline(x: Tensor, places: Tensor) -> Tensor:
    """The cubic spline through all samples of x: of 16 coefficients each, in four bilinear lookups.

    Where one lookup stands for two coefficients, its place says in which parts.
    """
    coefficients = _coefficients(x)
    places = torch.minimum(places.clamp(min=0), _last(x)) + BEYOND
    whole = places.floor()
    f = places - whole
    outer, inner = (1 - f) ** 3 / 6, (4 - 6 * f**2 + 3 * f**3) / 6
    first = outer + inner
    second = 1 - first
    before, after = whole - 1 + inner / first, whole + 1 + f**3 / 6 / second
    found = x.new_zeros(())
    for wx, px in ((first, before), (second, after)):
        for wy, py in ((first, before), (second, after)):
            at = torch.cat([px[:, :1], py[:, 1:]], 1)
            found = found + wx[:, :1] * wy[:, 1:] * sampled(coefficients, at, "bilinear")
    return found


def _coefficients(x: Tensor) -> Tensor:
    """Of the cubic spline through the samples of (B, C, H, W), whose borders go on beyond:
    (B, C, H + 4, W + 4)."""
    distance = torch.arange(-TAPS, TAPS + 1, dtype=x.dtype, device=x.device).abs()
    taps = POLE**distance
    taps = (taps / taps.sum()).expand(x.shape[1], 1, -1)
    x = F.pad(x, (TAPS + BEYOND,) * 4, mode="replicate")
    x = F.conv2d(x, taps[:, :, None], groups=x.shape[1])
    return F.conv2d(x, taps[..., None], groups=x.shape[1])


def inside(flow: Tensor) -> Tensor:
    """1 where p + flow(p) lies in the picture, else 0: (B, 1, H, W)."""
    grid = _grid(flow) + flow
    there = (grid >= 0) & (grid <= _last(flow))
    return (there[:, :1] & there[:, 1:]).to(flow.dtype)


def _last(x: Tensor) -> Tensor:
    """The last place in x (B, C, H, W), to the right and down: (1, 2, 1, 1)."""
    sides = (x.shape[3], x.shape[2])
    places = [torch.as_tensor(side - 1, dtype=x.dtype, device=x.device) for side in sides]
    return torch.stack(places).view(1, 2, 1, 1)


def _grid(flow: Tensor) -> Tensor:
    """The pixels' own places, (1, 2, H, W)."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=flow.dtype, device=flow.device),
        torch.arange(width, dtype=flow.dtype, device=flow.device),
        indexing="ij",
    )
    return torch.stack([x, y])[None]

"""Backward warping: what a second picture shows where a flow says the first one's pixels went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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
    return warped(filtered(x, interpolation), flow, interpolation)


def filtered(x: Tensor, interpolation: Interpolation) -> Tensor:
    """What `warped` takes of x (B, C, H, W), once for any number of flows."""
    return _coefficients(x) if interpolation == "spline" else x


def warped(x: Tensor, flow: Tensor, interpolation: Interpolation) -> Tensor:
    """As `warp`, of what `filtered` gave."""
    drawn = torch.onnx.is_in_onnx_export()
    if drawn:  # of broken weights: what is no number is no place in memory
        flow = torch.where(flow == flow, flow, torch.zeros_like(flow))
    places = _grid(flow) + flow
    if interpolation == "spline":
        return _spline(x, places)
    if drawn and interpolation == "bilinear":
        return _looked_up(x, [(None, torch.minimum(places.clamp(min=0), _last(x)))])
    return sampled(x, places, interpolation)


def sampled(x: Tensor, places: Tensor, interpolation: str = "bilinear") -> Tensor:
    """x (B, C, H, W) at places (B, 2, h, w) in its pixels, as `warp` has it but for splines."""
    grid = (places * (2 / _last(x).clamp(min=1))).sub_(1).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode=interpolation, padding_mode="border", align_corners=True)


def _spline(coefficients: Tensor, places: Tensor) -> Tensor:
    """The cubic spline through all samples: of 16 coefficients each, in four bilinear lookups.

    Where one lookup stands for two coefficients, its place says in which parts.
    """
    places = torch.minimum(places.clamp(min=0), _last(coefficients) - 2 * BEYOND) + BEYOND
    whole = places.floor()
    f = places - whole
    cube = f * f * f
    first = (5 - 3 * f - 3 * f * f + 2 * cube) / 6  # of the two coefficients before
    second = 1 - first
    before = whole - 1 + (4 - 6 * f * f + 3 * cube) / 6 / first
    after = whole + 1 + cube / 6 / second
    lookups = [
        (wx[:, :1] * wy[:, 1:], torch.cat([px[:, :1], py[:, 1:]], 1))
        for wy, py in ((first, before), (second, after))
        for wx, px in ((first, before), (second, after))
    ]
    if torch.onnx.is_in_onnx_export():
        return _looked_up(coefficients, lookups)
    found = coefficients.new_zeros(())
    for weight, at in lookups:
        found = found + weight * sampled(coefficients, at)
    return found


def _looked_up(x: Tensor, lookups: Sequence[tuple[Tensor | None, Tensor]]) -> Tensor:
    """The sum of one or four bilinear lookups inside of x, each times a weight: as a deformable
    convolution, which ONNX Runtime has done in a third of the time of its GridSample.

    Four taps stand in the corners of 5x5 coefficients, so that it gives the size of the picture.
    """
    own, offsets = _grid(lookups[0][1]), []
    side = len(lookups) // 2 or 1
    for tap, (_, at) in enumerate(lookups):
        corner = 2 * BEYOND * own.new_tensor([tap % 2, tap // 2]).view(1, 2, 1, 1)
        offsets.append((at - own - corner).flip(1))
    places = torch.nan_to_num(torch.cat(offsets, 1))  # what is no number is no place in memory
    kernel = torch.eye(int(x.shape[1]))[:, :, None, None].expand(-1, -1, side, side)
    weights = [weight for weight, _ in lookups if weight is not None]
    rest = [kernel[0, :, 0, 0] * 0, torch.cat(weights, 1)] if weights else []
    found: Tensor = _DeformConv.apply(x, kernel, places, *rest)
    return found


class _DeformConv(torch.autograd.Function):
    """To be drawn, not to be computed: the operator of that name."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, places: Tensor, *rest: Tensor) -> Tensor:
        return x.new_zeros(*x.shape[:2], *places.shape[2:])

    @staticmethod
    def symbolic(g: Any, *inputs: Any) -> Any:
        return g.op("DeformConv", *inputs, dilations_i=[2 * BEYOND] * 2)


def _coefficients(x: Tensor) -> Tensor:
    """Of the cubic spline through the samples of (B, C, H, W), whose borders go on beyond:
    (B, C, H + 4, W + 4)."""
    channels = int(x.shape[1])
    taps = POLE ** torch.arange(-TAPS, TAPS + 1, dtype=x.dtype, device=x.device).abs()
    taps = (taps / taps.sum()).expand(channels, 1, -1)
    x = F.pad(x, (TAPS + BEYOND,) * 4, mode="replicate")
    x = F.conv2d(x, taps[:, :, None], groups=channels)
    return F.conv2d(x, taps[..., None], groups=channels)


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

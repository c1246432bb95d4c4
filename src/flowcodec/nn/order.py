"""Orders of coding as training sees them: the twin of `entropy.order`, which draws them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Order = Literal["checkerboard", "wavefront", "four-step", "one-step"]
KERNELS: dict[Order, int] = {"checkerboard": 3, "wavefront": 5, "four-step": 3}
LATER: dict[Order, int] = {"checkerboard": 1, "wavefront": 1, "four-step": 3, "one-step": 0}
"""Ranks above 0."""


def orders_of(order: Order | tuple[Order, ...], slices: int) -> tuple[Order, ...]:
    """The order of each slice. A word alone is for all of them, but of "checkerboard" the last
    slice, which has none to help, comes in one step."""
    if isinstance(order, tuple):
        return order
    if order == "checkerboard":
        return (order,) * (slices - 1) + ("one-step",)
    return (order,) * slices


def steps_of(order: Order, height: int, width: int, device: torch.device) -> Tensor:
    """(h, w) integers that rise with the step in which a position is coded."""
    if order != "wavefront":
        return ranks_of(order, height, width, device)
    rows = torch.arange(height, device=device)[:, None]
    return 3 * rows + torch.arange(width, device=device)


def ranks_of(order: Order, height: int, width: int, device: torch.device) -> Tensor:
    """(h, w) integers: a position is coded in the step of its rank, and sees the lower ones.

    Of a wavefront training knows two: 0 of the first position, which sees nothing, and 1 of all
    others, whose convolution sees no position that comes later.
    """
    row = torch.arange(height, device=device)[:, None]
    column = torch.arange(width, device=device)[None, :]
    if order == "checkerboard":
        return (row + column) % 2
    if order == "four-step":
        return row % 2 * 3 ^ column % 2 * 2
    if order == "wavefront":
        return (row + column > 0).long()
    return torch.zeros_like(row + column)

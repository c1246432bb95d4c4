"""What a step of y sees of what is known: the twin of `entropy.context`, in floating point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowcodec.nn.fixed_point import ACTIVATION_LIMIT, FixedConv2d, activation
from flowcodec.nn.order import KERNELS, Order


def contexts_of(
    slices: Sequence[int], orders: Sequence[Order], features: int
) -> tuple[nn.ModuleDict, nn.ModuleDict]:
    """By number of the slice: the convolutions inside slices, and those by which whole slices tell
    the next ones where that is another convolution."""
    within: dict[str, FixedConv2d] = {}
    wholes: dict[str, FixedConv2d] = {}
    for index, (channels, order) in enumerate(zip(slices, orders, strict=True)):
        if order != "one-step":
            kind = CausalConv2d if order == "wavefront" else FixedConv2d
            within[str(index)] = kind(2 * channels, features, KERNELS[order])
        if order in ("one-step", "wavefront") and index + 1 < len(slices):
            wholes[str(index)] = FixedConv2d(2 * channels, features, 3)
    for conv in (*within.values(), *wholes.values()):
        assert conv.bias is not None
        nn.init.normal_(conv.weight, std=0.02)
        nn.init.zeros_(conv.bias)
    return nn.ModuleDict(within), nn.ModuleDict(wholes)


class CausalConv2d(FixedConv2d):
    """A `FixedConv2d` that sees only what lies above a position, and to its left in its own row.

    Minnen et al. 2018 call it a masked convolution.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel)
        before = torch.arange(kernel * kernel).view(kernel, kernel) < kernel * kernel // 2
        self.register_buffer("mask", before.float(), persistent=False)
        with torch.no_grad():
            self.weight.mul_(self.mask)
        self.weight.register_hook(lambda gradient: gradient * self.mask)


def context_input(y: Tensor, log_gain: Tensor) -> Tensor:
    """What a context sees of decoded integers (B, M, h, w): their values before the gain, and
    log2(1+|y|), fixed-point activations (B, 2M, h, w)."""
    value = activation(y * torch.exp2(-log_gain))
    magnitude = activation(torch.log2(1 + y.abs()).clamp(max=ACTIVATION_LIMIT))
    return torch.cat([value, magnitude], 1)

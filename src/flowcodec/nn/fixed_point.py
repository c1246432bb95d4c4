"""Layers of the exact prior as training sees them.

The prior is coded with integers (`flowcodec.entropy`). These layers run the same arithmetic in
floating point with straight-through rounding, and export the integers:

- activations are multiples of 2^-10, kept within [-128, 128];
- weights are multiples of 2^-12, biases of 2^-22;
- LeakyReLU's negative slope is 1/8 (an arithmetic shift by three).
"""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.straight_through import round_through

ACTIVATION_BITS = 10
WEIGHT_BITS = 12
ACTIVATION_LIMIT = 128.0


def activation(x: Tensor) -> Tensor:
    """Round to multiples of 2^-10 and clamp to [-128, 128]."""
    return round_through(x, ACTIVATION_BITS).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU with slope 1/8."""
    return F.leaky_relu(x, 0.125)


class FixedConv2d(nn.Conv2d):
    """A stride-1 convolution with zero padding whose weights are fixed-point numbers."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def linear(self, x: Tensor) -> Tensor:
        """The convolution alone, before rounding and clamping."""
        assert self.bias is not None
        weight = round_through(self.weight, WEIGHT_BITS)
        return F.conv2d(x, weight, self.bias, padding=self.padding)

    def forward(self, x: Tensor) -> Tensor:
        return activation(self.linear(x))

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """Integers: weight (O, I, k, k) times 2^12 and bias (O,) times 2^22, both int32."""
        assert self.bias is not None
        weight = (self.weight.detach().double() * (1 << WEIGHT_BITS)).round()
        bias = (self.bias.detach().double() * (1 << (WEIGHT_BITS + ACTIVATION_BITS))).round()
        limit = 2**31 - 1
        return (
            weight.clamp(-limit, limit).int().numpy(),
            bias.clamp(-limit, limit).int().numpy(),
        )

"""The 5x5 convolutions of stride 2 of which the papers' transforms are made."""

from __future__ import annotations

from torch import nn


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """5x5 convolution of stride 2."""
    return nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)


def up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """5x5 transposed convolution of stride 2."""
    return nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1)

"""Small convolution blocks shared by the transforms."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1  # of LeakyReLU below zero
GATED = 4.0  # largest product of a gate

Conv = TypeVar("Conv", bound=nn.Conv2d)
Trunk = Literal["dense", "gated"]
"""What a trunk is made of: `ResidualBlock` or `GatedBlock`."""


class ResidualBlock(nn.Module):
    """x + conv3x3(LeakyReLU(conv3x3(x))); starts near identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = quiet_start(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.first(x), SLOPE, inplace=True))


class GatedBlock(nn.Module):
    """Two residual steps, each near identity at the start: across space, then between channels.

    x + conv1x1(depthwise3x3(LeakyReLU(conv1x1(x)))), then x + conv1x1(LeakyReLU(u) * v), where u
    and v are the halves of a 1x1 convolution to twice the channels. Per position it multiplies a
    quarter as often as `ResidualBlock`. Products are bounded: photographs seldom reach the bound,
    but dithered graphics, squared from block to block, went beyond all numbers.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.space = nn.ModuleDict(
            {
                "first": nn.Conv2d(channels, channels, 1),
                "across": nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
                "second": quiet_start(nn.Conv2d(channels, channels, 1)),
            }
        )
        self.gate = nn.ModuleDict(
            {
                "halves": nn.Conv2d(channels, 2 * channels, 1),
                "second": quiet_start(nn.Conv2d(channels, channels, 1)),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(self.space["first"](x), SLOPE, inplace=True)
        x = x + self.space["second"](self.space["across"](inner))
        u, v = self.gate["halves"](x).chunk(2, 1)
        gated = (F.leaky_relu(u, SLOPE) * v).clamp(-GATED, GATED)
        return x + self.gate["second"](gated)


BLOCKS: dict[Trunk, type[nn.Module]] = {"dense": ResidualBlock, "gated": GatedBlock}


def quiet_start(layer: nn.Conv2d) -> nn.Conv2d:
    """Begin with weights of a tenth of their usual size, so that a residual adds little."""
    inputs = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=0.1 * (2 / inputs) ** 0.5)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def zero_start(layer: Conv) -> Conv:
    """Zero the layer, so that the branch it ends is silent at step 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer

"""The feature extractor: three pyramids, each refining what the one before found (sec. 4.1-4.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.flow_deeppynet.config import LEVELS, DeepPyNetConfig
from flowcodec.nn.blocks import ResidualBlock, zero_start


class Pyramids(nn.Module):
    """A picture (B, 3, H, W) -> features of levels 1 to 4 of the last pyramid.

    H and W multiples of 16; level l is (B, channels[l - 1], H / 2^l, W / 2^l).
    """

    def __init__(self, config: DeepPyNetConfig):
        super().__init__()
        self.pyramids = nn.ModuleList(Pyramid(config, place) for place in range(config.pyramids))

    def forward(self, x: Tensor) -> list[Tensor]:
        guide: list[Tensor] | None = None
        for pyramid in self.pyramids:
            guide = pyramid(x, guide)
        assert guide is not None
        return guide


class Pyramid(nn.Module):
    """One pyramid: the left (place 0), the middle (1), which adds max-pooling, or the right (2)."""

    def __init__(self, config: DeepPyNetConfig, place: int):
        super().__init__()
        widths = (3, *config.channels)
        self.levels = nn.ModuleList(
            Level(config, place, level, widths[level - 1], widths[level])
            for level in range(1, LEVELS + 1)
        )

    def forward(self, x: Tensor, guide: list[Tensor] | None) -> list[Tensor]:
        found = []
        for number, level in enumerate(self.levels):
            x = level(x, None if guide is None else guide[number])
            found.append(x)
        return found


class Level(nn.Module):
    """From one level to the next: weighted feature downsampling, guidance, residual blocks.

    WFD is a 3x3 convolution of stride 2 (eq. 4.2); the middle pyramid adds a 1x1 convolution of
    the max-pooled features to it (eq. 4.3). Guided (eq. 4.4), the result is multiplied by a mask
    (MAF) and shifted by a bias (ABF), both computed from the pyramid before at the same level, then
    convolved. Our reading: eq. 4.4 multiplies features of two resolutions, so the downsampling
    comes first; MAF is twice a sigmoid, so that zero weights leave the features as they are.
    """

    def __init__(self, config: DeepPyNetConfig, place: int, number: int, before: int, width: int):
        super().__init__()
        self.down = nn.Conv2d(before, width, 3, stride=2, padding=1)
        self.pooled = nn.Conv2d(before, width, 1) if place == 1 else None
        guided = place > 0 and number in config.modulated
        masked = guided and config.modulation in ("both", "maf")
        shifted = guided and config.modulation in ("both", "abf")
        self.mask = zero_start(nn.Conv2d(width, width, 1)) if masked else None
        self.bias = nn.Conv2d(width, width, 1) if shifted else None
        self.merge = nn.Conv2d(width, width, 3, padding=1) if masked or shifted else None
        self.blocks = nn.Sequential(
            *(ResidualBlock(width) for _ in range(config.blocks[number - 1]))
        )

    def forward(self, x: Tensor, guide: Tensor | None) -> Tensor:
        down = self.down(x)
        if self.pooled is not None:
            down += self.pooled(max_pool(x))
        down = F.leaky_relu(down, 0.1, inplace=True)
        if self.mask is not None:
            down = down * (2 * torch.sigmoid(self.mask(guide)))
        if self.bias is not None:
            down = down + self.bias(guide)
        if self.merge is not None:
            down = F.leaky_relu(self.merge(down), 0.1, inplace=True)
        return self.blocks(down)


def max_pool(x: Tensor) -> Tensor:
    """The largest of each 2x2; of few channels faster than torch's own."""
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])

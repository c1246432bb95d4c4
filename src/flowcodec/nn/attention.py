"""Attention blocks: the thesis's adjacent attention, and the two it is compared with.

All of them work in windows of a fixed number of positions, aligned with the picture's origin,
so that their cost is linear and a picture can be coded in parts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.blocks import ResidualBlock, zero_start
from flowcodec.nn.fixed_point import FixedConv2d, activation

WINDOW = 8


def windows(x: Tensor, size: int = WINDOW) -> tuple[Tensor, tuple[int, int]]:
    """(B, C, H, W) -> (B, H/size, W/size, size, size, C), zero-padded; and the original H, W."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % size, 0, -height % size))
    b, c, h, w = x.shape
    x = x.view(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 3, 5, 1), (height, width)


def unwindows(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """The inverse of `windows`."""
    b, rows, columns, size, _, c = x.shape
    x = x.permute(0, 5, 1, 3, 2, 4).reshape(b, c, rows * size, columns * size)
    return x[:, :, : shape[0], : shape[1]]


class AdjacentAttention(nn.Module):
    """AAB (thesis 3.1): softmax attention along columns and along rows, merged into a gate.

    Eq. 3.2 gives the vertical and horizontal weight features V and H (values d_l weighted by a
    softmax along the line); eq. 3.3 concatenates [V, H, V*H, max(V, H)]; one convolution and a
    3x3 average pooling follow. Our reading: the result is a sigmoid gate times 2 on the input,
    so that zero weights mean identity. Shapes (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.merge = zero_start(nn.Conv2d(4 * channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        cells, shape = windows(self.qkv(x))
        query, key, value = cells.chunk(3, dim=-1)  # (B, rows, columns, s, s, C)
        horizontal = F.scaled_dot_product_attention(query, key, value)
        query, key, value = (t.transpose(3, 4).contiguous() for t in (query, key, value))
        vertical = F.scaled_dot_product_attention(query, key, value).transpose(3, 4)
        weights = torch.cat(
            [vertical, horizontal, vertical * horizontal, torch.maximum(vertical, horizontal)], -1
        )
        pooled = F.avg_pool2d(self.merge(unwindows(weights, shape)), 3, 1, 1)
        return x * (2 * torch.sigmoid(pooled))


class SimplifiedAttention(nn.Module):
    """The attention of Cheng et al. 2020: a trunk of residual blocks gated by a mask branch."""

    def __init__(self, channels: int):
        super().__init__()
        self.trunk = nn.Sequential(*[ResidualBlock(channels) for _ in range(3)])
        self.mask = nn.Sequential(
            *[ResidualBlock(channels) for _ in range(3)],
            zero_start(nn.Conv2d(channels, channels, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.trunk(x) * (2 * torch.sigmoid(self.mask(x)) - 1)


class NonLocal(nn.Module):
    """Embedded-Gaussian non-local attention over windows, with a silent start."""

    def __init__(self, channels: int, inner: int | None = None):
        super().__init__()
        inner = inner or max(channels // 2, 1)
        self.qkv = nn.Conv2d(channels, 3 * inner, 1)
        self.out = zero_start(nn.Conv2d(inner, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        cells, shape = windows(self.qkv(x))
        b, rows, columns, size, _, c = cells.shape
        tokens = cells.reshape(b, rows, columns, size * size, c)
        query, key, value = tokens.chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(query, key, value)
        mixed = mixed.reshape(b, rows, columns, size, size, c // 3)
        return x + self.out(unwindows(mixed, shape))


class NonLocalMask(nn.Module):
    """NLAM (Chen et al. 2021): a trunk gated by a mask that starts with a non-local block."""

    def __init__(self, channels: int):
        super().__init__()
        self.trunk = nn.Sequential(*[ResidualBlock(channels) for _ in range(3)])
        self.mask = nn.Sequential(
            NonLocal(channels),
            *[ResidualBlock(channels) for _ in range(3)],
            zero_start(nn.Conv2d(channels, channels, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.trunk(x) * (2 * torch.sigmoid(self.mask(x)) - 1)


ATTENTIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "aab": AdjacentAttention,
    "cheng": SimplifiedAttention,
    "nlam": NonLocalMask,
}


def attention(name: str, channels: int) -> nn.Module:
    """The block called `name`, for feature maps of `channels`."""
    kind = ATTENTIONS[name]
    return kind() if kind is nn.Identity else kind(channels)


class FixedAdjacentAttention(nn.Module):
    """AAB inside h_s, in fixed point: the integer twin is `entropy.fixed_point.adjacent_attention`.

    Scores are shifted so that the largest of a line is 0 and kept within [-16, 0].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.query = FixedConv2d(channels, channels, 1)
        self.key = FixedConv2d(channels, channels, 1)
        self.value = FixedConv2d(channels, channels, 1)
        self.merge = FixedConv2d(4 * channels, channels, 1)
        nn.init.zeros_(self.merge.weight)
        nn.init.zeros_(self.merge.bias)  # type: ignore[arg-type]
        self.shift = (channels - 1).bit_length() // 2  # score scale 2^-shift, near 1/sqrt(C)

    def line(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = query @ key.transpose(-1, -2) * 2.0**-self.shift
        scores = (scores - scores.amax(-1, keepdim=True)).clamp(min=-16)
        return activation(torch.softmax(scores, -1) @ value)

    def forward(self, x: Tensor) -> Tensor:
        layers = (self.query, self.key, self.value)
        cells = [windows(layer(x))[0] for layer in layers]
        horizontal = self.line(*cells)
        vertical = self.line(*(c.transpose(3, 4) for c in cells)).transpose(3, 4)
        product = activation(vertical * horizontal)
        merged = torch.cat([vertical, horizontal, product, torch.maximum(vertical, horizontal)], -1)
        pooled = F.avg_pool2d(self.merge(unwindows(merged, (x.shape[2], x.shape[3]))), 3, 1, 1)
        return activation(x * (2 * torch.sigmoid(activation(pooled))))

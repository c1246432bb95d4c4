"""Transformer blocks with multi-head spatial reduction self-attention (thesis 3.4.2).

Attention over a whole picture would make every latent depend on all of it. So it looks into windows
of as many positions as 128 pixels have, aligned with the picture's origin, and a picture can be
coded in parts.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.attention import unwindows, windows

WINDOW_PIXELS = 128


class SpatialReductionAttention(nn.Module):
    """MHSRSA (thesis eq. 3.14 to 3.17) inside windows; with a reduction of 1 it is MHSA.

    (B, C, H, W) -> (B, C, H, W). Keys and values are those of patches of reduction x reduction
    positions, projected to C channels and normalised (SD, eq. 3.16).
    """

    def __init__(self, channels: int, heads: int, reduction: int, window: int):
        """window: positions along its side, a multiple of `reduction`."""
        super().__init__()
        if channels % heads or window % reduction:
            what = f"{heads} heads of {channels} channels"
            raise ValueError(f"{what}, windows of {window} reduced {reduction}-fold")
        self.heads, self.reduction, self.window = heads, reduction, window
        self.query = nn.Linear(channels, channels)
        self.reduce = nn.Linear(channels * reduction**2, channels)
        self.norm = nn.LayerNorm(channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        cells, shape = windows(x, self.window)
        b, rows, columns, side, _, c = cells.shape
        tokens = cells.reshape(b * rows * columns, side * side, c)
        less, r = side // self.reduction, self.reduction
        patches = tokens.view(-1, less, r, less, r, c).permute(0, 1, 3, 2, 4, 5)
        reduced = self.norm(self.reduce(patches.reshape(-1, less * less, r * r * c)))
        query, key, value = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.query(tokens), *self.key_value(reduced).chunk(2, 2))
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        mixed = self.out(mixed.transpose(1, 2).flatten(2))
        return unwindows(mixed.view(b, rows, columns, side, side, c), shape)


class TransformerBlock(nn.Module):
    """x + MHSRSA(Norm(x)), then x + MLP(Norm(x)) (thesis eq. 3.12, 3.13; pre-norm), GELU.

    (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int, heads: int, reduction: int, window: int, ratio: int):
        """ratio: hidden channels of the MLP, as a multiple."""
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.attention = SpatialReductionAttention(channels, heads, reduction, window)
        self.mlp = nn.Sequential(
            nn.Linear(channels, ratio * channels),
            nn.GELU(),
            nn.Linear(ratio * channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self._normed(0, x).permute(0, 3, 1, 2))
        return x + self.mlp(self._normed(1, x)).permute(0, 3, 1, 2)

    def _normed(self, index: int, x: Tensor) -> Tensor:
        normed: Tensor = self.norms[index](x.permute(0, 2, 3, 1))
        return normed

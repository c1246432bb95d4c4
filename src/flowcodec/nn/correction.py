"""What a patch transform is corrected by, before it and after."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.attention import attention
from flowcodec.nn.blocks import BLOCKS, Trunk, zero_start
from flowcodec.nn.blockwise import analyse, synthesise
from flowcodec.nn.gains import Modulation, PerQuality
from flowcodec.nn.patches import BLOCK, PATCH, RGB, WINDOWS, Planes, dct_basis
from flowcodec.nn.precision import without_autocast


class Correction(nn.Module):
    """x plus what a residual network adds to it, in the coefficients of the DCT of 8x8 pixels.

    The network sees every coefficient four times: divided by its spread, and through tanh in 1, 4
    and 16 times the error that quantisation leaves in it (`log_error`, by quality). What it adds
    is measured in those errors too. So all its inputs and outputs are of the order of one; without
    that it gained a quarter as much in the same time. Zero at the start.
    x, planes of 8h x 8w pixels around zero -> the same, and features (B, N, h, w); octaves: by how
    much the error is larger than that of the quality, (B, 1, h/2, w/2); hint (B, N, h, w): what
    others add to the features at first.
    """

    basis: Tensor
    spread: Tensor

    def __init__(
        self,
        width: int,
        blocks: int,
        attention_block: str = "none",
        beside: int = 0,
        trunk: Trunk = "dense",
        planes: Planes = RGB,
        relief: bool = False,
    ):
        """beside: channels of a map at 1/8 that the network sees as well. relief: it sees by how
        much the mean of a block differs from those around it, through tanh in the same windows:
        steps in smooth areas are lost in means that reach from black to white."""
        super().__init__()
        n, coefficients = width, planes.coefficients
        self.register_buffer("basis", torch.tensor(dct_basis(planes)), persistent=False)
        self.register_buffer("spread", torch.ones(coefficients, 1, 1))
        self.log_error = PerQuality(coefficients)
        self.means = list(planes.means) if relief else []
        seen = (1 + len(WINDOWS)) * coefficients + len(WINDOWS) * len(self.means)
        self.stem = nn.Conv2d(seen + beside, n, 1)
        self.modulation = Modulation(n)
        self.blocks = nn.Sequential(
            attention(attention_block, n), *[BLOCKS[trunk](n) for _ in range(blocks)]
        )
        side = 3 if trunk == "dense" else 1  # gated blocks learn more without it, per second
        self.out = zero_start(nn.Conv2d(n, coefficients, side, padding=side // 2))

    def forward(
        self,
        x: Tensor,
        quality: Tensor,
        octaves: Tensor | None = None,
        beside: Tensor | None = None,
        hint: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        with without_autocast(x.device):
            log_error = self.log_error(quality)
            if octaves is not None:
                log_error = log_error + F.interpolate(octaves, scale_factor=PATCH / BLOCK)
            error = torch.exp2(log_error)
        stem = self.stem(self._seen(x, error, beside))
        if hint is not None:
            stem = stem + hint
        features = self.blocks(self.modulation(stem, quality))
        added = self.out(features)
        with without_autocast(x.device):
            corrected = synthesise(added.float() * error, self.basis)
        return x + corrected, features

    def _seen(self, x: Tensor, error: Tensor, beside: Tensor | None) -> Tensor:
        """What the network sees, (B, any, h, w); by far the largest of all that it takes."""
        with without_autocast(x.device):
            coefficients = analyse(x, self.basis)
            fine = 1 / error  # of a few numbers, or of one a block: multiplying is the cheaper
            seen = [coefficients * (1 / (self.spread + error))]
            seen += [torch.tanh(coefficients * (fine / window)) for window in WINDOWS]
            if self.means:
                # Once more: indexing `coefficients` would put channels first in memory.
                mean = analyse(x, self.basis[self.means])
                around = F.avg_pool2d(F.pad(mean, (1, 1, 1, 1), mode="replicate"), 3, 1)
                relief = (mean - around) * fine[:, self.means]
                seen += [torch.tanh(relief / window) for window in WINDOWS]
            return torch.cat(seen if beside is None else [*seen, beside], 1)

"""MOFNet's transforms: two pictures to the latents of flow and mode, and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.video_mofnet.config import ALPHA_BIAS, FLOW_BLOCK, FLOW_UNIT, MofNetConfig
from flowcodec.models.video_mofnet.settling import HAAR
from flowcodec.nn.blocks import ResidualBlock, zero_start
from flowcodec.nn.gains import Modulation
from flowcodec.nn.strided import down, up
from flowcodec.nn.warp import warped

FLOW_CHANNELS = 8  # Haar coefficients of 2x2 blocks of a flow at 1/8
DARK = 8.0  # how networks see differences of light


class StridedMotionAnalysis(nn.Module):
    """g_a of MOFNet: reference and frame (B, 3, 16h, 16w) around zero -> (B, M, h, w)."""

    def __init__(self, config: MofNetConfig):
        super().__init__()
        n = config.motion_width
        self.layers = nn.Sequential(
            down(6, n),
            nn.LeakyReLU(),
            down(n, n),
            nn.LeakyReLU(),
            down(n, n),
            nn.LeakyReLU(),
            down(n, config.motion_latent),
        )

    def forward(
        self,
        x: Tensor,
        reference: Tensor,
        source: Tensor,
        coarse: Tensor,
        camera: Tensor,
        _: Tensor,
    ) -> Tensor:
        """As `PatchMotionAnalysis`; all motion is found in the pictures."""
        y: Tensor = self.layers(torch.cat([reference, x], 1))
        return y


class StridedMotionSynthesis(nn.Module):
    """g_s of MOFNet: (B, M, h, w) -> flow (B, 2, 16h, 16w) in pixels and a (B, 1, 16h, 16w)."""

    def __init__(self, config: MofNetConfig):
        super().__init__()
        n = config.motion_width
        self.layers = nn.Sequential(
            up(config.motion_latent, n),
            nn.LeakyReLU(),
            up(n, n),
            nn.LeakyReLU(),
            up(n, n),
            nn.LeakyReLU(),
            up(n, 3),
        )

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        found = self.layers(y)
        return found[:, :2], found[:, 2:]


class PatchMotionAnalysis(nn.Module):
    """g_a of the compact preset: means of an estimated flow in 8x8 blocks, in Haar coefficients of
    four blocks, and what a residual network adds to them.

    The flow is settled before, and the global motion taken from it. The network sees what is left,
    the frame, and what the flow leaves unexplained.
    """

    haar: Tensor

    def __init__(self, config: MofNetConfig):
        super().__init__()
        n = config.motion_width
        self.interpolation = config.interpolation
        self.register_buffer("haar", torch.from_numpy(HAAR.copy()), persistent=False)
        self.stem = nn.Conv2d(2 + 2 * FLOW_BLOCK**2, n, 1)
        self.modulation = Modulation(n)
        self.blocks = nn.Sequential(*[ResidualBlock(n) for _ in range(config.motion_blocks[0])])
        self.out = zero_start(nn.Conv2d(n, config.motion_latent, 2, stride=2))

    def forward(
        self,
        x: Tensor,
        reference: Tensor,
        source: Tensor,
        coarse: Tensor,
        camera: Tensor,
        quality: Tensor,
    ) -> Tensor:
        """The frame x (B, 3, H, W) around zero, its reference and what `nn.warp.filtered` makes of
        that; settled flow and global motion of blocks in pixels, (B, 2, H/8, W/8) -> y before its
        gain, (B, M, H/16, W/16)."""
        light, before = (each.mean(1, keepdim=True) for each in (x, source))
        left = light - warped(before, enlarged(coarse), self.interpolation)
        seen = F.pixel_unshuffle(torch.cat([left * DARK, light], 1), FLOW_BLOCK)
        coarse = (coarse - camera) / FLOW_UNIT
        features = self.stem(torch.cat([bounded(coarse), seen], 1))
        features = self.blocks(self.modulation(features, quality))
        y: Tensor = self.out(features)
        pairs = F.pixel_unshuffle(coarse, 2).unflatten(1, (2, 4))
        linear = torch.einsum("ij,bcjhw->bichw", self.haar, pairs).flatten(1, 2)
        return torch.cat([y[:, :FLOW_CHANNELS] + linear, y[:, FLOW_CHANNELS:]], 1)


class PatchMotionSynthesis(nn.Module):
    """g_s of the compact preset: the flow of blocks and, at 1/4, what a residual network adds to
    it, with a; bilinear between."""

    haar: Tensor

    def __init__(self, config: MofNetConfig):
        super().__init__()
        n = config.motion_width
        self.register_buffer("haar", torch.from_numpy(HAAR.copy()), persistent=False)
        self.stem = nn.Conv2d(config.motion_latent, 4 * n, 1)
        self.modulation = Modulation(n)
        self.blocks = nn.Sequential(*[ResidualBlock(n) for _ in range(config.motion_blocks[1])])
        self.out = zero_start(nn.Conv2d(n, 12, 3, padding=1))

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        parts = y[:, :FLOW_CHANNELS].unflatten(1, (4, 2))
        pairs = torch.einsum("ij,bichw->bcjhw", self.haar, parts).flatten(1, 2)
        coarse = F.pixel_shuffle(pairs, 2)
        features = F.pixel_shuffle(self.stem(bounded(y)), 2)
        features = self.blocks(self.modulation(features, quality))
        added = F.pixel_shuffle(self.out(features), 2)
        flow = enlarged(coarse) + enlarged(added[:, :2], FLOW_BLOCK // 2)
        return FLOW_UNIT * flow, enlarged(added[:, 2:], FLOW_BLOCK // 2) + (1 - ALPHA_BIAS)


def bounded(y: Tensor) -> Tensor:
    """Latents as networks see them: sign kept, size as logarithm."""
    return torch.sign(y) * torch.log2(1 + y.abs())


def enlarged(x: Tensor, factor: int = FLOW_BLOCK) -> Tensor:
    """A map at a lower resolution at full size, bilinear."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)

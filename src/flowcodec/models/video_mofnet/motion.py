"""MOFNet's transforms: two pictures to the latents of flow and mode, and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.video_mofnet.config import ALPHA_BIAS, FLOW_BLOCK, MofNetConfig
from flowcodec.models.video_mofnet.global_motion import field
from flowcodec.models.video_mofnet.settling import settled
from flowcodec.nn.blocks import ResidualBlock, zero_start
from flowcodec.nn.gains import Modulation
from flowcodec.nn.strided import down, up
from flowcodec.nn.warp import warp

HAAR = 0.5 * torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1.0]])
FLOW_CHANNELS = 8  # Haar coefficients of 2x2 blocks of a flow at 1/8
FLOW_UNIT = 4.0  # pixels; a latent of one stands for so much flow
DARK = 8.0  # how networks see differences of light


class StridedMotionAnalysis(nn.Module):
    """g_a of MOFNet: reference and frame (B, 3, 16h, 16w) around zero -> (B, M, h, w).

    In two steps, as that of the other preset: `settle` once, then a call for each global motion.
    """

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

    def settle(
        self, x: Tensor, reference: Tensor, flow: Tensor | None, quality: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A flow of nothing, since all motion is found in the pictures; and those."""
        return x.new_zeros(len(x), 2, 1, 1), torch.cat([reference, x], 1)

    def forward(self, coarse: Tensor, seen: Tensor, camera: Tensor, quality: Tensor) -> Tensor:
        y: Tensor = self.layers(seen)
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

    The flow is settled first, and the global motion taken from it. The network sees what is left,
    the frame, and what the flow leaves unexplained.
    """

    haar: Tensor

    def __init__(self, config: MofNetConfig):
        super().__init__()
        n = config.motion_width
        self.interpolation = config.interpolation
        self.register_buffer("haar", HAAR.clone(), persistent=False)
        self.stem = nn.Conv2d(2 + 2 * FLOW_BLOCK**2, n, 1)
        self.modulation = Modulation(n)
        self.blocks = nn.Sequential(*[ResidualBlock(n) for _ in range(config.motion_blocks[0])])
        self.out = zero_start(nn.Conv2d(n, config.motion_latent, 2, stride=2))

    def settle(
        self, x: Tensor, reference: Tensor, flow: Tensor | None, quality: Tensor
    ) -> tuple[Tensor, Tensor]:
        """flow (B, 2, H, W) of x (B, 3, H, W) -> that of blocks, (B, 2, H/8, W/8) in pixels; and
        what the network sees of the pictures, of the same size."""
        assert flow is not None, "this transform codes a flow that somebody estimated"
        coarse = settled(F.avg_pool2d(flow, FLOW_BLOCK), x, quality)
        predicted = warp(reference, enlarged(coarse), self.interpolation)
        left = (x - predicted).mean(1, keepdim=True)
        light = torch.cat([left * DARK, x.mean(1, keepdim=True)], 1)
        return coarse, F.pixel_unshuffle(light, FLOW_BLOCK)

    def forward(self, coarse: Tensor, seen: Tensor, camera: Tensor, quality: Tensor) -> Tensor:
        coarse = (coarse - field(camera, *coarse.shape[2:])) / FLOW_UNIT
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
        self.register_buffer("haar", HAAR.clone(), persistent=False)
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

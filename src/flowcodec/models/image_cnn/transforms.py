"""g_a, g_s, h_a of image-cnn: pixels to latents and back, latents to hyper latents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.nn.attention import attention
from flowcodec.nn.blocks import ResidualBlock, zero_start
from flowcodec.nn.gains import Modulation, PerQuality
from flowcodec.nn.gdn import GDN
from flowcodec.nn.precision import without_autocast

PATCH = 16


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """5x5 convolution of stride 2."""
    return nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)


def up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """5x5 transposed convolution of stride 2."""
    return nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1)


class StridedAnalysis(nn.Module):
    """g_a of the thesis (fig. 3.1): x (B, 3, 16h, 16w) in [-1/2, 1/2] -> y (B, M, h, w)."""

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        n, m = config.width, config.latent
        self.layers = nn.Sequential(
            down(3, n),
            GDN(n),
            down(n, n),
            GDN(n),
            attention(config.attention, n),
            down(n, n),
            GDN(n),
            down(n, m),
            attention(config.attention, m),
        )

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class StridedSynthesis(nn.Module):
    """g_s of the thesis, the mirror of g_a: y (B, M, h, w) -> (B, 3, 16h, 16w), and features
    (B, N, 8h, 8w) of the last stage for the refinement."""

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        n, m = config.width, config.latent
        self.layers = nn.Sequential(
            attention(config.attention, m),
            up(m, n),
            GDN(n, inverse=True),
            up(n, n),
            attention(config.attention, n),
            GDN(n, inverse=True),
            up(n, n),
            GDN(n, inverse=True),
        )
        self.last = up(n, 3)

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(y)
        return self.last(features), features


class PatchAnalysis(nn.Module):
    """g_a of the compact preset: the KLT of 16x16 patches, each channel divided by its spread.

    x (B, 3, 16h, 16w) in [-1/2, 1/2] -> y (B, M, h, w). A nonlinear branch beside it was tried
    and gained half a percent of rate for a quarter of the training time.
    """

    spread: Tensor

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        self.klt = nn.Conv2d(3, config.latent, PATCH, stride=PATCH)
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        with without_autocast(x.device):  # flat areas need more than bfloat16
            y: Tensor = self.klt(x.float()) / self.spread
        return y


class PatchSynthesis(nn.Module):
    """g_s of the compact preset: the inverse KLT, then a residual network that restores.

    The network sees the linear reconstruction at 1/8, where the seams of the patches and the
    ringing of the basis lie open before it; its last layer is zero at the start. What it adds is
    measured in steps of the quantiser (`log_amplitude`), as the errors are that it removes.
    y (B, M, h, w) -> x (B, 3, 16h, 16w), and features (B, N, 2h, 2w) for the refinement.
    """

    spread: Tensor

    def __init__(self, config: ImageCnnConfig, analysis: PatchAnalysis):
        super().__init__()
        n = config.width
        self.klt = nn.ConvTranspose2d(config.latent, 3, PATCH, stride=PATCH)
        self.klt.weight = analysis.klt.weight  # orthonormal at the start, tied ever after
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))
        self.stem = nn.Conv2d(192, n, 3, padding=1)
        self.modulation = Modulation(n)
        self.blocks = nn.Sequential(
            attention(config.attention, n), *[ResidualBlock(n) for _ in range(config.blocks)]
        )
        self.out = zero_start(nn.Conv2d(n, 192, 3, padding=1))
        self.log_amplitude = PerQuality(1)

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        with without_autocast(y.device):
            linear = self.klt(y.float() * self.spread)
        stem = self.stem(F.pixel_unshuffle(linear, 8))
        features = self.blocks(self.modulation(stem, quality))
        correction = F.pixel_shuffle(self.out(features), 8)
        return linear + correction * torch.exp2(self.log_amplitude(quality)), features


class HyperAnalysis(nn.Module):
    """h_a: y (B, M, 4k, 4l) -> z (B, N, k, l); 3x3 and two 5x5 of stride 2, LeakyReLU, AAB."""

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        n = config.hyper
        self.first = nn.Conv2d(config.latent, n, 3, padding=1)
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.1),
            down(n, n),
            nn.LeakyReLU(0.1),
            attention(config.attention, n),
            down(n, n),
        )

    def forward(self, y: Tensor) -> Tensor:
        z: Tensor = self.layers(self.first(y))
        return z

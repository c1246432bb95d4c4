"""g_a, g_s, h_a of image-cnn: pixels to latents and back, latents to hyper latents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import (
    BLOCK,
    COEFFICIENTS,
    LARGEST_MASK,
    PATCH,
    WINDOWS,
    ImageCnnConfig,
)
from flowcodec.models.image_cnn.dct import dct_basis
from flowcodec.models.image_cnn.masking import Masking
from flowcodec.nn.attention import attention
from flowcodec.nn.blocks import ResidualBlock, zero_start
from flowcodec.nn.gains import Modulation, PerQuality
from flowcodec.nn.gdn import GDN
from flowcodec.nn.precision import without_autocast


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


class Correction(nn.Module):
    """x plus what a residual network adds to it, in the coefficients of an 8x8 DCT.

    The network sees every coefficient four times: divided by its spread, and through tanh in 1, 4
    and 16 times the error that quantisation leaves in it (`log_error`, by quality). What it adds
    is measured in those errors too. So all its inputs and outputs are of the order of one; without
    that it gained a quarter as much in the same time. Zero at the start.
    x (B, 3, 8h, 8w) around zero -> the same, and features (B, N, h, w); octaves: by how much the
    error is larger than that of the quality, (B, 1, h/2, w/2).
    """

    basis: Tensor
    spread: Tensor

    def __init__(self, config: ImageCnnConfig, blocks: int):
        super().__init__()
        n = config.width
        self.register_buffer("basis", torch.from_numpy(dct_basis()), persistent=False)
        self.register_buffer("spread", torch.ones(COEFFICIENTS, 1, 1))
        self.log_error = PerQuality(COEFFICIENTS)
        self.stem = nn.Conv2d((1 + len(WINDOWS)) * COEFFICIENTS, n, 1)
        self.modulation = Modulation(n)
        self.blocks = nn.Sequential(
            attention(config.attention, n), *[ResidualBlock(n) for _ in range(blocks)]
        )
        self.out = zero_start(nn.Conv2d(n, COEFFICIENTS, 3, padding=1))

    def forward(
        self, x: Tensor, quality: Tensor, octaves: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        with without_autocast(x.device):
            log_error = self.log_error(quality)
            if octaves is not None:
                log_error = log_error + F.interpolate(octaves, scale_factor=PATCH / BLOCK)
            error = torch.exp2(log_error)
            coefficients = F.conv2d(x, self.basis, stride=BLOCK)
            seen = [coefficients / (self.spread + error)]
            seen += [torch.tanh(coefficients / (window * error)) for window in WINDOWS]
            inputs = torch.cat(seen, 1)
        features = self.blocks(self.modulation(self.stem(inputs), quality))
        added = self.out(features)
        with without_autocast(x.device):
            corrected = F.conv_transpose2d(added.float() * error, self.basis, stride=BLOCK)
        return x + corrected, features


class PatchAnalysis(nn.Module):
    """g_a of the compact preset: a correction of the picture, then the KLT of 16x16 patches, each
    channel divided by its spread, and by what masking allows.

    x (B, 3, 16h, 16w) in [-1/2, 1/2] -> y (B, M, h, w); with masking its octaves are put first.
    """

    spread: Tensor

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        self.correction = Correction(config, config.blocks[0])
        self.klt = nn.Conv2d(3, config.latent, PATCH, stride=PATCH)
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))
        self.masking = Masking() if config.masking else None

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        with without_autocast(x.device):
            octaves = None if self.masking is None else self.masking(x.float())
        x, _ = self.correction(x.float(), quality, octaves)
        with without_autocast(x.device):  # flat areas need more than bfloat16
            y: Tensor = self.klt(x) / self.spread
            if octaves is not None:
                y = torch.cat([octaves, y * torch.exp2(-octaves)], 1)
        return y


class PatchSynthesis(nn.Module):
    """g_s of the compact preset: the inverse KLT, then a correction.

    The network sees the linear reconstruction, where the seams of the patches and the ringing of
    the basis lie open before it.
    y (B, M, h, w) -> x (B, 3, 16h, 16w), and features (B, N, 2h, 2w) for the refinement.
    """

    spread: Tensor

    def __init__(self, config: ImageCnnConfig, analysis: PatchAnalysis):
        super().__init__()
        self.klt = nn.ConvTranspose2d(config.latent, 3, PATCH, stride=PATCH)
        self.klt.weight = analysis.klt.weight  # orthonormal at the start, tied ever after
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))
        self.masking = config.masking
        self.correction = Correction(config, config.blocks[1])

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        octaves = None
        with without_autocast(y.device):
            y = y.float()
            if self.masking:
                octaves = y[:, :1].clamp(-LARGEST_MASK, LARGEST_MASK)
                y = y[:, 1:] * torch.exp2(octaves)
            linear = self.klt(y * self.spread)
        x, features = self.correction(linear, quality, octaves)
        return x, features


class HyperAnalysis(nn.Module):
    """h_a: y (B, M, 4k, 4l) -> z (B, N, k, l); 3x3 and two 5x5 of stride 2, LeakyReLU, AAB."""

    def __init__(self, config: ImageCnnConfig):
        super().__init__()
        n = config.hyper
        self.first = nn.Conv2d(config.coded, n, 3, padding=1)
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

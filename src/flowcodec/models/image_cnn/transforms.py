"""g_a and g_s of image-cnn: pixels to latents and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import MASK_STEPS, PLANES, ImageCnnConfig
from flowcodec.nn.attention import attention
from flowcodec.nn.blockwise import analyse, synthesise
from flowcodec.nn.contrast import LARGEST_MASK
from flowcodec.nn.correction import Correction
from flowcodec.nn.gdn import GDN
from flowcodec.nn.masking import Masking
from flowcodec.nn.planes import to_planes, to_rgb
from flowcodec.nn.precision import without_autocast
from flowcodec.nn.straight_through import round_through
from flowcodec.nn.strided import down, up


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
    """g_a of the compact preset: a correction of the picture, or of its planes in 4:2:0, then the
    KLT of patches of 16x16 pixels, each channel divided by its spread, and by what masking allows.

    x (B, 3, 16h, 16w) in [-1/2, 1/2] -> y (B, M, h, w); with masking its octaves are put first.
    """

    spread: Tensor

    def __init__(self, config: ImageCnnConfig, coarse: nn.Module | None = None):
        """coarse: what the correction's features (B, N, 2h, 2w) add to y."""
        super().__init__()
        self.coarse = coarse
        self.planes = planes = PLANES[config.planes]
        self.correction = correction_of(config, config.blocks[0])
        self.klt = nn.Conv2d(planes.channels, config.latent, planes.patch, stride=planes.patch)
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))
        self.masking = Masking() if config.masking else None

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        with without_autocast(x.device):
            x = to_planes(x.float(), self.planes)
            octaves = None if self.masking is None else in_steps(self.masking(x))
        x, features = self.correction(x, quality, octaves)
        added = 0.0 if self.coarse is None else self.coarse(features).float()
        with without_autocast(x.device):  # flat areas need more than bfloat16
            y = analyse(x, self.klt.weight, self.klt.bias) / self.spread + added
            if octaves is not None:
                y = torch.cat([octaves, y * torch.exp2(-octaves)], 1)
        return y


def correction_of(config: ImageCnnConfig, blocks: int) -> Correction:
    """A correction of so many blocks, as g_a and g_s have one."""
    return Correction(
        config.width,
        blocks,
        config.attention,
        trunk=config.trunk,
        planes=PLANES[config.planes],
        relief=config.relief,
    )


def in_steps(octaves: Tensor) -> Tensor:
    """Whole steps of the channel that they are coded in, with a straight-through gradient."""
    return round_through(octaves * MASK_STEPS) / MASK_STEPS


class PatchSynthesis(nn.Module):
    """g_s of the compact preset: the inverse KLT, then a correction.

    The network sees the linear reconstruction, where the seams of the patches and the ringing of
    the basis lie open before it.
    y (B, M, h, w) -> x (B, 3, 16h, 16w), and features (B, N, 2h, 2w) for the refinement.
    """

    spread: Tensor

    def __init__(
        self, config: ImageCnnConfig, analysis: PatchAnalysis, coarse: nn.Module | None = None
    ):
        """coarse: what y tells the correction's features, (B, N, 2h, 2w)."""
        super().__init__()
        self.coarse = coarse
        self.planes = planes = PLANES[config.planes]
        self.klt = nn.ConvTranspose2d(
            config.latent, planes.channels, planes.patch, stride=planes.patch
        )
        self.klt.weight = analysis.klt.weight  # orthonormal at the start, tied ever after
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))
        self.masking = config.masking
        self.correction = correction_of(config, config.blocks[1])

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        octaves = None
        with without_autocast(y.device):
            y = y.float()
            if self.masking:
                octaves = y[:, :1].clamp(-LARGEST_MASK, LARGEST_MASK)
                y = y[:, 1:] * torch.exp2(octaves)
            linear = synthesise(y * self.spread, self.klt.weight, self.klt.bias)
        hint = None if self.coarse is None else self.coarse(y)
        x, features = self.correction(linear, quality, octaves, hint=hint)
        with without_autocast(y.device):
            return to_rgb(x, self.planes), features

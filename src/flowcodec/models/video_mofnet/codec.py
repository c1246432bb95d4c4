"""CodecNet's transforms: the coded part of a frame, given that of its prediction, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowcodec.models.video_mofnet.config import MofNetConfig
from flowcodec.nn.blockwise import analyse, synthesise
from flowcodec.nn.correction import Correction
from flowcodec.nn.gdn import GDN
from flowcodec.nn.masking import Masking
from flowcodec.nn.patches import PATCH, RGB
from flowcodec.nn.precision import without_autocast
from flowcodec.nn.strided import down, up


class StridedAnalysis(nn.Module):
    """Four 5x5 convolutions of stride 2 with GDN: (B, C, 16h, 16w) -> (B, M, h, w)."""

    def __init__(self, inputs: int, width: int, latent: int):
        super().__init__()
        n = width
        self.layers = nn.Sequential(
            down(inputs, n), GDN(n), down(n, n), GDN(n), down(n, n), GDN(n), down(n, latent)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class StridedCodec(nn.Module):
    """CodecNet of the paper (fig. 2c), or the residual coder of its ablation (fig. 2d)."""

    def __init__(self, config: MofNetConfig):
        super().__init__()
        n, m = config.width, config.latent
        self.conditional = config.conditional
        self.g_a = StridedAnalysis(6 if config.conditional else 3, n, m)
        self.beside = StridedAnalysis(3, n, m) if config.conditional else None
        self.g_s = nn.Sequential(
            up(2 * m if config.conditional else m, n),
            GDN(n, inverse=True),
            up(n, n),
            GDN(n, inverse=True),
            up(n, n),
            GDN(n, inverse=True),
            up(n, 3),
        )

    def analyse(self, x: Tensor, prediction: Tensor, quality: Tensor) -> Tensor:
        """alpha x and alpha x~ (B, 3, 16h, 16w) -> y before its gain (B, M, h, w)."""
        y: Tensor = self.g_a(torch.cat([prediction, x], 1) if self.conditional else x - prediction)
        return y

    def synthesise(self, y: Tensor, prediction: Tensor, quality: Tensor) -> Tensor:
        """y and alpha x~ -> the coded part of the frame."""
        if self.beside is None:
            return prediction + self.g_s(y)
        coded: Tensor = self.g_s(torch.cat([y, self.beside(prediction)], 1))
        return coded


class PatchCodec(nn.Module):
    """CodecNet of the compact preset: the KLT of 16x16 patches of what the prediction leaves.

    Conditional coding stands in the two networks that correct it: one sees the prediction before
    the transform, the other after it, beside what was coded.
    """

    basis: Tensor
    spread: Tensor

    def __init__(self, config: MofNetConfig):
        super().__init__()
        beside = RGB.coefficients if config.conditional else 0
        self.conditional = config.conditional
        self.correction = nn.ModuleList(
            [Correction(config.width, blocks, beside=beside) for blocks in config.blocks]
        )
        self.klt = nn.Conv2d(3, config.latent, PATCH, stride=PATCH, bias=False)
        self.register_buffer("spread", torch.ones(config.latent, 1, 1))
        self.masking = Masking() if config.masking else None

    def analyse(self, x: Tensor, prediction: Tensor, quality: Tensor) -> Tensor:
        """alpha x and alpha x~ (B, 3, 16h, 16w) -> y before its gain (B, M, h, w)."""
        left, octaves = x - prediction, self.octaves(prediction)
        left, _ = self.correction[0](left, quality, octaves, self.seen(0, prediction))
        with without_autocast(x.device):
            y = analyse(left.float(), self.klt.weight) / self.spread
            return y if octaves is None else y * torch.exp2(-octaves)

    def synthesise(self, y: Tensor, prediction: Tensor, quality: Tensor) -> Tensor:
        """y and alpha x~ -> the coded part of the frame."""
        octaves = self.octaves(prediction)
        with without_autocast(y.device):
            y = y.float() if octaves is None else y * torch.exp2(octaves)
            left = synthesise(y * self.spread, self.klt.weight)
        if not self.conditional:
            left, _ = self.correction[1](left, quality, octaves)
            return prediction + left
        beside = self.seen(1, prediction)
        corrected: Tensor = self.correction[1](prediction + left, quality, octaves, beside)[0]
        return corrected

    def octaves(self, prediction: Tensor) -> Tensor | None:
        """By how much the steps of each position are larger: (B, 1, h, w)."""
        if self.masking is None:
            return None
        with without_autocast(prediction.device):
            found: Tensor = self.masking(prediction.float())
            return found

    def seen(self, index: int, prediction: Tensor) -> Tensor | None:
        """The prediction as a correction sees it beside its own input."""
        if not self.conditional:
            return None
        correction = self.correction[index]
        assert isinstance(correction, Correction)
        with without_autocast(prediction.device):
            coefficients = analyse(prediction.float(), correction.basis)
            return coefficients / (correction.spread + 2.0**-6)

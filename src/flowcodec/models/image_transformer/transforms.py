"""g_a, h_a and g_s of the chapter's stages, and what image-cnn's core has beside it at 1/16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.image_transformer.config import MAIN, RATIOS, ImageTransformerConfig
from flowcodec.nn.blocks import zero_start
from flowcodec.nn.deformable import DeformableConv2d, DeformableExpanding, DeformableMerging
from flowcodec.nn.transformer import WINDOW_PIXELS, TransformerBlock

PATCH = 4  # pixels a side of the first stage's patches
COARSE = MAIN - 1  # the stage at 1/16


def block_of(config: ImageTransformerConfig, stage: int) -> TransformerBlock:
    """The transformer block of a stage, 0 at 1/4 to 4 at 1/64."""
    window = WINDOW_PIXELS // (PATCH << stage)
    reduction = config.reduction_at(stage)
    return TransformerBlock(
        config.stages[stage], config.heads[stage], reduction, window, RATIOS[stage]
    )


class Position(nn.Module):
    """Adds what is learned of each place in a window of attention, (B, C, h, w)."""

    def __init__(self, channels: int, window: int):
        super().__init__()
        self.window = window
        self.table = nn.Parameter(0.02 * torch.randn(channels, window, window))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows = torch.arange(height, device=x.device) % self.window
        columns = torch.arange(width, device=x.device) % self.window
        return x + self.table[:, rows][:, :, columns]


class StagedAnalysis(nn.Module):
    """M_E: x (B, 3, 16h, 16w) in [-1/2, 1/2] -> y (B, M, h, w)."""

    def __init__(self, config: ImageTransformerConfig):
        super().__init__()
        first, second, third = config.stages[:MAIN]
        self.layers = nn.Sequential(
            DeformableMerging(3, first, PATCH),
            Position(first, WINDOW_PIXELS // PATCH),
            block_of(config, 0),
            DeformableMerging(first, second),
            block_of(config, 1),
            DeformableMerging(second, third),
            *(block_of(config, COARSE) for _ in range(config.blocks_at_16)),
        )

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class StagedHyperAnalysis(nn.Module):
    """H_E: y (B, M, 4k, 4l) -> z (B, N, k, l); a 1x1 convolution leaves N of the last stage's
    channels, since h_s, in integers, would else have more parameters than all the rest."""

    def __init__(self, config: ImageTransformerConfig):
        super().__init__()
        third, fourth, fifth = config.stages[MAIN - 1 :]
        self.layers = nn.Sequential(
            DeformableMerging(third, fourth),
            block_of(config, 3),
            DeformableMerging(fourth, fifth),
            block_of(config, 4),
            nn.Conv2d(fifth, config.hyper, 1),
        )

    def forward(self, y: Tensor) -> Tensor:
        z: Tensor = self.layers(y)
        return z


class StagedSynthesis(nn.Module):
    """M_D, the mirror of M_E: y (B, M, h, w) -> (B, 3, 16h, 16w), and the last stage's features."""

    def __init__(self, config: ImageTransformerConfig):
        super().__init__()
        first, second, third = config.stages[:MAIN]
        self.layers = nn.Sequential(
            *(block_of(config, COARSE) for _ in range(config.blocks_at_16)),
            DeformableExpanding(third, second),
            block_of(config, 1),
            DeformableExpanding(second, first),
            block_of(config, 0),
        )
        self.last = DeformableConv2d(first, 3 * PATCH**2, 1)

    def forward(self, y: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(y)
        return F.pixel_shuffle(self.last(features), PATCH), features


class CoarseAnalysis(nn.Module):
    """What the features of image-cnn's analysis (B, N, 2h, 2w) add to its latents (B, M, h, w), as
    seen by windows of 128 pixels. Silent at the start."""

    def __init__(self, config: ImageTransformerConfig):
        super().__init__()
        width = config.stages[COARSE]
        self.layers = nn.Sequential(
            DeformableMerging(config.width, width),
            Position(width, WINDOW_PIXELS // (PATCH << COARSE)),
            *(block_of(config, COARSE) for _ in range(config.blocks_at_16)),
            zero_start(nn.Conv2d(width, config.latent, 1)),
        )

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.layers(features)
        return added


class CoarseSynthesis(nn.Module):
    """What windows of 128 pixels tell of latents (B, M, h, w) to the features of image-cnn's
    synthesis, (B, N, 2h, 2w). Silent at the start."""

    def __init__(self, config: ImageTransformerConfig):
        super().__init__()
        width = config.stages[COARSE]
        self.layers = nn.Sequential(
            nn.Conv2d(config.latent, width, 1),
            Position(width, WINDOW_PIXELS // (PATCH << COARSE)),
            *(block_of(config, COARSE) for _ in range(config.blocks_at_16)),
            DeformableExpanding(width, config.width),
            zero_start(nn.Conv2d(config.width, config.width, 1)),
        )

    def forward(self, y: Tensor) -> Tensor:
        added: Tensor = self.layers(y)
        return added

"""image-transformer: TICM, the picture codec of chapter 3.4, as a torch module.

It is image-cnn with other transforms: what codes the latents is the same, CGAM included.
"""

from __future__ import annotations

from torch import nn

from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import PatchAnalysis, PatchSynthesis
from flowcodec.models.image_transformer.config import ImageTransformerConfig
from flowcodec.models.image_transformer.transforms import (
    CoarseAnalysis,
    CoarseSynthesis,
    StagedAnalysis,
    StagedHyperAnalysis,
    StagedSynthesis,
)


class ImageTransformer(ImageCnn):
    """The whole network. Pictures are (B, 3, H, W) in [0, 1]; quality is (B,) in [1, 8]."""

    config: ImageTransformerConfig

    def __init__(self, config: ImageTransformerConfig):
        super().__init__(config, transforms_of(config))
        if config.transform == "strided":
            self.h_a = StagedHyperAnalysis(config)  # type: ignore[assignment]


def transforms_of(config: ImageTransformerConfig) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s."""
    if config.transform == "patch":
        analysis = PatchAnalysis(config, CoarseAnalysis(config))
        return analysis, PatchSynthesis(config, analysis, CoarseSynthesis(config))
    return StagedAnalysis(config), StagedSynthesis(config)

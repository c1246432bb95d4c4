"""What a coder of pictures runs of image-cnn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowcodec.models.image_cnn.config import LATENT_STRIDE
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.nn.graph import Graph

SIDE = 64  # pixels, of the examples


class Analysis(nn.Module):
    """Samples (16h, 16w, 3) in 8 bits, quality (1,) -> y (M, h, w) before its gain."""

    def __init__(self, network: ImageCnn):
        super().__init__()
        self.network = network

    def forward(self, samples: Tensor, quality: Tensor) -> Tensor:
        x = samples.permute(2, 0, 1)[None].float() / 255 - 0.5
        y: Tensor = self.network.g_a(x, quality)
        return y[0]


class HyperAnalysis(nn.Module):
    """y (M, 4k, 4l) before its gain -> z (N, k, l) before its own."""

    def __init__(self, network: ImageCnn):
        super().__init__()
        self.network = network

    def forward(self, y: Tensor) -> Tensor:
        z: Tensor = self.network.h_a(y[None])
        return z[0]


class Synthesis(nn.Module):
    """Integer-valued y (M, h, w), quality (1,) -> samples (16h, 16w, 3), not rounded."""

    def __init__(self, network: ImageCnn, refined: bool = True):
        super().__init__()
        self.network, self.refined = network, refined

    def forward(self, y: Tensor, quality: Tensor) -> Tensor:
        x = self.network.synthesise(y[None], quality, self.refined)[0]
        return x.permute(1, 2, 0) * 255


def graphs(network: ImageCnn) -> list[Graph]:
    """g_a, h_a and g_s with the refinement; if there is one, g_s without it too."""
    quality = torch.full((1,), 4.0)
    positions = SIDE // LATENT_STRIDE
    y = torch.zeros(network.config.coded, positions, positions)
    samples = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    pixels, latents = {0: "height", 1: "width"}, {1: "rows", 2: "columns"}
    return [
        Graph(
            "analysis",
            Analysis(network),
            {"samples": samples, "quality": quality},
            ("y",),
            {"samples": pixels, "y": latents},
        ),
        Graph(
            "hyper_analysis",
            HyperAnalysis(network),
            {"y": y},
            ("z",),
            {"y": latents, "z": {1: "hyper_rows", 2: "hyper_columns"}},
        ),
        *(
            Graph(
                name,
                Synthesis(network, refined),
                {"y": y, "quality": quality},
                ("samples",),
                {"y": latents, "samples": pixels},
            )
            for name, refined in (("synthesis", True), ("synthesis_unrefined", False))
            if refined or network.config.refinement
        ),
    ]

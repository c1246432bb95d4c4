"""What a coder of P-frames runs of video-mofnet.

    samples ─ source ─┐
    samples ──────────┼─ motion_analysis ─ y_m ─ motion_hyper_analysis ─ z_m
                      └─ prediction ─ picture, alpha
    samples, picture, alpha ─ codec_analysis ─ y_c ─ codec_hyper_analysis ─ z_c
    y_c, picture, alpha ─ synthesis ─ samples

Samples (16h, 16w, 3) are from 0 to 255, those of a reference real. `source` is what a reference is
interpolated from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowcodec.models.video_mofnet.config import FLOW_BLOCK, STRIDE
from flowcodec.models.video_mofnet.model import Prediction, VideoMofNet
from flowcodec.nn.graph import Graph
from flowcodec.nn.latents import LatentCoder
from flowcodec.nn.warp import filtered

SIDE = 64  # pixels, of the examples
UPRIGHT, PIXELS = {0: "height", 1: "width"}, {1: "height", 2: "width"}
VARYING = {
    "samples": UPRIGHT,
    "reference": UPRIGHT,
    "source": {1: "source_height", 2: "source_width"},
    "coarse": {1: "block_rows", 2: "block_columns"},
    "picture": PIXELS,
    "alpha": PIXELS,
    "flow": PIXELS,
    "y": {1: "rows", 2: "columns"},
    "z": {1: "hyper_rows", 2: "hyper_columns"},
}


class Part(nn.Module):
    """Of a network."""

    def __init__(self, network: VideoMofNet):
        super().__init__()
        self.network = network


class Source(Part):
    """Samples -> what they are interpolated from, (3, any, any)."""

    def forward(self, reference: Tensor) -> Tensor:
        return filtered(centred(reference), self.network.config.interpolation)[0]


class MotionAnalysis(Part):
    """Frame, reference and its source, settled flow and global motion of blocks (2, 2h, 2w),
    quality (1,) -> y (M, h, w) before its gain."""

    def forward(
        self,
        samples: Tensor,
        reference: Tensor,
        source: Tensor,
        coarse: Tensor,
        camera: Tensor,
        quality: Tensor,
    ) -> Tensor:
        pictures = centred(samples), centred(reference), source[None]
        y: Tensor = self.network.motion.g_a(*pictures, coarse[None], camera[None], quality)
        return y[0]


class HyperAnalysis(Part):
    """y (M, 4k, 4l) before its gain -> z (N, k, l) before its own."""

    def __init__(self, network: VideoMofNet, coder: str):
        super().__init__(network)
        self.coder = coder

    def forward(self, y: Tensor) -> Tensor:
        coder = getattr(self.network, self.coder)
        assert isinstance(coder, LatentCoder)
        z: Tensor = coder.h_a(y[None])
        return z[0]


class Predicting(Part):
    """Integer-valued y (M, h, w), global motion (2, 16h, 16w), whether there is any other (1,),
    source, quality (1,) -> picture (3, 16h, 16w) around zero, alpha and flow (1 and 2, 16h, 16w).
    """

    def forward(
        self, y: Tensor, camera: Tensor, local: Tensor, source: Tensor, quality: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        found = self.network.predict(y[None], camera[None], source[None], quality, local)
        return found.picture[0], found.alpha[0], found.flow[0]


class CodecAnalysis(Part):
    """Frame, prediction and alpha, quality (1,) -> y (M, h, w) before its gain."""

    def forward(self, samples: Tensor, picture: Tensor, alpha: Tensor, quality: Tensor) -> Tensor:
        x = centred(samples) + 0.5
        return self.network.analyse(x, prediction(picture, alpha), quality)[0]


class Synthesis(Part):
    """Integer-valued y (M, h, w), prediction and alpha, quality (1,) -> samples, not clamped."""

    def forward(self, y: Tensor, picture: Tensor, alpha: Tensor, quality: Tensor) -> Tensor:
        x = self.network.synthesise(y[None], prediction(picture, alpha), quality)[0]
        return x.permute(1, 2, 0) * 255


def centred(samples: Tensor) -> Tensor:
    """(H, W, 3) from 0 to 255 -> (1, 3, H, W) around zero."""
    return samples.permute(2, 0, 1)[None].float() / 255 - 0.5


def prediction(picture: Tensor, alpha: Tensor) -> Prediction:
    """As the network has it, without its flow."""
    return Prediction(picture, alpha[None], picture[None])


def graphs(network: VideoMofNet) -> list[Graph]:
    """All of them."""
    config = network.config
    rows, blocks = SIDE // STRIDE, SIDE // FLOW_BLOCK
    quality = {"quality": torch.full((1,), 4.0)}
    y_m, y_c = ({"y": torch.zeros(n, rows, rows)} for n in (config.motion_latent, config.latent))
    coarse, flow = torch.zeros(2, blocks, blocks), torch.zeros(2, SIDE, SIDE)
    reference = torch.zeros(SIDE, SIDE, 3)
    samples, source = {"samples": reference.byte()}, {"source": Source(network)(reference)}
    both = {**samples, "reference": reference, **source}
    moved = {"coarse": coarse, "camera": coarse}
    ways = {"camera": flow, "local": torch.ones(1)}
    known = {"picture": torch.zeros(3, SIDE, SIDE), "alpha": torch.zeros(1, SIDE, SIDE)}
    return [
        graph("source", Source(network), {"reference": reference}, "source"),
        graph("motion_analysis", MotionAnalysis(network), both | moved | quality, "y"),
        graph("motion_hyper_analysis", HyperAnalysis(network, "motion"), y_m, "z"),
        graph("prediction", Predicting(network), y_m | ways | source | quality, *known, "flow"),
        graph("codec_analysis", CodecAnalysis(network), samples | known | quality, "y"),
        graph("codec_hyper_analysis", HyperAnalysis(network, "codec"), y_c, "z"),
        graph("synthesis", Synthesis(network), y_c | known | quality, "samples"),
    ]


def graph(name: str, part: Part, inputs: dict[str, Tensor], *outputs: str) -> Graph:
    """One of them: global motion is of pixels, or of blocks as the settled flow is."""
    varying = {**VARYING, "camera": VARYING["coarse" if "coarse" in inputs else "flow"]}
    axes = {each: varying[each] for each in (*inputs, *outputs) if each in varying}
    return Graph(name, part, inputs, outputs, axes)

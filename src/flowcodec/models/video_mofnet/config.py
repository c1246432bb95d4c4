"""Presets of video-mofnet: frozen data, one dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flowcodec.entropy.order import Order

STRIDE = 16  # of all latents
FLOW_BLOCK = 8  # side of the blocks whose mean flow the patch transform codes
FLOW_UNIT = 4.0  # pixels; a latent of one stands for so much flow
ALPHA_BIAS = 0.5  # alpha = clip(a + 0.5, 0, 1), paper P section IV.A


@dataclass(frozen=True)
class MofNetConfig:
    """Sizes and switches of MOFNet and CodecNet (paper P, fig. 2).

    transform: "strided" is the paper's four 5x5 convolutions of stride 2, from two pictures to
    flow and alpha, and from frame and prediction to the frame; "patch" codes an estimated flow in
    blocks and the rest of the prediction in a KLT, each corrected by residual networks.
    interpolation: of the reference along the flow. The paper's is bilinear; bicubic keeps edges
    that bilinear blurs a little more in every frame, and cubic splines more of them.
    temporal: the priors see the latents of the frame before, CodecNet's the motion as well.
    masking: patch transform only: steps of CodecNet grow where the prediction has contrast.
    modes: what a pixel may be, "both", "coded" alone (alpha = 1) or "skipped" alone (alpha = 0).
    conditional: CodecNet sees the prediction on both sides; else it codes the difference.
    motion_...: of MOFNet; the others are of CodecNet: width of the transforms, latent and hyper
    channels, `nn.prior.PriorConfig`'s features, hidden and slices; blocks: residual blocks of the
    patch transform, before and after. density and order as there, of both.
    """

    transform: Literal["strided", "patch"]
    motion_width: int
    motion_latent: int
    motion_hyper: int
    motion_features: int
    motion_hidden: tuple[int, int]
    motion_slices: tuple[int, ...]
    width: int
    latent: int
    hyper: int
    features: int
    hidden: tuple[int, int]
    slices: tuple[int, ...]
    density: Literal["gaussian", "laplace"]
    order: Order | tuple[Order, ...]
    motion_blocks: tuple[int, int] = (0, 0)
    blocks: tuple[int, int] = (0, 0)
    interpolation: Literal["bilinear", "bicubic", "spline"] = "bilinear"
    temporal: bool = False
    masking: bool = False
    modes: Literal["both", "coded", "skipped"] = "both"
    conditional: bool = True


PRESETS = {
    "paper": MofNetConfig(
        transform="strided",
        motion_width=128,
        motion_latent=64,
        motion_hyper=64,
        motion_features=128,
        motion_hidden=(128, 128),
        motion_slices=(64,),
        width=192,
        latent=128,
        hyper=128,
        features=192,
        hidden=(256, 256),
        slices=(128,),
        density="laplace",
        order="wavefront",
    ),
    "compact": MofNetConfig(
        transform="patch",
        motion_width=64,
        motion_latent=32,
        motion_hyper=16,
        motion_features=64,
        motion_hidden=(64, 48),
        motion_slices=(8, 24),
        motion_blocks=(2, 2),
        width=96,
        latent=192,
        hyper=32,
        features=96,
        hidden=(96, 80),
        slices=(8, 16, 32, 56, 80),
        blocks=(2, 4),
        density="laplace",
        order="checkerboard",
        interpolation="bicubic",
        temporal=True,
    ),
    "tiny": MofNetConfig(
        transform="patch",
        motion_width=8,
        motion_latent=12,
        motion_hyper=4,
        motion_features=8,
        motion_hidden=(8, 8),
        motion_slices=(12,),
        motion_blocks=(1, 1),
        width=8,
        latent=24,
        hyper=4,
        features=8,
        hidden=(8, 8),
        slices=(24,),
        blocks=(1, 1),
        density="laplace",
        order="wavefront",
        interpolation="bicubic",
        temporal=True,
    ),
}

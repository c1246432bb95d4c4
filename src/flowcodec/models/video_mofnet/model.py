"""video-mofnet: P-frames by learned flow and a choice of skip or conditional coding (paper P).

    reference, x ─ MOFNet ─► camera, y_m ─► flow, alpha;   x~ = reference along flow
    alpha x, alpha x~ ─ CodecNet ─► y_c ─► c(alpha x~, alpha x)
    x^ = (1 - alpha) x~ + c(alpha x~, alpha x)                                (eq. 2, 3, 5, 6)

The camera is the global motion (`global_motion`), which P does not have. With `temporal` the priors
of y_m and y_c see the latents of the frame before (`Memory`).

Pictures are (B, 3, H, W) in [0, 1], H and W multiples of 16 (of 64 in training).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from flowcodec.models.video_mofnet.codec import PatchCodec, StridedCodec
from flowcodec.models.video_mofnet.config import ALPHA_BIAS, FLOW_BLOCK, MofNetConfig
from flowcodec.models.video_mofnet.global_motion import estimate, field
from flowcodec.models.video_mofnet.motion import (
    PatchMotionAnalysis,
    PatchMotionSynthesis,
    StridedMotionAnalysis,
    StridedMotionSynthesis,
)
from flowcodec.models.video_mofnet.settling import settled
from flowcodec.nn.latents import LatentCoder
from flowcodec.nn.prior import PriorConfig
from flowcodec.nn.warp import filtered, warped


@dataclass(frozen=True)
class Prediction:
    """What MOFNet tells a decoder: flow (B, 2, H, W) in pixels from the frame to its reference,
    alpha (B, 1, H, W), and the reference along that flow, x~ (B, 3, H, W) around zero."""

    flow: Tensor
    alpha: Tensor
    picture: Tensor


@dataclass(frozen=True)
class Memory:
    """What the priors of a frame see of the latents of the one before (`LatentCoder.seen`)."""

    motion: Tensor
    codec: Tensor


@dataclass(frozen=True)
class Output:
    """x_hat (B, 3, H, W), around [0, 1] but not clamped; bits (B, 2) of MOFNet and CodecNet."""

    x_hat: Tensor
    bits: Tensor
    prediction: Prediction
    memory: Memory


class Motion(LatentCoder):
    """MOFNet: g_a, g_s, and how their latents are coded."""

    def __init__(self, config: MofNetConfig):
        super().__init__(
            PriorConfig(
                latent=config.motion_latent,
                hyper=config.motion_hyper,
                features=config.motion_features,
                hidden=config.motion_hidden,
                slices=config.motion_slices,
                density=config.density,
                order=config.order,
                beside=config.motion_latent if config.temporal else 0,
            )
        )
        patch = config.transform == "patch"
        self.g_a = PatchMotionAnalysis(config) if patch else StridedMotionAnalysis(config)
        self.g_s = PatchMotionSynthesis(config) if patch else StridedMotionSynthesis(config)


class Codec(LatentCoder):
    """CodecNet: its transforms, and how their latents are coded."""

    def __init__(self, config: MofNetConfig):
        super().__init__(
            PriorConfig(
                latent=config.latent,
                hyper=config.hyper,
                features=config.features,
                hidden=config.hidden,
                slices=config.slices,
                density=config.density,
                order=config.order,
                beside=config.latent + config.motion_latent if config.temporal else 0,
            )
        )
        patch = config.transform == "patch"
        self.transform = PatchCodec(config) if patch else StridedCodec(config)


class VideoMofNet(nn.Module):
    """The whole network of a P-frame. quality is (B,) in [1, 8]."""

    def __init__(self, config: MofNetConfig):
        super().__init__()
        self.config = config
        self.motion = Motion(config)
        self.codec = Codec(config)

    def forward(
        self,
        x: Tensor,
        reference: Tensor,
        flow: Tensor | None,
        quality: Tensor,
        noise: bool = False,
        price: float = 0.0,
        alpha: Tensor | None = None,
        memory: Memory | None = None,
        bare: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> Output:
        """Training pass; `noise` and `price` as in `LatentCoder.code`, and `bare`, of MOFNet and of
        CodecNet; flow: estimated from x to the reference, for transforms that code it; alpha:
        instead of MOFNet's; memory: of the P-frame before, none after an I-frame."""
        source = filtered(reference - 0.5, self.config.interpolation)
        coarse, cameras = self.settle(x, flow, quality)
        y = self.motion.g_a(x - 0.5, reference - 0.5, source, coarse, cameras[0], quality)
        past = self.nothing(y.shape) if memory is None else memory
        motion = self.motion.code(y, quality, noise, price, past.motion, bare[0])
        seen = self.motion.seen(motion.y, quality)
        found = self.predict(motion.y, cameras[1], source, quality)
        if alpha is not None:
            found = replace(found, alpha=alpha)
        bits = motion.z_bits + motion.y_bits
        if self.config.modes == "skipped":
            past = Memory(seen, past.codec)
            return Output(found.picture + 0.5, torch.stack([bits, 0 * bits], 1), found, past)
        y = self.analyse(x, found, quality)
        beside = torch.cat([past.codec, seen], 1)
        coded = self.codec.code(y, quality, noise, price, beside, bare[1])
        x_hat = self.synthesise(coded.y, found, quality)
        bits = torch.stack([bits, coded.z_bits + coded.y_bits], 1)
        return Output(x_hat, bits, found, Memory(seen, self.codec.seen(coded.y, quality)))

    def nothing(self, shape: torch.Size) -> Memory:
        """The memory after an I-frame, for latents of that shape (B, any, h, w)."""
        zeros = self.codec.gain_tables[0].new_zeros(shape[0], 1, *shape[2:])
        latents = (self.config.motion_latent, self.config.latent)
        return Memory(*(zeros.expand(-1, 2 * count, -1, -1) for count in latents))

    def settle(
        self, x: Tensor, flow: Tensor | None, quality: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The settled flow of blocks (B, 2, H/8, W/8), and the global motion of most of them: of
        blocks and of pixels (B, 2, H, W)."""
        height, width = x.shape[2:]
        if flow is None:
            coarse = x.new_zeros(len(x), 2, height // FLOW_BLOCK, width // FLOW_BLOCK)
            return coarse, (coarse, torch.zeros_like(x[:, :2]))
        found, cameras = [], []
        for each in zip(flow, x, quality, strict=True):
            found.append(settled(*(part.detach().float().cpu().numpy() for part in each)))
            cameras.append(estimate(found[-1]))
        blocks, pixels = (
            np.stack([field(camera, *size) for camera in cameras])
            for size in (found[0].shape[1:], (height, width))
        )
        coarse, *global_motion = (
            torch.from_numpy(each).to(x.device) for each in (np.stack(found), blocks, pixels)
        )
        return coarse, (global_motion[0], global_motion[1])

    def predict(
        self,
        y: Tensor,
        camera: Tensor,
        source: Tensor,
        quality: Tensor,
        local: float | Tensor = 1.0,
    ) -> Prediction:
        """Integer-valued y of MOFNet, global motion (B, 2, H, W) in pixels and what
        `nn.warp.filtered` makes of the reference around zero -> what a decoder knows before
        CodecNet. local: 0 where all motion is global, else 1."""
        added, a = self.motion.g_s(self.motion.restored(y, quality), quality)
        flow = camera + local * added
        alpha = (a + ALPHA_BIAS).clamp(0, 1)
        if self.config.modes != "both":
            alpha = torch.full_like(a, float(self.config.modes == "coded"))
        return Prediction(flow, alpha, warped(source, flow, self.config.interpolation))

    def analyse(self, x: Tensor, prediction: Prediction, quality: Tensor) -> Tensor:
        """y of CodecNet before its gain, (B, M, H/16, W/16)."""
        alpha = prediction.alpha
        return self.codec.transform.analyse(alpha * (x - 0.5), alpha * prediction.picture, quality)

    def synthesise(self, y: Tensor, prediction: Prediction, quality: Tensor) -> Tensor:
        """Integer-valued y of CodecNet -> the picture (eq. 6), not clamped."""
        alpha, picture = prediction.alpha, prediction.picture
        y = self.codec.restored(y, quality)
        coded = self.codec.transform.synthesise(y, alpha * picture, quality)
        return (1 - alpha) * picture + coded + 0.5

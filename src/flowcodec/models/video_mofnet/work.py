"""What video-mofnet costs."""

from __future__ import annotations

import torch

from flowcodec.models.video_mofnet.config import FLOW_BLOCK, STRIDE
from flowcodec.models.video_mofnet.model import VideoMofNet
from flowcodec.models.work import HEIGHT, WIDTH, Counter, Work, parameters_of, unused
from flowcodec.nn.warp import filtered


def work(network: VideoMofNet) -> Work:
    """Of a P-frame, by a network on the meta device; that of estimating the flow which it codes
    comes on top."""
    x, quality = torch.zeros(1, 3, HEIGHT, WIDTH, device="meta"), torch.ones(1, device="meta")
    flow = x.new_zeros(1, 2, HEIGHT, WIDTH)
    coarse = x.new_zeros(1, 2, HEIGHT // FLOW_BLOCK, WIDTH // FLOW_BLOCK)
    source = filtered(x, network.config.interpolation)
    analysis, prior, synthesis = Counter(), Counter(), Counter()
    with torch.no_grad():
        with analysis.counting():
            y_m = network.motion.g_a(x, x, source, coarse, coarse, quality)
            z_m = network.motion.h_a(y_m)
        with synthesis.counting():
            found = network.predict(y_m, flow, source, quality)
        with analysis.counting():
            y_c = network.analyse(x, found, quality)
            z_c = network.codec.h_a(y_c)
        with synthesis.counting():
            network.synthesise(y_c, found, quality)
        with prior.counting():
            past = network.nothing(y_m.shape)
            network.motion.prior(y_m, z_m, quality, beside=past.motion)
            seen = torch.cat([past.codec, past.motion], 1)
            network.codec.prior(y_c, z_c, quality, beside=seen)
    saved = sum(unused(part.prior, STRIDE) for part in (network.motion, network.codec))
    kmac = {
        "analysis": analysis.kmac,
        "prior": prior.kmac - saved,
        "synthesis": synthesis.kmac,
    }
    return Work(parameters_of(network), kmac, closed=True)

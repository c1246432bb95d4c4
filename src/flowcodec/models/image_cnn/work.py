"""What image-cnn costs."""

from __future__ import annotations

import torch

from flowcodec.models.image_cnn.config import LATENT_STRIDE
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.work import HEIGHT, WIDTH, Counter, Work, parameters_of, unused, written_out


def work(network: ImageCnn) -> Work:
    """Of a picture, by a network on the meta device; synthesis with the refinement."""
    x, quality = torch.zeros(1, 3, HEIGHT, WIDTH, device="meta"), torch.ones(1, device="meta")
    analysis, prior, synthesis = Counter(), Counter(), Counter()
    with torch.no_grad(), written_out():
        with analysis.counting():
            y = network.g_a(x, quality)
            z = network.h_a(y)
        with prior.counting():
            network.prior(y, z, quality)
        with synthesis.counting():
            network.synthesise(y, quality)
    kmac = {
        "analysis": analysis.kmac,
        "prior": prior.kmac - unused(network.prior, LATENT_STRIDE),
        "synthesis": synthesis.kmac,
    }
    return Work(parameters_of(network), kmac)

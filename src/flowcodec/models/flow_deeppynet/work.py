"""What flow-deeppynet costs."""

from __future__ import annotations

import torch

from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.models.work import HEIGHT, WIDTH, Counter, Work, parameters_of


def work(network: DeepPyNet) -> Work:
    """Of a pair, for a pixel of one of its pictures, by a network on the meta device."""
    x = torch.zeros(1, 3, HEIGHT, WIDTH, device="meta")
    flow = Counter()
    with torch.no_grad(), flow.counting():
        network.estimates(x, x)
    return Work(parameters_of(network), {"flow": flow.kmac})

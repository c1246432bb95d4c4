"""CGAM's global prediction as training sees it: the twin of `entropy.similarity`.

What is similar is found by the same integers, so that both ask the same positions; what those have
passes with a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowcodec.nn.fixed_point import activation

NEIGHBOURS = 4
KEY_STEPS, ALIKE = 16.0, 256.0
LEAST_ENERGY = 1024.0
PLACES = float(1 << 20)


@dataclass(frozen=True)
class Similar:
    """For each of n positions, row by row: indices (B, n, k) of positions like it that come before
    it, the best first, and how much they are, 0 to 1. Those that it has not are not alike."""

    positions: Tensor
    alike: Tensor


def keys_of(y: Tensor) -> Tensor:
    """Integer-valued latents (B, channels, h, w) -> (B, h w, channels), float64."""
    flat = y.detach().flatten(2).transpose(1, 2).double()
    logs = torch.floor(torch.log2(1 + flat.abs().clamp(max=4095)) * KEY_STEPS)
    return logs * flat.sign()


def most_similar(keys: Tensor, ranks: Tensor) -> Similar:
    """ranks (h, w): a position is compared with those of smaller ranks."""
    rank, place = ranks.flatten(), torch.arange(ranks.numel(), device=keys.device)
    energy = keys.square().sum(2)
    products = 2 * ALIKE * keys @ keys.transpose(1, 2)
    alike = torch.floor(products / (energy[:, :, None] + energy[:, None] + LEAST_ENERGY))
    order = alike * PLACES - place
    order = order.masked_fill(rank[None, :] >= rank[:, None], -2 * ALIKE * PLACES)
    found = order.topk(min(NEIGHBOURS, len(rank)), 2).values
    places = torch.remainder(-found, PLACES)
    alike = torch.div(found + places, PLACES).clamp(min=0) / ALIKE
    return Similar(places.long(), alike.float())


def told(similar: Similar, seen: Tensor) -> Tensor:
    """What similar positions tell of a map (B, C, h, w): (B, C + 1, h, w) activations."""
    batch, channels, height, width = seen.shape
    flat = seen.flatten(2)
    index = similar.positions.flatten(1)[:, None].expand(-1, channels, -1)
    values = flat.gather(2, index).unflatten(2, similar.positions.shape[1:])
    weights = similar.alike.square()[:, None]
    mean = (values * weights).sum(3) / weights.sum(3).clamp(min=1 / ALIKE**2)
    best = similar.alike[:, None, :, 0]
    trusted = activation(mean * best)
    return torch.cat([trusted, best], 1).view(batch, channels + 1, height, width)

"""Probability mass of integers under continuous densities, for the rate term of training."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flowcodec.nn.straight_through import lower_bound

MINIMUM_MASS = 2.0**-24
SCALE_LOG2_MIN, SCALE_LOG2_MAX = -3.25, 7.0
LAPLACE_LOG2_MIN = -4.75


def gaussian_mass(distance: Tensor, scale_log2: Tensor) -> Tensor:
    """Mass of the unit interval around a point at `distance` from the mean of a Gaussian.

    distance and scale_log2 (log2 of the standard deviation) broadcast; values in (0, 1).
    Computed on the lower tail, where floating point keeps its precision.
    """
    scale = torch.exp2(scale_log2.clamp(SCALE_LOG2_MIN, SCALE_LOG2_MAX)) * math.sqrt(2)
    far = distance.abs()
    return 0.5 * (torch.erfc((far - 0.5) / scale) - torch.erfc((far + 0.5) / scale))


def laplace_mass(distance: Tensor, scale_log2: Tensor) -> Tensor:
    """As `gaussian_mass`, of a Laplace density of that standard deviation."""
    rate = math.sqrt(2) * torch.exp2(-scale_log2.clamp(LAPLACE_LOG2_MIN, SCALE_LOG2_MAX))
    far = distance.abs()
    below, above = far - 0.5, far + 0.5
    inside = 1 - 0.5 * (torch.exp(rate * below.clamp(max=0)) + torch.exp(-rate * above))
    outside = 0.5 * (torch.exp(-rate * below.clamp(min=0)) - torch.exp(-rate * above))
    return torch.where(below < 0, inside, outside)


MASSES = {"gaussian": gaussian_mass, "laplace": laplace_mass}


def bits(mass: Tensor) -> Tensor:
    """-log2 of the mass, bounded at 24 bits (dearer symbols take the escape code)."""
    return -torch.log2(lower_bound(mass, MINIMUM_MASS))

"""A context that no system has, as integers and as training sees it.

Each position sees what the opposite one has in the slice before, and how large the latents of its
own slice have been so far.
"""

import numpy as np
import torch

from flowcodec.entropy.fixed_point import Conv
from flowcodec.nn.fixed_point import FixedConv2d, activation


class Opposite:
    """Of integers."""

    name = "opposite"

    def __init__(self, arrays, slices):
        self.slices = slices
        self.before = {g: self._conv(arrays, f"before.{g}") for g in range(1, len(slices))}
        self.level = {g: self._conv(arrays, f"level.{g}") for g in range(len(slices))}

    @staticmethod
    def _conv(arrays, name):
        return Conv(arrays[f"own.{name}.weight"], arrays[f"own.{name}.bias"])

    def at(self, known, positions):
        index = len(known.maps) - 1
        own = known.maps[index].reshape(len(known.done), -1)
        level = own[:, self.slices[index] :].sum(0) // max(1, int(known.done.sum()))
        found = self.level[index].at(np.repeat(level[None], len(positions), 0))
        if index:
            before = known.maps[index - 1].reshape(len(known.done), -1)
            found = found + self.before[index].at(before[::-1][positions])
        return found


class TrainedOpposite(torch.nn.Module):
    """As training sees it."""

    def __init__(self, slices, features):
        super().__init__()
        self.slices = slices
        self.before = torch.nn.ModuleDict(
            {str(g): FixedConv2d(2 * slices[g - 1], features, 1) for g in range(1, len(slices))}
        )
        self.level = torch.nn.ModuleDict(
            {str(g): FixedConv2d(channels, features, 1) for g, channels in enumerate(slices)}
        )

    def forward(self, known):
        index = len(known.maps) - 1
        own = known.maps[index][:, self.slices[index] :]
        total = own.sum((2, 3), keepdim=True) / max(1, int(known.done.sum()))
        found = self.level[str(index)](activation(total)).expand_as(known.features)
        if index:
            found = found + self.before[str(index)](known.maps[index - 1].flip(2, 3))
        return found

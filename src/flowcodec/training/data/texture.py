"""Photographs as the surfaces of what moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor


@dataclass(frozen=True)
class Texture:
    """A photograph by the place relative to a centre: turn @ place + origin are its pixels.

    Below 1, contrast is what is left of it around the mean of the places that are asked for.
    """

    photograph: Tensor
    turn: np.ndarray
    origin: np.ndarray
    contrast: float

    @staticmethod
    def draw(
        rng: Generator,
        photographs: Sequence[Tensor],
        height: int,
        width: int,
        contrast: float = 1.0,
    ) -> Texture:
        """A random part of a random photograph, for about this many pixels."""
        photograph = photographs[int(rng.integers(len(photographs)))]
        rows, columns = photograph.shape[1:]
        zoom = math.exp(rng.uniform(math.log(0.5), math.log(1.4)))
        zoom = min(zoom, 0.95 * min(rows, columns) / max(height, width))
        angle = rng.normal(0, 0.2) + (rng.integers(4) * math.pi / 2 if rng.random() < 0.3 else 0)
        turn = zoom * np.array(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
        if rng.random() < 0.5:
            turn[:, 0] *= -1
        margin = 0.5 * zoom * max(height, width)
        place = [rng.uniform(min(margin, s / 2), max(s - margin, s / 2)) for s in (columns, rows)]
        return Texture(photograph, turn, np.array(place), contrast)

    @property
    def mean(self) -> Tensor:
        """(3, 1, 1) in [0, 1], about, of the whole photograph."""
        few = self.photograph[:, ::16, ::16].float()
        return few.mean((1, 2), keepdim=True).div_(255)

    def at(self, x: Tensor, y: Tensor) -> Tensor:
        """Colours (3, h, w) in [0, 1] at places (h, w); beyond the photograph, mirrored."""
        (a, b), (c, d) = self.turn.tolist()
        u = a * x + b * y + self.origin[0]
        v = c * x + d * y + self.origin[1]
        rows, columns = self.photograph.shape[1:]
        low_u, high_u = _span(u, columns)
        low_v, high_v = _span(v, rows)
        part = self.photograph[:, low_v:high_v, low_u:high_u].float().div_(255)
        grid = torch.stack(
            [
                (u - low_u) * (2 / max(high_u - low_u - 1, 1)) - 1,
                (v - low_v) * (2 / max(high_v - low_v - 1, 1)) - 1,
            ]
        ).permute(1, 2, 0)
        colours = F.grid_sample(
            part[None], grid[None], padding_mode="reflection", align_corners=True
        )[0]
        if self.contrast < 1:
            mean = colours.mean((1, 2), keepdim=True)
            colours = mean + (colours - mean) * self.contrast
        return colours


def _span(places: Tensor, length: int) -> tuple[int, int]:
    """The part of a photograph's side that is needed; all of it where places lie beyond."""
    low, high = math.floor(float(places.min())), math.ceil(float(places.max())) + 1
    return (low, high) if low >= 0 and high <= length and high - low > 1 else (0, length)

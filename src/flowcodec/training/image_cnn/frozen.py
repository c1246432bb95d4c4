"""Latents of a network whose analysis and prior do not learn, computed once and used several times.

A crop's latents cost more than a step of the decoder that learns from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

ROUND = 1024  # steps within which batches come again

Batch = tuple[Tensor, Tensor, Tensor]
"""Crops (B, 3, 16h, 16w) in [0, 1], their qualities (B,), and their integer-valued latents."""


def batch_number(step: int, reuse: int, seed: int) -> int:
    """Which batch a step sees: within a round, each as often as any other, in random order."""
    round_, at = divmod(step, ROUND)
    order = np.random.default_rng([seed, round_, 2]).permutation(ROUND)
    return round_ * ROUND + int(order[at]) // reuse


@dataclass
class FrozenLatents:
    """Batches of the round in progress. make: the batch of a number."""

    make: Callable[[int], Batch]
    reuse: int
    seed: int
    kept: dict[int, Batch] = field(default_factory=dict)

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        number = batch_number(step, self.reuse, self.seed)
        if number not in self.kept:
            ended = number // ROUND * ROUND
            self.kept = {n: batch for n, batch in self.kept.items() if n >= ended}
            x, quality, y = self.make(number)
            self.kept[number] = (x.mul(255).round_().byte(), quality, y.short())
        x, quality, y = self.kept[number]
        return x.float().div_(255), quality, y.float()

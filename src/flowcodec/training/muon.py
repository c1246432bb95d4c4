"""Muon: momentum whose every update is turned into the nearest orthogonal matrix.

After Jordan et al. 2024. After 660 steps of a restoration network it was ahead of Adam after 890,
which took as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
ITERATIONS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)  # takes singular values of (0, 1] to about 0.7 to 1.2


def is_matrix(parameter: Tensor) -> bool:
    """Whether it is the weight of a convolution between several channels."""
    return parameter.ndim == 4 and min(parameter.shape[:2]) > 1


class Muon(torch.optim.Optimizer):
    """For weights of convolutions (O, I, k, k), taken as matrices of O rows.

    Steps have the spectral norm `lr` (times the root of O/(I k k) where that is above 1),
    whatever the gradient's scale.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], lr: float = 1e-3, dtype: torch.dtype = torch.float32
    ):
        """dtype: in which updates are made orthogonal; bfloat16 is enough, and faster where the
        processor has it."""
        super().__init__(groups, {"lr": lr})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            alike = defaultdict[tuple[int, int], list[tuple[Tensor, Tensor]]](list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
                ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
                alike[ahead.shape].append((parameter, ahead.to(self.dtype)))
            for (rows, columns), several in alike.items():  # together, which is faster
                updates = orthogonalise(torch.stack([ahead for _, ahead in several]))
                scale = max(1.0, rows / columns) ** 0.5
                for (parameter, _), update in zip(several, updates, strict=True):
                    update = update.to(parameter.dtype).view(parameter.shape)
                    parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonalise(matrices: Tensor) -> Tensor:
    """About U V^T for each of the matrices U S V^T (n, rows, columns), by Newton-Schulz
    iterations."""
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.mT if tall else x

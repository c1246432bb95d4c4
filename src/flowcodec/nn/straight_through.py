"""Rounding with a straight-through gradient, noise, and bounds that let gradients back in."""

from __future__ import annotations

import torch
from torch import Tensor


def round_through(x: Tensor, fraction_bits: int = 0) -> Tensor:
    """Round to multiples of 2^-fraction_bits; the gradient passes as if nothing happened."""
    if fraction_bits:
        scale = float(1 << fraction_bits)
        return x + ((x.detach() * scale).round_() / scale - x.detach())
    return x + (x.detach().round() - x.detach())


def add_noise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Add uniform noise of [-1/2, 1/2), the differentiable stand-in for rounding."""
    noise = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + (noise - 0.5)


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bound: float) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        passes = (x >= ctx.bound) | (grad < 0)
        return grad * passes, None


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """max(x, bound), with the gradient kept where it would lift x above the bound."""
    result: Tensor = _LowerBound.apply(x, bound)
    return result

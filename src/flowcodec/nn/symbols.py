"""What a head expects of latents, what they cost, and which integers stand for them.

The twin of `entropy.symbols`, in floating point.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from flowcodec.nn.fixed_point import FixedConv2d, leaky
from flowcodec.nn.likelihood import MASSES, bits
from flowcodec.nn.straight_through import round_through

Density = Literal["gaussian", "laplace"]
REACH = 0.1  # of a threshold of rounding, in steps of the quantiser


class Head(nn.Module):
    """Three 1x1 convolutions with LeakyReLU: the Gaussian merge block (thesis 3.2, fig. 3.3)."""

    def __init__(self, features: int, hidden: tuple[int, int], channels: int, components: int):
        super().__init__()
        self.channels, self.components = channels, components
        per_element = 2 if components == 1 else 3
        last = FixedConv2d(hidden[1], per_element * components * channels, 1)
        self.layers = nn.ModuleList(
            [FixedConv2d(features, hidden[0], 1), FixedConv2d(hidden[0], hidden[1], 1), last]
        )
        assert last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        if components > 1:
            spread = torch.linspace(-1.0, 1.0, components).repeat_interleave(channels)
            with torch.no_grad():
                last.bias[components * channels : 2 * components * channels] = spread

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, C, h, w) -> means, log2 scales (and weight logits), each (B, G, channels, h, w)."""
        for layer in self.layers:
            x = layer(leaky(x))
        shape = (x.shape[0], -1, self.components, self.channels, *x.shape[2:])
        parts = x.view(shape).unbind(1)
        return parts[0], parts[1], parts[2] if len(parts) == 3 else None


class Mixture:
    """What a head expects of gained latents: G densities each, (B, G, C, h, w)."""

    def __init__(
        self,
        found: tuple[Tensor, Tensor, Tensor | None],
        log_gain: Tensor,
        density: Density = "gaussian",
    ):
        """What `Head` gives, for latents before the gain, and log2 of the gain (B, C, 1, 1)."""
        self.mass = MASSES[density]
        mean, log_scale, logit = found
        gain = log_gain[:, None]
        self.mean, self.log_scale = mean * torch.exp2(gain), log_scale + gain
        self.weight = None if logit is None else torch.softmax(logit, dim=1)

    def bits(self, y: Tensor) -> Tensor:
        """What each of the latents y (B, C, h, w) costs."""
        mass = self.mass(y[:, None] - self.mean, self.log_scale)
        return bits(mass[:, 0] if self.weight is None else (mass * self.weight).sum(1))


def quantise(y: Tensor, expected: Mixture, price: Tensor | None) -> tuple[Tensor, Tensor]:
    """The integers of gained latents and what each costs, with a gradient to the latents.

    Either the nearest one, or the next towards what is expected where the bits saved are worth it:
    `price` (C, 1, 1) is the squared error, in steps of the quantiser, that one bit is worth. The
    exact coder's twin is `entropy.symbols.cheaper`. Without a price, and under mixtures, it is the
    nearest with a straight-through gradient.

    At a price the gradient is that of the thresholds: an integer changes where its latent crosses
    one, by a whole step, and its bits by what the two integers differ in. A latent hears of it
    within about `REACH` of a threshold. Elsewhere moving it changes nothing, and so says the
    gradient (docs/training.md has what other gradients say).
    """
    if price is None or expected.weight is not None:
        rounded = round_through(y)
        return rounded, expected.bits(rounded)
    with torch.no_grad():
        one, likely = y.round(), expected.mean[:, 0].round()
        other = one + torch.sign(likely - one)
        costs = [price * expected.bits(k) + (k - y).square() for k in (one, other)]
        chosen = torch.where(costs[1] < costs[0], other, one)
        below, here, above = (expected.bits(chosen + step) for step in (-1, 0, 1))
        down, up = here - below, above - here
        near_down = near(y - (chosen - 0.5 + price * down / 2))
        near_up = near(y - (chosen + 0.5 + price * up / 2))
    moved = y - y.detach()
    integers = chosen + moved * (near_down + near_up)
    return integers, expected.bits(chosen) + moved * (near_down * down + near_up * up)


def near(distance: Tensor) -> Tensor:
    """A logistic density of scale `REACH` around a threshold."""
    side = torch.sigmoid(distance / REACH)
    return side * (1 - side) / REACH

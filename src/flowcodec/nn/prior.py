"""The learned prior of the latents: hyper synthesis, context and Gaussian merge, in fixed point.

    z ──h_s──► features ──┬─► head 1 ──► means, scales (weights) of group 1, anchors
                          │◄── context conv of the decoded anchors
                          ├─► head 1 ──► the same of group 1, the other half of the checkerboard
                          │◄── context conv of the whole group
                          ├─► head 2 ...

All of it is integer arithmetic when coding (`flowcodec.entropy.prior`); here the same network
runs in floating point with straight-through rounding. The network sees latents before their
gain, so with the same statistics at every quality: a quality only shifts log2 scales and
multiplies means (the gain units).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.attention import FixedAdjacentAttention
from flowcodec.nn.fixed_point import (
    ACTIVATION_BITS,
    ACTIVATION_LIMIT,
    WEIGHT_BITS,
    CausalConv2d,
    FixedConv2d,
    activation,
    leaky,
)
from flowcodec.nn.gains import PerQuality
from flowcodec.nn.likelihood import MASSES, bits, gaussian_mass
from flowcodec.nn.straight_through import add_noise, round_through

Density = Literal["gaussian", "laplace"]
Order = Literal["checkerboard", "wavefront"]

HYPER_COMPONENTS = 3
GAIN_BITS = 8
REACH = 0.1  # of a threshold of rounding, in steps of the quantiser


@dataclass(frozen=True)
class PriorConfig:
    """Sizes and switches of the prior.

    latent: channels of y; hyper: channels of z; features: width of the feature map at 1/16;
    hidden: widths of a head's two hidden layers; groups: channels of each group of y in coding
    order (their sum is `latent`); components: Gaussians a latent element (GMB when above 1);
    attention: adjacent attention inside h_s; density: of a latent of y; order: of its positions.
    With one group on the checkerboard there is no context: y is coded in one step, as in the
    thesis. On the wavefront a masked 5x5 convolution sees what was coded before. beside: channels
    of latents at 1/16 that both sides know already, such as those of the frame before.
    """

    latent: int
    hyper: int
    features: int
    hidden: tuple[int, int]
    groups: tuple[int, ...]
    components: int = 1
    attention: bool = False
    density: Density = "gaussian"
    order: Order = "checkerboard"
    beside: int = 0


@dataclass(frozen=True)
class Coded:
    """What the prior made of a batch: integers with a gradient, and their cost."""

    y: Tensor  # (B, M, h, w) integer-valued
    y_bits: Tensor  # (B,)
    z_bits: Tensor  # (B,)


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
    exact coder's twin is `entropy.prior.cheaper`. Without a price, and under mixtures, it is the
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


class HyperSynthesis(nn.Module):
    """h_s: z at 1/64 to features at 1/16, by two subpixel convolutions.

    A 5x5 transposed convolution of stride 2 is the special case of a 3x3 convolution to four
    times the channels followed by a pixel shuffle; the latter needs no other integer kernel.
    """

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.up1 = FixedConv2d(config.hyper, 4 * config.hyper, 3)
        self.up2 = FixedConv2d(config.hyper, 4 * config.features, 3)
        self.attention = FixedAdjacentAttention(config.features) if config.attention else None
        self.out = FixedConv2d(config.features, config.features, 1)

    def forward(self, z: Tensor) -> Tensor:
        x = leaky(F.pixel_shuffle(self.up1(z), 2))
        x = leaky(F.pixel_shuffle(self.up2(x), 2))
        if self.attention is not None:
            x = self.attention(x)
        return self.out(x)


class Prior(nn.Module):
    """Codes z with a factorized mixture and y given z and the already coded part of y."""

    def __init__(self, config: PriorConfig):
        super().__init__()
        if sum(config.groups) != config.latent:
            raise ValueError(f"groups {config.groups} do not add up to {config.latent} channels")
        self.config = config
        self.log_gain = PerQuality(config.latent)  # log2 of the gain of y
        self.hyper_log_gain = PerQuality(
            config.hyper, torch.linspace(-1, 2, 8)[:, None].repeat(1, config.hyper)
        )
        shape = (HYPER_COMPONENTS, config.hyper)
        self.hyper_mean = nn.Parameter(torch.zeros(shape))
        self.hyper_log_scale = nn.Parameter(torch.linspace(-2, 1, 3)[:, None].repeat(1, shape[1]))
        self.hyper_logit = nn.Parameter(torch.zeros(shape))
        self.hyper_synthesis = HyperSynthesis(config)
        self.quality_bias = PerQuality(config.features)
        self.beside = None
        if config.beside:
            self.beside = FixedConv2d(2 * config.beside, config.features, 3)
            nn.init.zeros_(self.beside.weight)
            if self.beside.bias is not None:
                nn.init.zeros_(self.beside.bias)
        self.heads = nn.ModuleList(
            Head(config.features, config.hidden, group, config.components)
            for group in config.groups
        )
        contexts: list[FixedConv2d]
        if config.order == "wavefront":
            contexts = [CausalConv2d(2 * config.latent, config.features, 5)]
        else:
            # The last group feeds nobody: it has no context convolution and is coded in one step.
            contexts = [FixedConv2d(2 * group, config.features, 3) for group in config.groups[:-1]]
        self.contexts = nn.ModuleList(contexts)
        self.half_bias = nn.Parameter(torch.zeros(len(contexts), config.features, 1, 1))
        for context in contexts:
            assert context.bias is not None
            nn.init.normal_(context.weight, std=0.02)
            nn.init.zeros_(context.bias)

    def hyper_bits(self, z: Tensor, log_gain: Tensor) -> Tensor:
        """Bits of every element of gained z (B, N, h, w) under the factorized mixture."""
        gain = torch.exp2(log_gain)[:, None]  # (B, 1, N, 1, 1)
        mean = self.hyper_mean[None, :, :, None, None] * gain
        scale = self.hyper_log_scale[None, :, :, None, None] + log_gain[:, None]
        mass = gaussian_mass(z[:, None] - mean, scale)
        weight = torch.softmax(self.hyper_logit, dim=0)[None, :, :, None, None]
        return bits((mass * weight).sum(1))

    def forward(
        self,
        y: Tensor,
        z: Tensor,
        quality: Tensor,
        noise: bool = False,
        price: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> Coded:
        """y (B, M, 4k, 4l) and z (B, N, k, l) real, quality (B,) in [1, 8]; beside, if the prior
        has such: what `context_input` makes of the other latents (B, 2 beside, 4k, 4l).

        The rate is that of the rounded latents, with a gradient as `quantise` says; with `noise`,
        that of latents with uniform noise, the differentiable upper bound of the papers. The
        bound is loose where most latents round to zero: 0.63 against 0.39 bpp was seen at
        quality 1. y is rounded as `quantise` does at `price` (M, 1, 1), or to the nearest.
        """
        z_gain = self.hyper_log_gain(quality)
        gained_z = z * torch.exp2(z_gain)
        rounded_z = round_through(gained_z)
        z_bits = self.hyper_bits(add_noise(gained_z) if noise else rounded_z, z_gain)
        z_hat = activation(rounded_z * torch.exp2(-z_gain))

        log_gain = self.log_gain(quality)
        gained = y * torch.exp2(log_gain)
        features = self.hyper_synthesis(z_hat) + self.quality_bias(quality)
        if self.beside is not None:
            features = features + self.beside(beside)
        features = activation(features)
        anchors = self.anchors(y.shape[2], y.shape[3], y.device)
        y_bits = y.new_zeros(y.shape[0])
        density = self.config.density
        quantised = []
        start = 0
        for index, (group, head) in enumerate(zip(self.config.groups, self.heads, strict=True)):
            part = slice(start, start + group)
            start += group
            real, gain = gained[:, part], log_gain[:, part]
            cost = None if price is None else price[part]
            base = features
            context = self.contexts[index] if index < len(self.contexts) else None
            if context is not None:
                half = self.first_guess(real, features, head, gain, cost)
                known = torch.cat(context_input(half, gain), 1)
                if self.config.order == "checkerboard":
                    known = known * anchors
                later = activation(features + context(known) + self.half_bias[index])
                base = torch.where(anchors, features, later)
            expected = Mixture(head(base), gain, density)
            rounded, costs = quantise(real, expected, cost)
            quantised.append(rounded)
            if context is not None and index + 1 < len(self.heads):
                known = torch.cat(context_input(rounded, gain), 1)
                features = activation(features + context(known))
            if noise:
                costs = expected.bits(add_noise(real))
            y_bits = y_bits + costs.sum((1, 2, 3))
        return Coded(torch.cat(quantised, 1), y_bits, z_bits.sum((1, 2, 3)))

    def anchors(self, height: int, width: int, device: torch.device) -> Tensor:
        """(h, w) booleans: the positions that are coded first and see no other."""
        if self.config.order == "checkerboard":
            return checkerboard(height, width, device)
        first = torch.zeros(height, width, dtype=torch.bool, device=device)
        first[0, 0] = True
        return first

    def first_guess(
        self, real: Tensor, features: Tensor, head: nn.Module, gain: Tensor, cost: Tensor | None
    ) -> Tensor:
        """The integers that a context sees; at a price, as far as `features` alone tell them.

        That is exact for the checkerboard's first half. On the wavefront each choice would wait
        for the one before, which training cannot.
        """
        if cost is None:
            return round_through(real)
        with torch.no_grad():
            expected = Mixture(head(features), gain, self.config.density)
        return quantise(real, expected, cost)[0]

    def export(self) -> dict[str, np.ndarray]:
        """The integers of the exact prior, by name: what weight files carry and hashes cover.

        Gains are in units of 2^-8 octave, other tables are activations (2^-10); layers as
        `FixedConv2d.export` gives them.
        """
        arrays = {
            "log_gain": fixed(self.log_gain.table, GAIN_BITS),
            "hyper_log_gain": fixed(self.hyper_log_gain.table, GAIN_BITS),
            "quality_bias": fixed(self.quality_bias.table, ACTIVATION_BITS),
            "hyper_mean": fixed(self.hyper_mean, ACTIVATION_BITS),
            "hyper_log_scale": fixed(self.hyper_log_scale, ACTIVATION_BITS),
            "hyper_logit": fixed(self.hyper_logit, ACTIVATION_BITS),
            "half_bias": fixed(self.half_bias[:, :, 0, 0], ACTIVATION_BITS),
        }
        for name, layer in self.named_modules():
            if isinstance(layer, FixedConv2d):
                arrays[f"{name}.weight"], arrays[f"{name}.bias"] = layer.export()
        return arrays

    @torch.no_grad()
    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the values that `export` gave, so that training can go on from them."""
        own: dict[str, tuple[Tensor, int]] = {
            "log_gain": (self.log_gain.table, GAIN_BITS),
            "hyper_log_gain": (self.hyper_log_gain.table, GAIN_BITS),
            "quality_bias": (self.quality_bias.table, ACTIVATION_BITS),
            "hyper_mean": (self.hyper_mean, ACTIVATION_BITS),
            "hyper_log_scale": (self.hyper_log_scale, ACTIVATION_BITS),
            "hyper_logit": (self.hyper_logit, ACTIVATION_BITS),
            "half_bias": (self.half_bias, ACTIVATION_BITS),
        }
        for name, layer in self.named_modules():
            if isinstance(layer, FixedConv2d):
                assert layer.bias is not None
                own[f"{name}.weight"] = (layer.weight, WEIGHT_BITS)
                own[f"{name}.bias"] = (layer.bias, WEIGHT_BITS + ACTIVATION_BITS)
        for name, (value, fraction_bits) in own.items():
            array = torch.from_numpy(arrays[name].astype(np.float64)) / (1 << fraction_bits)
            value.copy_(array.view(value.shape))


def context_input(y: Tensor, log_gain: Tensor) -> tuple[Tensor, Tensor]:
    """What a context sees of decoded integers: their value before the gain, and log2(1+|y|).

    Both are fixed-point activations. Shapes as y.
    """
    value = activation(y * torch.exp2(-log_gain))
    magnitude = activation(torch.log2(1 + y.abs()).clamp(max=ACTIVATION_LIMIT))
    return value, magnitude


def checkerboard(height: int, width: int, device: torch.device) -> Tensor:
    """(h, w) booleans, true where row + column is even: the half that is coded first."""
    rows = torch.arange(height, device=device)[:, None]
    columns = torch.arange(width, device=device)[None, :]
    return (rows + columns) % 2 == 0


def fixed(values: Tensor, fraction_bits: int) -> np.ndarray:
    """Round to integers of 2^-fraction_bits, as int32."""
    return (values.detach().double() * (1 << fraction_bits)).round().int().cpu().numpy()

"""The learned prior of the latents: hyper synthesis, context and Gaussian merge, in fixed point.

    z ──h_s──► features ──┬─► head 1 ──► means, scales (weights) of slice 1, first half
                          │◄── context conv of the first half
                          ├─► head 1 ──► the same of slice 1, second half of the checkerboard
                          │◄── context conv of the whole slice
                          ├─► head 2 ...

All of it is integer arithmetic when coding (`flowcodec.entropy.prior`); here the same network
runs in floating point with straight-through rounding. The network sees latents before their
gain, so with the same statistics at every quality: a quality only shifts log2 scales and
multiplies means (the gain units).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.attention import FixedAdjacentAttention
from flowcodec.nn.blocks import zero_start
from flowcodec.nn.context import context_input, contexts_of
from flowcodec.nn.fixed_point import (
    ACTIVATION_BITS,
    WEIGHT_BITS,
    FixedConv2d,
    activation,
    leaky,
)
from flowcodec.nn.gains import PerQuality
from flowcodec.nn.likelihood import bits, gaussian_mass
from flowcodec.nn.order import LATER, Order, orders_of, ranks_of, steps_of
from flowcodec.nn.similarity import Similar, keys_of, most_similar, told
from flowcodec.nn.straight_through import add_noise, round_through
from flowcodec.nn.symbols import Density, Head, Mixture, quantise

HYPER_COMPONENTS = 3
GAIN_BITS = 8


@dataclass(frozen=True)
class PriorConfig:
    """Sizes and switches of the prior.

    latent: channels of y; hyper: channels of z; features: width of the feature map at 1/16;
    hidden: widths of a head's two hidden layers; slices: channels of each slice of y in coding
    order (their sum is `latent`); components: Gaussians a latent element (GMB when above 1);
    attention: adjacent attention inside h_s; density: of a latent of y; order: of its positions,
    one for all slices or one each (`nn.order`). With one slice on the checkerboard there is no
    context: y is coded in one step, as in the thesis. beside: channels of latents at 1/16 that both
    sides know already, such as those of the frame before. first_half: slices of the first half of
    CGAM; those after them see by similarity too (`nn.similarity`); 0: there is none.
    """

    latent: int
    hyper: int
    features: int
    hidden: tuple[int, int]
    slices: tuple[int, ...]
    components: int = 1
    attention: bool = False
    density: Density = "gaussian"
    order: Order | tuple[Order, ...] = "checkerboard"
    beside: int = 0
    first_half: int = 0

    def __post_init__(self) -> None:
        if sum(self.slices) != self.latent:
            raise ValueError(f"slices {self.slices} do not add up to {self.latent} channels")
        if len(self.orders) != len(self.slices):
            raise ValueError(f"{len(self.slices)} slices have {len(self.orders)} orders")
        if not 0 <= self.first_half < len(self.slices):
            raise ValueError(f"{self.first_half} of {len(self.slices)} slices are no half")

    @property
    def orders(self) -> tuple[Order, ...]:
        """The order of each slice."""
        return orders_of(self.order, len(self.slices))


@dataclass(frozen=True)
class Coded:
    """What the prior made of a batch: integers with a gradient, and their cost."""

    y: Tensor  # (B, M, h, w) integer-valued
    y_bits: Tensor  # (B,)
    z_bits: Tensor  # (B,)


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
            self.beside = zero_start(FixedConv2d(2 * config.beside, config.features, 3))
        self.heads = nn.ModuleList(
            Head(config.features, config.hidden, channels, config.components)
            for channels in config.slices
        )
        self.contexts, self.wholes = contexts_of(config.slices, config.orders, config.features)
        later = [LATER[order] for order in config.orders]
        self.half_bias = nn.Parameter(torch.zeros(sum(later), config.features, 1, 1))
        self.globals = nn.ModuleDict()
        for index in range(config.first_half or len(config.slices), len(config.slices)):
            seen = 2 * config.slices[index] + 1
            self.globals[str(index)] = zero_start(FixedConv2d(seen, config.features, 1))

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
        y_bits = y.new_zeros(y.shape[0])
        quantised: list[Tensor] = []
        similar: dict[Order, Similar] = {}
        parts = zip(
            *(values.split(self.config.slices, 1) for values in (gained, log_gain)), strict=True
        )
        costs_of = [None] * len(self.heads) if price is None else price.split(self.config.slices)
        for index, ((real, gain), cost) in enumerate(zip(parts, costs_of, strict=True)):
            order = self.config.orders[index]
            if str(index) in self.globals and order not in similar:
                keys = keys_of(torch.cat(quantised[: self.config.first_half], 1))
                steps = steps_of(order, real.shape[2], real.shape[3], real.device)
                similar[order] = most_similar(keys, steps)
            base = self.base(index, features, real, gain, cost, similar.get(order))
            expected = self.expected(index, base, gain)
            rounded, costs = quantise(real, expected, cost)
            quantised.append(rounded)
            features = self.left(index, features, context_input(rounded, gain))
            if noise:
                costs = expected.bits(add_noise(real))
            y_bits = y_bits + costs.sum((1, 2, 3))
        return Coded(torch.cat(quantised, 1), y_bits, z_bits.sum((1, 2, 3)))

    def expected(self, index: int, base: Tensor, gain: Tensor) -> Mixture:
        """What the head of a slice makes of what it sees."""
        return Mixture(self.heads[index](base), gain, self.config.density)

    def base(
        self,
        index: int,
        features: Tensor,
        real: Tensor,
        gain: Tensor,
        cost: Tensor | None,
        similar: Similar | None,
    ) -> Tensor:
        """What the head of a slice sees at each position, in the step in which that is coded.

        At a price the integers of the steps before are those that the walk chooses; but on the
        wavefront, where each choice would wait for the one before, they are what `features` alone
        tell: training cannot wait.
        """
        order = self.config.orders[index]
        ranks = ranks_of(order, real.shape[2], real.shape[3], real.device)
        base = features
        for rank in range(1, LATER[order] + 1):
            with torch.no_grad():
                expected = None if cost is None else self.expected(index, base, gain)
            guess = round_through(real) if expected is None else quantise(real, expected, cost)[0]
            seen = context_input(guess, gain)
            if order != "wavefront":
                seen = seen * (ranks < rank)
            later = features + self.contexts[str(index)](seen) + self.bias(index, rank)
            if str(index) in self.globals and similar is not None:
                later = later + self.globals[str(index)](told(similar, seen))
            base = torch.where(ranks >= rank, activation(later), base)
        return base

    def bias(self, index: int, rank: int) -> Tensor:
        """What is added at the positions of a rank of a slice: (C, 1, 1)."""
        before = sum(LATER[order] for order in self.config.orders[:index])
        return self.half_bias[before + rank - 1]

    def left(self, index: int, features: Tensor, known: Tensor) -> Tensor:
        """The features that the next slice begins with."""
        key = str(index)
        if index + 1 == len(self.heads):
            return features
        conv = self.wholes[key] if key in self.wholes else self.contexts[key]
        return activation(features + conv(known))

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


def fixed(values: Tensor, fraction_bits: int) -> np.ndarray:
    """Round to integers of 2^-fraction_bits, as int32."""
    return (values.detach().double() * (1 << fraction_bits)).round().int().cpu().numpy()

"""The exact prior: codes z and y of one tile with integer networks, either way.

The integer twin of `nn.prior.Prior`. One routine walks through the tile's symbols; an encoder
gives it the symbols and a decoder asks it for them, so that both cannot drift apart. First come
all of z; then y, slice by slice, each in the steps of its order: what a step sees (`context`) goes
through the slice's head, and what that expects says under which tables (`symbols`) it is coded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import LARGEST_LATENT, Coder, Decoder, Encoder
from flowcodec.entropy.context import SliceWalk, context_input, contexts_of
from flowcodec.entropy.fixed_point import (
    Conv,
    Map,
    clamp,
    conv_of,
    interpolate,
    leaky,
    softmax_weights,
)
from flowcodec.entropy.hyper import HyperPrior
from flowcodec.entropy.meter import Bits, Meter
from flowcodec.entropy.order import Order, orders_of, shortest
from flowcodec.entropy.similarity import Finder
from flowcodec.entropy.symbols import (
    cheaper,
    code_mixtures,
    code_singly,
    gained_mean,
    scale_index,
)
from flowcodec.entropy.tables import Density
from flowcodec.errors import FlowcodecError, WeightsError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """What the arrays alone do not tell: channels of each slice of y, Gaussians, attention window;
    the density of a latent (of y); the order of positions, one for all slices or one each; how many
    slices are the first half of CGAM, or 0."""

    slices: tuple[int, ...]
    components: int
    window: int
    density: Density = "gaussian"
    order: Order | tuple[Order, ...] = "checkerboard"
    first_half: int = 0

    def __post_init__(self) -> None:
        if self.density == "laplace" and self.components > 1:
            raise ValueError("a mixture is of Gaussians, not of Laplace densities")
        if len(self.orders) != len(self.slices):
            raise ValueError(f"{len(self.slices)} slices have {len(self.orders)} orders")

    @property
    def orders(self) -> tuple[Order, ...]:
        """The order of each slice."""
        return orders_of(self.order, len(self.slices))


class ExactPrior:
    """Built from integer arrays (`nn.prior.Prior.export`); immutable, shareable by threads."""

    def __init__(self, arrays: Mapping[str, NDArray[np.integer]], layout: Layout):
        self.layout = layout
        self.hash = prior_hash(arrays, layout)
        self.hyper = HyperPrior(arrays, layout.window)
        self.log_gain = arrays["log_gain"]
        self._gain = lru_cache(maxsize=16)(lambda q: interpolate(self.log_gain, q))
        self.channels = self.log_gain.shape[1]
        if sum(layout.slices) != self.channels:
            raise ValueError(f"slices {layout.slices} do not add up to {self.channels} channels")
        self.beside = conv_of(arrays, "beside") if "beside.weight" in arrays else None
        self.contexts = contexts_of(arrays, layout.slices, layout.orders)
        second = [0 < layout.first_half <= index for index in range(len(layout.slices))]
        if second != [context.similar is not None for context in self.contexts]:
            raise ValueError(f"{layout.first_half} slices are not all before those that see likes")
        ends = np.cumsum((0, *layout.slices)).tolist()
        self.parts = [slice(*ends[index : index + 2]) for index in range(len(layout.slices))]
        self.heads = [
            [conv_of(arrays, f"heads.{g}.layers.{i}") for i in range(3)]
            for g in range(len(self.parts))
        ]

    def encode(
        self, z: Ints, y: NDArray[Any], quality: int, price: NDArray[np.floating] | None = None
    ) -> tuple[bytes, Ints]:
        """z (N, ceil(h/4), ceil(w/4)) and y (M, h, w), times its gain and real or integer, -> the
        code and the integers that stand in it for y; quality in thousandths.

        Integers are the nearest, or those that `cheaper` chooses at the price of each (M, h, w).
        The code is decoded again before this returns. A walk over what was decoded asks for the
        same models as long as it is what was coded, so the models of this walk serve.
        WeightsError where a latent is beyond +-2^24 or not a number: only broken transforms give
        such.
        """
        encoder = Encoder()
        y = self.write(encoder, z, y, quality, price)
        code = encoder.bytes()
        if self.layout.components == 1:
            right = encoder.reads_back(code)
        else:
            found = self.decode(code, y.shape[1], y.shape[2], quality)
            right = all(map(np.array_equal, found, (z, y)))
        if not right:
            raise FlowcodecError("latents do not decode to what was coded: a bug")
        return code, y

    def decode(self, data: bytes, height: int, width: int, quality: int) -> tuple[Ints, Ints]:
        """Code -> z, y of a tile with height x width latent positions."""
        return self.read(Decoder(data), height, width, quality)

    def write(
        self,
        encoder: Coder,
        z: Ints | None,
        y: NDArray[Any],
        quality: int,
        price: NDArray[np.floating] | None = None,
        beside: Map | None = None,
    ) -> Ints:
        """As `encode`, into a code that others go on with, which nobody has decoded again.

        Without a z, it is zero and takes no code. beside, where the prior has such: what is `seen`
        of the other latents.
        """
        for latents in (y,) if z is None else (z, y):
            if not -LARGEST_LATENT <= latents.min() <= latents.max() <= LARGEST_LATENT:
                raise WeightsError(
                    "the weights give latents beyond 2^24, which cannot be coded: they are broken"
                )
        shape = y.shape[1], y.shape[2]
        return self._walk(encoder, *shape, quality, z, y, price, beside, z is None)[1]

    def read(
        self,
        decoder: Coder,
        height: int,
        width: int,
        quality: int,
        beside: Map | None = None,
        bare: bool = False,
    ) -> tuple[Ints, Ints]:
        """As `decode`, from where others have left the code; `beside` as in `write`; `bare`: it
        was written without a z."""
        return self._walk(decoder, height, width, quality, None, None, None, beside, bare)

    def seen(self, y: Ints, quality: int) -> Map:
        """What another prior sees of y (M, h, w): (h, w, 2M) activations."""
        found = context_input(y.reshape(len(y), -1), self._gain(quality))
        return found.reshape(*y.shape[1:], 2 * len(y))

    def cost(
        self, z: Ints, y: Ints, quality: int, beside: Map | None = None, bare: bool = False
    ) -> tuple[Bits, Bits]:
        """Bits that each of the symbols takes, in the shapes of z and y as `read` gives them.

        For people to look at: these are floats, and nothing is coded by them.
        """
        places = np.arange(z.size + y.size)
        of_z, of_y = np.split(places, [z.size])
        meter = Meter(np.zeros(len(places)), {"z": of_z, "y": of_y.reshape(len(y), -1)})
        self._walk(meter, y.shape[1], y.shape[2], quality, z, y, None, beside, bare)
        return meter.bits[of_z].reshape(z.shape), meter.bits[of_y].reshape(y.shape)

    def zeros(self, height: int, width: int) -> tuple[Ints, Ints]:
        """z and y of nothing, for so many rows and columns of y."""
        y = np.zeros((self.channels, height, width), np.int64)
        return np.zeros(self.hyper_shape(height, width), np.int64), y

    def hyper_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(N, k, l) of z, for y of so many rows and columns."""
        return self.hyper.shape(height, width)

    def features(
        self, z: Ints, height: int, width: int, quality: int, beside: Map | None = None
    ) -> Map:
        """What z (N, k, l), and what is known beside, tell of y: (h, w, C) activations."""
        features = self.hyper.features(z, height, width, quality)
        if self.beside is not None:
            assert beside is not None, "this prior sees other latents"
            features = features + self.beside(beside)
        return clamp(features)

    def _walk(
        self,
        coder: Coder,
        height: int,
        width: int,
        quality: int,
        known_z: Ints | None,
        real_y: NDArray[Any] | None,
        price: NDArray[np.floating] | None = None,
        beside: Map | None = None,
        bare: bool = False,
    ) -> tuple[Ints, Ints]:
        if bare:
            z = np.zeros(self.hyper_shape(height, width), np.int64)
        else:
            z = self.hyper.code(coder.at("z"), height, width, quality, known_z)
        features = self.features(z, height, width, quality, beside).reshape(height * width, -1)
        gain = self._gain(quality)
        flat = None if real_y is None else real_y.reshape(len(real_y), -1)
        flat_price = None if price is None else price.reshape(len(gain), -1)
        y = np.empty((len(gain), height * width), np.int64)
        finder = None
        for part, context, head in zip(self.parts, self.contexts, self.heads, strict=True):
            if context.similar is not None and finder is None:
                half = sum(self.layout.slices[: self.layout.first_half])
                finder = Finder(y[:half], (height, width))
            walk = SliceWalk(context, (height, width), features, finder)
            coded = []
            for step in walk.steps:
                here = step.positions
                real = None if flat is None else flat[part].take(here, 1)
                cost = None if flat_price is None else flat_price[part].take(here, 1)
                base = walk.base(step)
                at = coder.at("y", part, here)
                coded.append(self._code_step(at, base, head, gain[part], real, cost))
                walk.put(step, coded[-1], gain[part])
            y[part] = np.concatenate(coded, 1).take(walk.back, 1)
            features = walk.left()
        return z, y.reshape(len(gain), height, width)

    def _code_step(
        self,
        coder: Coder,
        base: Map,
        head: list[Conv],
        gain: Ints,
        real: NDArray[Any] | None,
        price: NDArray[np.floating] | None,
    ) -> Ints:
        """Code the (channels, n) latents of n positions, given their features (n, C)."""
        first, second, last = head
        x = last.across(leaky(second.at(leaky(first.at(leaky(base))))))
        components, density = self.layout.components, self.layout.density
        parts = x.astype(np.int64).reshape(-1, components, len(gain), len(base))
        means = gained_mean(parts[0], gain[None, :, None])
        scales = scale_index(parts[1], gain[None, :, None], density)
        wanted = None if real is None else np.rint(real).astype(np.int32)
        if components > 1:
            return code_mixtures(coder, means, scales, softmax_weights(parts[2], 16), wanted)
        if real is not None and wanted is not None and price is not None:
            wanted = cheaper(real, wanted, means[0], scales[0], price, density)
        return code_singly(coder, means[0], scales[0], wanted, density)


def latent_hash(z: Ints, y: Ints) -> int:
    """CRC-32 of z then y as little-endian 32-bit integers, channel by channel."""
    return crc32(y.astype("<i4").tobytes(), crc32(z.astype("<i4").tobytes()))


def prior_hash(arrays: Mapping[str, NDArray[np.integer]], layout: Layout) -> bytes:
    """SHA-256 of layout and arrays in order of name: two priors that differ have other hashes."""
    described: tuple[Any, ...] = (layout.slices, layout.components, layout.window)
    order = shortest(layout.orders)
    if (layout.density, order) != ("gaussian", "checkerboard") or layout.first_half:
        described += (layout.density, order)
    if layout.first_half:
        described += (layout.first_half,)
    digest = hashlib.sha256(repr(described).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.astype("<i4").tobytes())
    return digest.digest()

"""The exact prior: codes z and y of one tile with integer networks, either way.

The integer twin of `nn.prior.Prior`. One routine walks through the tile's symbols; an encoder
gives it the symbols and a decoder asks it for them, so that both cannot drift apart.

Order: z channel by channel; then each group of y's channels in steps. Checkerboard: first the half
where row + column is even, then the other (the last group in one step). Wavefront, for one group:
all positions of equal 3 row + column at once, each of which sees the two rows above it and two
positions to its left (papers' masked 5x5 convolution). Inside a step symbols are sorted by table
(stable), tables in ascending order; escaped values follow the step. Mixtures are sorted by the size
of their table and coded in pieces, each with its escaped values behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import LARGEST_LATENT, Coder, Decoder, Encoder, Model, model_of
from flowcodec.entropy.fixed_point import (
    ACTIVATION_BITS,
    AdjacentAttention,
    Conv,
    Map,
    Surroundings,
    clamp,
    interpolate,
    leaky,
    log2_table,
    pixel_shuffle,
    softmax_weights,
    times_exp2,
)
from flowcodec.entropy.meter import Bits, Meter
from flowcodec.entropy.tables import (
    FINER,
    MEAN_BITS,
    NEARBY,
    SCALE_OFFSET,
    SCALES,
    Density,
    mixture_counts,
    nearby_bits,
    reach,
    tables_of,
)
from flowcodec.errors import FlowcodecError, FormatError, WeightsError

Ints = NDArray[np.int64]
GAIN_TO_ACTIVATION = 2  # gains are in units of 2^-8, activations of 2^-10
MEAN_LIMIT = 1 << 20  # in sixteenths
WIDEST = 2048  # symbols of a mixture's table: those of the largest scale fit
COUNTS_AT_ONCE = 1 << 20
WAVEFRONT_SLOPE = 3  # a position waits for the one two columns to the right in the row above
HYPER_RATIO = 4


Order = Literal["checkerboard", "wavefront"]


@dataclass(frozen=True)
class Layout:
    """What the arrays alone do not tell: groups of y, Gaussians, attention window; the density of
    a latent (of y) and the order of positions."""

    groups: tuple[int, ...]
    components: int
    window: int
    density: Density = "gaussian"
    order: Order = "checkerboard"

    def __post_init__(self) -> None:
        if self.density == "laplace" and self.components > 1:
            raise ValueError("a mixture is of Gaussians, not of Laplace densities")
        if self.order == "wavefront" and len(self.groups) > 1:
            raise ValueError("a wavefront codes all channels of a position at once: one group")


class ExactPrior:
    """Built from integer arrays (`nn.prior.Prior.export`); immutable, shareable by threads."""

    def __init__(self, arrays: Mapping[str, NDArray[np.integer]], layout: Layout):
        self.layout = layout
        self.hash = prior_hash(arrays, layout)
        self.log_gain = arrays["log_gain"]
        self.hyper_log_gain = arrays["hyper_log_gain"]
        self.quality_bias = arrays["quality_bias"]
        self.hyper_mean = arrays["hyper_mean"].astype(np.int64)
        self.hyper_log_scale = arrays["hyper_log_scale"].astype(np.int64)
        self.hyper_weight = softmax_weights(arrays["hyper_logit"].astype(np.int64), 16)
        self.half_bias = arrays["half_bias"].astype(np.float64)
        self.beside = None

        def conv(name: str) -> Conv:
            return Conv(arrays[f"{name}.weight"], arrays[f"{name}.bias"])

        self.up1, self.up2 = conv("hyper_synthesis.up1"), conv("hyper_synthesis.up2")
        self.out = conv("hyper_synthesis.out")
        if "beside.weight" in arrays:
            self.beside = conv("beside")
        self.attention = None
        if "hyper_synthesis.attention.merge.weight" in arrays:
            query, key, value, merge = (
                conv(f"hyper_synthesis.attention.{part}")
                for part in ("query", "key", "value", "merge")
            )
            self.attention = AdjacentAttention(query, key, value, merge, layout.window)
        count = len(layout.groups)
        self.heads = [[conv(f"heads.{g}.layers.{i}") for i in range(3)] for g in range(count)]
        contexts = 1 if layout.order == "wavefront" else count - 1
        self.contexts = [conv(f"contexts.{g}") for g in range(contexts)]

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
        gain = interpolate(self.log_gain, quality)
        return context_input(y.reshape(len(y), -1), gain).reshape(*y.shape[1:], 2 * len(y))

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
            z = self._code_z(coder.at("z"), height, width, quality, known_z)
        gain = interpolate(self.log_gain, quality)
        features = self._features(z, height, width, quality, beside)
        flat = None if real_y is None else real_y.reshape(len(real_y), -1)
        flat_price = None if price is None else price.reshape(len(gain), -1)
        y = np.zeros((len(gain), height * width), np.int64)
        start = 0
        for index, group in enumerate(self.layout.groups):
            part = slice(start, start + group)
            start += group
            context = self.contexts[index] if index < len(self.contexts) else None
            seen = None if context is None else Surroundings(height, width, context)
            rows = features.reshape(height * width, -1)
            for number, step in enumerate(self._steps(height, width, context is None)):
                base = rows[step]
                if number and context is not None and seen is not None:
                    found = context.at(seen.around(step))
                    base = clamp(base + found + self.half_bias[index])
                here = part, step
                real = None if flat is None else flat[here]
                cost = None if flat_price is None else flat_price[here]
                y[here] = self._code_step(
                    coder.at("y", *here), base, self.heads[index], gain[part], real, cost
                )
                if seen is not None:
                    seen.put(step, context_input(y[here], gain[part]))
            if seen is not None and index + 1 < len(self.heads):
                features = clamp(features + self.contexts[index](seen.whole))
        return z, y.reshape(len(gain), height, width)

    def _steps(self, height: int, width: int, alone: bool) -> list[Any]:
        """Positions, row by row, of each step of a group; `alone`: it has no context."""
        if alone:
            return [slice(None)]
        rows, columns = np.divmod(np.arange(height * width), width)
        if self.layout.order == "wavefront":
            front = WAVEFRONT_SLOPE * rows + columns
            order = np.argsort(front, kind="stable")
            return np.split(order, np.flatnonzero(np.diff(front[order])) + 1)
        odd = (rows + columns) % 2
        halves = [np.flatnonzero(odd == half) for half in (0, 1)]
        return [half for half in halves if len(half)]  # a single position has no odd half

    def _code_z(
        self, coder: Coder, height: int, width: int, quality: int, known: Ints | None
    ) -> Ints:
        gain = interpolate(self.hyper_log_gain, quality)
        means = _gained_mean(self.hyper_mean, gain[None]).T
        scales = _scale_index(self.hyper_log_scale, gain[None]).T
        low, size = _window(means, scales, self.hyper_weight.T)
        models = [
            model_of(
                mixture_counts(
                    low[c : c + 1],
                    int(size[c]),
                    means[c : c + 1],
                    scales[c : c + 1],
                    self.hyper_weight.T[c : c + 1],
                )[0]
            )
            for c in range(len(gain))
        ]
        shape = self.hyper_shape(height, width)
        count = shape[1] * shape[2]
        offset = np.repeat(low, count)
        sizes = np.repeat(size, count)
        values = None if known is None else known.reshape(-1)
        coded = _code(
            coder, values, offset, sizes, lambda s: coder.symbols(s, [(m, count) for m in models])
        )
        return coded.reshape(shape)

    def zeros(self, height: int, width: int) -> tuple[Ints, Ints]:
        """z and y of nothing, for so many rows and columns of y."""
        y = np.zeros((self.log_gain.shape[1], height, width), np.int64)
        return np.zeros(self.hyper_shape(height, width), np.int64), y

    def hyper_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(N, k, l) of z, for y of so many rows and columns."""
        return self.hyper_mean.shape[1], -(-height // HYPER_RATIO), -(-width // HYPER_RATIO)

    def _features(self, z: Ints, height: int, width: int, quality: int, beside: Map | None) -> Map:
        """h_s: (N, k, l) integers, and what is known beside, -> (h, w, C) activations."""
        gain = interpolate(self.hyper_log_gain, quality)
        x = _restored(z, gain[:, None, None]).transpose(1, 2, 0)
        x = leaky(pixel_shuffle(self.up1(np.ascontiguousarray(x))))
        x = leaky(pixel_shuffle(self.up2(x)))
        if self.attention is not None:
            x = self.attention(x)
        bias = interpolate(self.quality_bias, quality)
        features = self.out(x)[:height, :width] + bias
        if self.beside is not None:
            assert beside is not None, "this prior sees other latents"
            features = features + self.beside(beside)
        return clamp(features)

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
        x = base
        for layer in head:
            x = layer.at(leaky(x))
        components = self.layout.components
        parts = x.T.astype(np.int64).reshape(-1, components, len(gain), len(base))
        means = _gained_mean(parts[0], gain[None, :, None])
        scales = _scale_index(parts[1], gain[None, :, None], self.layout.density)
        wanted = None if real is None else np.rint(real).astype(np.int64)
        if components == 1:
            density = self.layout.density
            if real is not None and wanted is not None and price is not None:
                wanted = cheaper(real, wanted, means[0], scales[0], price, density)
            return code_singly(coder, means[0], scales[0], wanted, density)
        weights = softmax_weights(parts[2], 16)
        return _code_mixture(coder, means, scales, weights, wanted)


def cheaper(
    y: NDArray[Any],
    nearest: Ints,
    mean: Ints,
    scale: Ints,
    price: NDArray[np.floating],
    density: Density = "gaussian",
) -> Ints:
    """The integers that an encoder codes for gained latents, under one density each (C, n).

    Either the nearest one, or the next towards the mean where the bits that this saves are worth
    it: `price` (C, n) is the squared error that one bit is worth. Any choice decodes.
    """
    whole = mean >> MEAN_BITS
    middle = (mean + (1 << (MEAN_BITS - 1))) >> MEAN_BITS
    where = np.nonzero((nearest != middle) & (np.abs(nearest - whole) <= NEARBY))
    one = nearest[where]
    step = np.sign(middle[where] - one)
    table = scale[where] << MEAN_BITS | mean[where] & 15
    at = one - whole[where] + NEARBY
    bits = nearby_bits(density)
    saved = bits[table, at] - bits[table, at + step]
    error = 1 + 2 * step * (one - y[where])  # (one + step - y)^2 - (one - y)^2
    chosen = nearest.copy()
    chosen[where] += np.where(price[where] * saved > error, step, 0)
    return chosen


def context_input(y: Ints, gain: Ints) -> Map:
    """(channels, n) integers -> (n, 2 * channels) activations: the value before its gain, and
    log2(1 + |y|)."""
    value = _restored(y, gain[:, None])
    magnitude = log2_table()[np.minimum(np.abs(y), 4095)]
    return np.concatenate([value, magnitude]).T.astype(np.float64)


def _restored(values: Ints, gain: Ints) -> Map:
    """Integers without their gain, as activations."""
    bounded = np.clip(values, -LARGEST_LATENT, LARGEST_LATENT)
    return clamp(times_exp2(bounded, -gain, -ACTIVATION_BITS).astype(np.float64))


def _gained_mean(mean: Ints, gain: Ints) -> Ints:
    """Means (activations) times their gain, in sixteenths."""
    return np.clip(times_exp2(mean, gain, ACTIVATION_BITS - MEAN_BITS), -MEAN_LIMIT, MEAN_LIMIT)


def _scale_index(log_scale: Ints, gain: Ints, density: Density = "gaussian") -> Ints:
    """log2 of scales (activations) plus that of the gain, as indices of `scale_table`."""
    total = log_scale + (gain << GAIN_TO_ACTIVATION)
    index = ((total + SCALE_OFFSET + 64) >> 7) + FINER[density]
    return np.asarray(np.clip(index, 0, SCALES + FINER[density] - 1))


@lru_cache(maxsize=2 * SCALES * 16)
def _model(table: int, density: Density) -> Model:
    return model_of(tables_of(table >> MEAN_BITS, density)[table & 15])


@lru_cache(maxsize=2)
def _reaches(density: Density = "gaussian") -> Ints:
    return np.array([reach(scale, density) for scale in range(SCALES + FINER[density])])


def code_singly(
    coder: Coder, mean: Ints, scale: Ints, wanted: Ints | None, density: Density = "gaussian"
) -> Ints:
    """Code latents (any shape) under one density each: few tables, so sorted by table."""
    shape = mean.shape
    mean = mean.reshape(-1)
    table = (scale.reshape(-1) << MEAN_BITS | mean & 15).astype(np.int16)
    order = np.argsort(table, kind="stable")
    coder = coder.at(order)
    counts = np.bincount(table)
    used = np.flatnonzero(counts)
    models = [(_model(int(t), density), int(counts[t])) for t in used]
    reaches = _reaches(density)[table[order] >> MEAN_BITS]
    offset = (mean >> MEAN_BITS)[order] - reaches
    values = None if wanted is None else wanted.reshape(-1)[order]
    coded = np.empty(len(mean), np.int64)
    coded[order] = _code(coder, values, offset, 2 * reaches + 2, lambda s: coder.symbols(s, models))
    return coded.reshape(shape)


def _window(means: Ints, scales: Ints, weights: Ints) -> tuple[Ints, Ints]:
    """Where the tables of mixtures (n, G) begin, and their sizes: powers of two from 4 to 2048.

    They cover every component of weight 2^-10 or more to its reach, around their middle.
    """
    heavy = weights >= 1 << 6
    reaches = _reaches()[scales]
    low = np.where(heavy, (means >> MEAN_BITS) - reaches, MEAN_LIMIT).min(1)
    high = np.where(heavy, (means >> MEAN_BITS) + 1 + reaches, -MEAN_LIMIT).max(1)
    sizes = 2 ** np.arange(2, WIDEST.bit_length())
    size = sizes[np.minimum(np.searchsorted(sizes, high - low + 1), len(sizes) - 1)]
    return (low + high + 1) // 2 - size // 2, size


def _code_mixture(
    coder: Coder, means: Ints, scales: Ints, weights: Ints, wanted: Ints | None
) -> Ints:
    """Code latents under mixtures: parameters (G, channels, n); sorted by size of table."""
    shape = means.shape[1:]
    flat = [p.reshape(len(p), -1).T for p in (means, scales, weights)]
    low, size = _window(*flat)
    order = np.argsort(size, kind="stable")
    values = None if wanted is None else wanted.reshape(-1)
    coded = np.empty(len(low), np.int64)
    for chosen in _runs(order, size):
        counts = mixture_counts(low[chosen], int(size[chosen[0]]), *(p[chosen] for p in flat))
        known = None if values is None else values[chosen]
        run_coder = coder.at(chosen)
        code = partial(run_coder.rows, counts=counts)
        coded[chosen] = _code(run_coder, known, low[chosen], size[chosen], code)
    return coded.reshape(shape)


def _runs(order: Ints, size: Ints) -> Iterable[Ints]:
    """Pieces of `order` of one size each and at most 2^20 counts in all."""
    edges = np.flatnonzero(np.diff(size[order])) + 1
    for run in np.split(order, edges):
        if len(run):
            rows = COUNTS_AT_ONCE // int(size[run[0]])
            yield from np.split(run, range(rows, len(run), rows))


def _code(
    coder: Coder,
    values: Ints | None,
    offset: Ints,
    size: Ints,
    code: Callable[[Ints | None], Ints],
) -> Ints:
    """Code values - offset where that lies in [0, size), else the escape symbol `size`; escaped
    values follow as integers relative to offset, inside the table counted as 0."""
    symbols = None
    escaped = None
    if values is not None:
        distance = values - offset
        outside = (distance < 0) | (distance >= size)
        symbols = np.where(outside, size, distance)
        escaped = _fold(distance[outside], size[outside])
    coded = code(symbols)
    where = np.flatnonzero(coded == size)
    result = coded + offset
    if len(where):
        folded = coder.at(where).integers(escaped, len(where))
        result[where] = offset[where] + _unfold(folded, size[where])
        if np.abs(result[where]).max() > 2 * LARGEST_LATENT:
            raise FormatError("the entropy-coded part is damaged: a latent is out of range")
    return result


def _fold(distance: Ints, size: Ints) -> Ints:
    """Distances outside [0, size) as signed integers without a gap: below -> -1, -2, ...; above
    -> 0, 1, ..."""
    return np.where(distance < 0, distance, distance - size)


def _unfold(value: Ints, size: Ints) -> Ints:
    return np.where(value < 0, value, value + size)


def latent_hash(z: Ints, y: Ints) -> int:
    """CRC-32 of z then y as little-endian 32-bit integers, channel by channel."""
    return crc32(y.astype("<i4").tobytes(), crc32(z.astype("<i4").tobytes()))


def prior_hash(arrays: Mapping[str, NDArray[np.integer]], layout: Layout) -> bytes:
    """SHA-256 of layout and arrays in order of name: two priors that differ have other hashes."""
    described: tuple[Any, ...] = (layout.groups, layout.components, layout.window)
    if (layout.density, layout.order) != ("gaussian", "checkerboard"):
        described += (layout.density, layout.order)
    digest = hashlib.sha256(repr(described).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.astype("<i4").tobytes())
    return digest.digest()

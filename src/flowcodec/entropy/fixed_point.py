"""The integer arithmetic of the exact prior: layers, tables and powers of two.

Feature maps are (h, w, C) float64 arrays whose values are integers: activations in units of
2^-10, within +-2^17. Weights are integers in units of 2^-12 and biases of 2^-22. Every sum of
products is below 2^53 in magnitude (checked by `Conv`), so a float64 matrix product is exact
whatever the order of summation, the number of threads or the instruction set.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import WeightsError

Map = NDArray[np.float64]
Ints = NDArray[np.int64]

ACTIVATION_BITS = 10
WEIGHT_BITS = 12
GATHERED = 1 << 20  # numbers that a convolution gathers at a time: what a cache holds
LIMIT = float(1 << 17)  # largest magnitude of an activation
LEAKY_SHIFT = 3
EXP2_BITS = 16


def clamp(x: Map) -> Map:
    """Keep activations within +-2^17."""
    return np.clip(x, -LIMIT, LIMIT)


def leaky(x: Map) -> Map:
    """LeakyReLU of slope 1/8: an arithmetic shift by three where x is negative."""
    shifted = x * 2.0**-LEAKY_SHIFT
    np.floor(shifted, out=shifted)
    return np.maximum(x, shifted, out=shifted)


class Conv:
    """A k x k convolution of stride 1 with zero padding, on integers."""

    def __init__(self, weight: NDArray[np.integer], bias: NDArray[np.integer]):
        """weight (O, I, k, k) in units of 2^-12, bias (O,) in units of 2^-22."""
        self.outputs, self.inputs, self.kernel, _ = weight.shape
        reach = np.abs(weight.astype(np.float64)).sum((1, 2, 3)) * LIMIT
        reach += np.abs(bias.astype(np.float64)) + 2.0 ** (WEIGHT_BITS - 1)
        if reach.max() >= 2.0**53:
            raise WeightsError("a layer of the prior could leave the range of exact arithmetic")
        columns = weight.astype(np.float64).transpose(2, 3, 1, 0)
        # A power of two moves no digit: the sums stay as exact as those of the integers.
        taps = np.ascontiguousarray(columns.reshape(-1, self.inputs, self.outputs))
        self.taps = taps * 2.0**-WEIGHT_BITS
        self.bias = (bias.astype(np.float64) + 2.0 ** (WEIGHT_BITS - 1)) * 2.0**-WEIGHT_BITS

    def __call__(self, x: Map) -> Map:
        """(h, w, I) -> (h, w, O), rescaled to activations and clamped."""
        height, width, _ = x.shape
        rows = x.reshape(height * width, self.inputs)
        if self.kernel == 1:
            found = self.at(rows)
        else:
            seen = Surroundings(height, width, self.inputs, self.kernel)
            seen.put(slice(None), rows)
            found = self.rounded(seen.sums(self, slice(None), slice(None)))
        return found.reshape(height, width, self.outputs)

    def at(self, rows: Map) -> Map:
        """(n, I) inputs of a 1 x 1 convolution -> (n, O)."""
        return self.rounded(rows @ self.taps[0])

    def across(self, rows: Map) -> Map:
        """As `at`, by channels: (O, n)."""
        return _rounded(self.taps[0].T @ rows.T, self.bias[:, None])

    def rounded(self, sums: Map) -> Map:
        """Sums of products (n, O), which are changed, as activations."""
        return _rounded(sums, self.bias)


def conv_of(arrays: Mapping[str, NDArray[np.integer]], name: str) -> Conv:
    """The convolution of that name."""
    return Conv(arrays[f"{name}.weight"], arrays[f"{name}.bias"])


def _rounded(sums: Map, bias: Map) -> Map:
    sums += bias
    np.floor(sums, out=sums)
    return np.clip(sums, -LIMIT, LIMIT, out=sums)


class Surroundings:
    """A growing map, and sums of products over what lies around its positions.

    Positions count row by row, and so do the taps of the kernel. It is zero beyond the map and
    where nothing is yet. Sums leave out channels that are zero everywhere, and positions all around
    which is zero: most latents of most frames are.
    """

    def __init__(self, height: int, width: int, channels: int, kernel: int):
        reach = kernel // 2
        self._around = neighbourhoods(height, width, kernel)
        padded = np.zeros((height + 2 * reach, width + 2 * reach, channels))
        self.whole = padded[reach : reach + height, reach : reach + width]
        self._rows = padded.reshape(-1, channels)
        self._told = np.zeros(len(self._rows), bool)
        self._channels = np.zeros(channels, bool)

    def put(self, positions: Ints | slice, values: Map) -> None:
        """Set some positions (n,) to values (n, C)."""
        places = self._around[positions, self._around.shape[1] // 2]
        told = values != 0
        self._rows[places] = values
        self._told[places] = told.any(1)
        self._channels |= told.any(0)

    def sums(self, conv: Conv, positions: Ints | slice, taps: Ints | slice) -> Map:
        """Of the products at some taps of a convolution, around some positions: (n, O)."""
        around = self._around[positions][:, taps]
        total = np.zeros((len(around), conv.outputs))
        near = np.flatnonzero(self._told[around].any(1))
        rows, weight = self._rows, conv.taps[taps]
        if not self._channels.all():
            rows, weight = rows[:, self._channels], weight[:, self._channels]
        matrix = weight.reshape(-1, conv.outputs)
        band = max(1, GATHERED // max(1, len(matrix)))
        for start in range(0, len(near), band):
            part = near[start : start + band]
            total[part] = rows.take(around[part], 0).reshape(len(part), -1) @ matrix
        return total


@lru_cache(maxsize=16)
def neighbourhoods(height: int, width: int, kernel: int) -> Ints:
    """What lies around each position of a map: (h * w, kernel * kernel) indices of the positions of
    the padded map, which has kernel // 2 rows and columns more on each side."""
    row, column = np.divmod(np.arange(height * width), width)
    across = np.arange(kernel)
    stride = width + kernel - 1
    taps = (across[:, None] * stride + across).reshape(-1)
    return np.asarray((row * stride + column)[:, None] + taps)


def pixel_shuffle(x: Map) -> Map:
    """(h, w, 4C) -> (2h, 2w, C); channel 4c + 2i + j goes to row offset i, column offset j."""
    height, width, channels = x.shape
    x = x.reshape(height, width, channels // 4, 2, 2).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(x).reshape(2 * height, 2 * width, channels // 4)


@lru_cache(maxsize=1)
def exp2_table() -> Ints:
    """floor(2^(j/256) * 2^16) for j in 0..255, by eight nested integer square roots."""
    table = []
    for j in range(256):
        root = 1 << (j + 256 * EXP2_BITS)
        for _ in range(8):
            root = isqrt(root)
        table.append(root)
    return np.array(table, dtype=np.int64)


def times_exp2(x: Ints, exponent: Ints, shift: int) -> Ints:
    """round(x * 2^(exponent/256) * 2^-shift), halves upward; exponent in units of 1/256.

    |x| below 2^36; the total shift is kept between 1 and 62, beyond which results are 0 or
    saturate: callers clamp.
    """
    mantissa = exp2_table()[exponent & 255]
    down = np.clip(shift + EXP2_BITS - (exponent >> 8), 1, 62)
    return np.asarray((x * mantissa + (np.int64(1) << (down - 1))) >> down)


@lru_cache(maxsize=1)
def log2_table() -> Ints:
    """floor(256 * log2(1 + n)) * 4 for n in 0..4095: log2 as an activation."""
    return np.array([((1 + n) ** 256).bit_length() - 1 for n in range(4096)], np.int64) * 4


def interpolate(table: NDArray[np.integer], quality: int) -> Ints:
    """The row of an (8, C) integer table at a quality in thousandths, 1000..8000."""
    index = min((quality - 1000) // 1000, 6)
    fraction = quality - 1000 - 1000 * index
    low, high = table[index].astype(np.int64), table[index + 1].astype(np.int64)
    return np.asarray((low * (1000 - fraction) + high * fraction + 500) // 1000)


def exp_negative(x: Ints) -> Ints:
    """exp(x) * 2^16 for activations x <= 0: 2^(x * 1477/1024), floored at each step."""
    exponent = ((x * 1477) >> ACTIVATION_BITS) >> 2
    return np.asarray(exp2_table()[exponent & 255] >> np.minimum(-(exponent >> 8), 62))


def softmax_weights(logits: Ints, total_bits: int) -> Ints:
    """Integers >= 0 along axis 0 that sum to 2^total_bits; the remainder goes to the largest."""
    powers = exp_negative(np.maximum(logits - logits.max(0), -16 << ACTIVATION_BITS))
    weights: Ints = (powers << total_bits) // powers.sum(0)
    largest = weights.argmax(0)[None]
    rest = (1 << total_bits) - weights.sum(0)
    np.put_along_axis(weights, largest, np.take_along_axis(weights, largest, 0) + rest, 0)
    return weights


class AdjacentAttention:
    """AAB of h_s in integers: the twin of `nn.attention.FixedAdjacentAttention`."""

    def __init__(self, query: Conv, key: Conv, value: Conv, merge: Conv, window: int):
        self.query, self.key, self.value, self.merge = query, key, value, merge
        self.window = window
        self.shift = (query.outputs - 1).bit_length() // 2

    def __call__(self, x: Map) -> Map:
        cells = [self._windows(layer(x)) for layer in (self.query, self.key, self.value)]
        horizontal = self._line(*cells)
        vertical = self._line(*(c.swapaxes(2, 3) for c in cells)).swapaxes(2, 3)
        product = (vertical * horizontal + (1 << (ACTIVATION_BITS - 1))) >> ACTIVATION_BITS
        product = np.clip(product, -int(LIMIT), int(LIMIT))
        merged = np.concatenate(
            [vertical, horizontal, product, np.maximum(vertical, horizontal)], axis=-1
        )
        gate = self._gate(self.merge(self._unwindows(merged, x.shape)))
        gated = (x.astype(np.int64) * gate + (1 << 15)) >> 16
        return clamp(gated.astype(np.float64))

    def _windows(self, x: Map) -> Ints:
        """(h, w, C) -> (rows, columns, s, s, C), zero-padded."""
        s = self.window
        x = np.pad(x, ((0, -x.shape[0] % s), (0, -x.shape[1] % s), (0, 0)))
        cells = x.reshape(x.shape[0] // s, s, x.shape[1] // s, s, -1).transpose(0, 2, 1, 3, 4)
        return cells.astype(np.int64)

    def _unwindows(self, cells: Ints, shape: tuple[int, ...]) -> Map:
        rows, columns, s, _, channels = cells.shape
        x = cells.transpose(0, 2, 1, 3, 4).reshape(rows * s, columns * s, channels)
        return x[: shape[0], : shape[1]].astype(np.float64)

    def _line(self, query: Ints, key: Ints, value: Ints) -> Ints:
        """Softmax attention along the second last axis (C is the last)."""
        products = query.astype(np.float64) @ key.swapaxes(-1, -2).astype(np.float64)
        scores = products.astype(np.int64) >> (ACTIVATION_BITS + self.shift)
        scores = np.maximum(scores - scores.max(-1, keepdims=True), -16 << ACTIVATION_BITS)
        weights = exp_negative(scores)
        mixed = (weights.astype(np.float64) @ value.astype(np.float64)).astype(np.int64)
        total = weights.sum(-1, keepdims=True)
        return np.asarray((mixed + total // 2) // total)

    @staticmethod
    def _gate(x: Map) -> Ints:
        """3x3 mean, then 2 * sigmoid, in units of 2^-16."""
        height, width, _ = x.shape
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        total = sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
        mean = (2 * np.asarray(total).astype(np.int64) + 9) // 18
        power = exp_negative(np.maximum(-np.abs(mean), -16 << ACTIVATION_BITS))
        numerator = np.where(mean >= 0, 1 << 16, power)
        return np.asarray((numerator << 17) // ((1 << 16) + power))

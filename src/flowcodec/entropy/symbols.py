"""Symbols under tables: latents are coded with one density each, or with mixtures of them.

Inside a step symbols are sorted by table (stable), tables in ascending order; escaped values follow
the step. Mixtures are sorted by the size of their table and coded in pieces, each with its escaped
values behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import LARGEST_LATENT, Coder, Model, model_of
from flowcodec.entropy.fixed_point import ACTIVATION_BITS, times_exp2
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
from flowcodec.errors import FormatError

Ints = NDArray[np.signedinteger[Any]]
Narrow = NDArray[np.int32]  # what symbols are made of: 64 bits would take twice the time
GAIN_TO_ACTIVATION = 2  # gains are in units of 2^-8, activations of 2^-10
MEAN_LIMIT = 1 << 20  # in sixteenths
WIDEST = 2048  # symbols of a mixture's table: those of the largest scale fit
COUNTS_AT_ONCE = 1 << 20


def gained_mean(mean: Ints, gain: Ints) -> Narrow:
    """Means (activations) times their gain, in sixteenths."""
    gained = times_exp2(mean, gain, ACTIVATION_BITS - MEAN_BITS)
    return np.clip(gained, -MEAN_LIMIT, MEAN_LIMIT).astype(np.int32)


def scale_index(log_scale: Ints, gain: Ints, density: Density = "gaussian") -> Narrow:
    """log2 of scales (activations) plus that of the gain, as indices of `scale_table`."""
    offset = (gain << GAIN_TO_ACTIVATION) + (SCALE_OFFSET + 64 + (FINER[density] << 7))
    index = np.clip(log_scale + offset >> 7, 0, SCALES + FINER[density] - 1)
    return np.asarray(index, np.int32)


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
    middle = (mean + (1 << (MEAN_BITS - 1))) >> MEAN_BITS
    where = np.flatnonzero(nearest != middle)
    parts: list[NDArray[Any]] = [nearest, middle, mean, scale, y, price]
    one, likely, mean, scale, y, price = (part.reshape(-1).take(where) for part in parts)
    place = one - (mean >> MEAN_BITS) + NEARBY
    near = (place >= 0) & (place <= 2 * NEARBY)  # of others the costs are not known
    step = np.sign(likely - one) * near
    bits = nearby_bits(density)
    at = (scale << MEAN_BITS | mean & 15) * bits.shape[1] + place * near
    saved = bits.take(at) - bits.take(at + step)
    error = 1 + 2 * step * (one - y)  # (one + step - y)^2 - (one - y)^2
    chosen = nearest.copy()
    chosen.reshape(-1)[where] += step * (price * saved > error)
    return chosen


class _Models(dict[int, Model]):
    """By number of table, 16 scale + fraction of the mean; made when they are asked for."""

    def __init__(self, density: Density):
        self.density = density

    def __missing__(self, table: int) -> Model:
        model = model_of(tables_of(table >> MEAN_BITS, self.density)[table & 15])
        return self.setdefault(table, model)


_models = lru_cache(maxsize=2)(_Models)


@lru_cache(maxsize=2)
def _reaches(density: Density) -> Narrow:
    return np.array([reach(scale, density) for scale in range(SCALES + FINER[density])], np.int32)


def code_singly(
    coder: Coder, mean: Ints, scale: Ints, wanted: Ints | None, density: Density = "gaussian"
) -> Ints:
    """Code latents (any shape) under one density each: few tables, so sorted by table."""
    shape = mean.shape
    mean, scale = mean.reshape(-1), scale.reshape(-1)
    table = (scale << MEAN_BITS | mean & 15).astype(np.int16)
    order = np.argsort(table, kind="stable")
    counts = np.bincount(table)
    used = np.flatnonzero(counts)
    known = _models(density)
    runs = [(known[t], n) for t, n in zip(used.tolist(), counts[used].tolist(), strict=True)]
    reaches = _reaches(density)[scale]
    offset, size = (mean >> MEAN_BITS) - reaches, 2 * reaches + 2
    coded = _code(coder, wanted, offset, size, order, lambda c, s: c.symbols(s, runs))
    return coded.reshape(shape)


def window(means: Ints, scales: Ints, weights: Ints) -> tuple[Ints, Ints]:
    """Where the tables of mixtures (n, G) begin, and their sizes: powers of two from 4 to 2048.

    They cover every component of weight 2^-10 or more to its reach, around their middle.
    """
    heavy = weights >= 1 << 6
    reaches = _reaches("gaussian")[scales]
    low = np.where(heavy, (means >> MEAN_BITS) - reaches, MEAN_LIMIT).min(1)
    high = np.where(heavy, (means >> MEAN_BITS) + 1 + reaches, -MEAN_LIMIT).max(1)
    sizes = 2 ** np.arange(2, WIDEST.bit_length())
    size = sizes[np.minimum(np.searchsorted(sizes, high - low + 1), len(sizes) - 1)]
    return (low + high + 1) // 2 - size // 2, size


def code_mixtures(
    coder: Coder, means: Ints, scales: Ints, weights: Ints, wanted: Ints | None
) -> Ints:
    """Code latents under mixtures: parameters (G, channels, n); sorted by size of table."""
    shape = means.shape[1:]
    flat = [p.reshape(len(p), -1).T for p in (means, scales, weights)]
    low, size = window(*flat)
    coded = np.empty(len(low), np.int64)
    for chosen in _runs(np.argsort(size, kind="stable"), size):
        counts = mixture_counts(low[chosen], int(size[chosen[0]]), *(p[chosen] for p in flat))
        known = None if wanted is None else wanted.reshape(-1)[chosen]
        code = partial(_rows, counts=counts)
        order = np.arange(len(chosen))
        coded[chosen] = _code(coder.at(chosen), known, low[chosen], size[chosen], order, code)
    return coded.reshape(shape)


def _rows(coder: Coder, symbols: Ints | None, counts: Ints) -> Ints:
    return coder.rows(symbols, counts)


def _runs(order: Ints, size: Ints) -> Iterable[Ints]:
    """Pieces of `order` of one size each and at most 2^20 counts in all."""
    edges = np.flatnonzero(np.diff(size[order])) + 1
    for run in np.split(order, edges):
        if len(run):
            rows = COUNTS_AT_ONCE // int(size[run[0]])
            yield from np.split(run, range(rows, len(run), rows))


def code_alike(
    coder: Coder, models: list[Model], low: Ints, count: int, wanted: Ints | None
) -> Ints:
    """Code latents (channels, count) under one model and one first value for each channel."""
    sizes = np.array([len(model.counts) - 1 for model in models])
    runs = [(model, count) for model in models]
    offset, size = np.repeat(low, count), np.repeat(sizes, count)
    order = np.arange(len(offset))
    coded = _code(coder, wanted, offset, size, order, lambda c, s: c.symbols(s, runs))
    return coded.reshape(len(models), count)


def _code(
    coder: Coder,
    wanted: Ints | None,
    offset: Ints,
    size: Ints,
    order: Ints,
    code: Callable[[Coder, Ints | None], Ints],
) -> Ints:
    """Code integers (n,) in an order: each less its offset where that lies in [0, size), else the
    escape symbol `size`; escaped values follow, inside the table counted as 0."""
    coder = coder.at(order)
    symbols = distance = None
    if wanted is not None:
        distance = wanted.reshape(-1) - offset
        outside = (distance < 0) | (distance >= size)
        symbols = np.where(outside, size, distance)[order]
    coded = np.empty_like(offset)
    coded[order] = code(coder, symbols)
    result = coded + offset
    escaped = coded == size
    if escaped.any():
        where = np.flatnonzero(escaped[order])
        at = order[where]
        known = None if distance is None else _fold(distance[at], size[at])
        result[at] = offset[at] + _unfold(coder.at(where).integers(known, len(where)), size[at])
        if np.abs(result[at]).max() > 2 * LARGEST_LATENT:
            raise FormatError("the entropy-coded part is damaged: a latent is out of range")
    return result


def _fold(distance: Ints, size: Ints) -> Ints:
    """Distances outside [0, size) as signed integers without a gap: below -> -1, -2, ...; above
    -> 0, 1, ..."""
    return np.where(distance < 0, distance, distance - size)


def _unfold(value: Ints, size: Ints) -> Ints:
    return np.where(value < 0, value, value + size)

"""CGAM's global prediction (thesis 3.4.3), on integers.

The channels of y come in two halves. Where a slice of the second half is coded, the first half is
known everywhere: so each position looks for those that are most like it there, among the
positions of the steps before, and is told what they have in the slice.

Two positions are compared by their keys a and b, the logarithms of their latents: 2 ab over
|a|^2 + |b|^2, which is 256 where they are the same. The most alike come first; of those that
are alike, the one with the smaller index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.fixed_point import ACTIVATION_BITS, Map, log2_table
from flowcodec.entropy.order import Order, Step, steps_of

Ints = NDArray[np.int64]

NEIGHBOURS = 4  # positions that are asked
KEY_BITS = 4  # fraction of a key's logarithms
ALIKE_BITS = 8
LEAST_ENERGY = 1024  # of keys, added: where there is little to compare, nothing is alike
PLACES = 1 << 20  # more than positions of a tile
COMPARED = 1 << 18  # pairs at a time: what a cache holds
SINGLE = (1 << 24) // (12 << KEY_BITS) ** 2  # channels whose products float32 sums up exactly


@dataclass(frozen=True)
class Similar:
    """For n positions, the best first: indices (n, k) of positions like them, and how much they
    are, 0 to 256."""

    positions: Ints
    alike: Ints


class Finder:
    """Finds what is similar in one tile, for each step of an order once."""

    def __init__(self, y: Ints, shape: tuple[int, int]):
        """y (channels, h * w): the first half."""
        self._keys, self._shape = keys_of(y), shape
        self._found: dict[tuple[Order, int], Similar] = {}

    def like(self, order: Order, step: Step) -> Similar:
        """For the positions of a step, those of the steps before."""
        key = order, step.rank
        if key not in self._found:
            steps = steps_of(order, *self._shape)
            before = np.concatenate([s.positions for s in steps if s.rank < step.rank])
            self._found[key] = most_similar(self._keys, step.positions, before)
        return self._found[key]


def keys_of(y: Ints) -> Map:
    """Latents (channels, n) -> (n, channels): log2(1 + |y|) in 1/16, with the sign of y."""
    logs = log2_table()[np.minimum(np.abs(y), 4095)] >> (ACTIVATION_BITS - KEY_BITS)
    keys: Map = (np.sign(y) * logs).T.astype(np.float64)
    return keys


def most_similar(keys: Map, positions: Ints, among: Ints) -> Similar:
    """What is most like some positions among others; there are k = 4, or as many as `among`."""
    k = min(NEIGHBOURS, len(among))
    energy = (keys * keys).sum(1)
    factors = keys.astype(np.float32 if keys.shape[1] <= SINGLE else np.float64)
    known, known_energy = np.ascontiguousarray(factors[among].T), energy[among] + LEAST_ENERGY
    found = np.empty((len(positions), k))
    band = max(1, COMPARED // len(among))
    for start in range(0, len(positions), band):
        part = positions[start : start + band]
        rank = (factors[part] @ known).astype(np.float64)
        rank *= 2.0 ** (ALIKE_BITS + 1)
        rank /= energy[part, None] + known_energy
        np.floor(rank, out=rank)  # how much they are alike; the rest orders those that are as much
        rank *= PLACES
        rank -= among
        best = np.partition(rank, len(among) - k, 1)[:, len(among) - k :]
        found[start : start + band] = -np.sort(-best, 1)
    ranks = found.astype(np.int64)
    places = -ranks % PLACES
    return Similar(places, np.maximum((ranks + places) // PLACES, 0))


def told(similar: Similar, seen: Map) -> Map:
    """What similar positions tell: of a map (P, C) their mean (n, C), weighted by the squares of
    how much they are alike, times that of the best, which comes last: (n, C + 1) activations."""
    weights = (similar.alike**2).astype(np.float64)
    total = np.maximum(weights.sum(1), 1)[:, None]
    best = similar.alike[:, :1].astype(np.float64)
    mean = np.floor(np.einsum("nk,nkc->nc", weights, seen[similar.positions]) / total)
    trusted = np.floor(mean * best * 2.0**-ALIKE_BITS)
    return np.concatenate([trusted, best * 2.0 ** (ACTIVATION_BITS - ALIKE_BITS)], 1)

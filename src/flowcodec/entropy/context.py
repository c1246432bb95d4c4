"""What a step of y sees of what is known: of its own slice, and of the slices before.

The steps of a slice see those before by a convolution; a whole slice tells the next one by a
convolution too, which on the checkerboard and in four steps is the same one. In the second half of
CGAM steps see by similarity as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import LARGEST_LATENT
from flowcodec.entropy.fixed_point import (
    ACTIVATION_BITS,
    Conv,
    Map,
    Surroundings,
    clamp,
    conv_of,
    log2_table,
    times_exp2,
)
from flowcodec.entropy.order import RANKINGS, Order, Step, back_of, steps_of
from flowcodec.entropy.similarity import Finder, told

Ints = NDArray[np.int64]


class SliceContext:
    """The convolutions of one slice.

    within: by which its steps see those before, with a bias (C,) for each of the ranks that have
    one; whole: by which the next slice sees this one; similar: by which a step sees what positions
    like its own have.
    """

    def __init__(
        self,
        order: Order,
        channels: int,
        within: Conv | None,
        biases: NDArray[np.integer],
        whole: Conv | None,
        similar: Conv | None,
    ):
        self.order, self.channels, self.similar = order, channels, similar
        self.within, self.whole, self._biases = within, whole, biases.astype(np.float64)
        for conv in (within, whole):
            if conv is not None and conv.inputs != 2 * channels:
                raise ValueError(f"a context of {channels} channels has {conv.inputs} inputs")
        if within is not None and within.kernel != RANKINGS[order].kernel:
            raise ValueError(f"the order {order} has no kernel of side {within.kernel}")
        if similar is not None and similar.inputs != 2 * channels + 1:
            raise ValueError(f"of {channels} channels {similar.inputs} are seen by similarity")

    def bias(self, rank: int) -> Map:
        """What is added for the positions of a rank, from 1."""
        bias: Map = self._biases[min(rank, len(self._biases)) - 1]
        return bias


def contexts_of(
    arrays: Mapping[str, NDArray[np.integer]], slices: Sequence[int], orders: Sequence[Order]
) -> list[SliceContext]:
    """Those of all slices: `contexts.g` inside slice g; `wholes.g` where there is none that sees
    all sides, but not of the last slice; rows of `half_bias` in the order of slices."""
    found = []
    biases = arrays["half_bias"]
    if len(biases) != sum(RANKINGS[order].biases for order in orders):
        raise ValueError(f"half_bias has {len(biases)} rows")
    for index, (channels, order) in enumerate(zip(slices, orders, strict=True)):
        ranking = RANKINGS[order]
        within = whole = similar = None
        if ranking.biases:
            within = conv_of(arrays, f"contexts.{index}")
        if index + 1 < len(slices):
            whole = within if ranking.around else conv_of(arrays, f"wholes.{index}")
        if f"globals.{index}.weight" in arrays:
            similar = conv_of(arrays, f"globals.{index}")
        own = biases[: ranking.biases]
        found.append(SliceContext(order, channels, within, own, whole, similar))
        biases = biases[ranking.biases :]
    return found


class SliceWalk:
    """One slice while it is coded: what its steps see, and what it leaves to the next."""

    def __init__(
        self,
        context: SliceContext,
        shape: tuple[int, int],
        features: Map,
        finder: Finder | None = None,
    ):
        """features (h * w, C); finder: of similar positions, where the slice sees by them."""
        self.steps = steps_of(context.order, *shape)
        self.back = back_of(context.order, *shape)
        self._context, self._features, self._finder = context, features, finder
        self._sums: dict[int, Map] = {}  # by rank, of the taps that the steps have seen
        kernel = RANKINGS[context.order].kernel or 1
        self._seen = Surroundings(*shape, 2 * context.channels, kernel)

    def base(self, step: Step) -> Map:
        """What the head sees at the positions of a step: (n, C) activations."""
        base: Map = self._features[step.positions]  # a copy
        conv, similar = self._context.within, self._context.similar
        if step.rank and conv is not None:
            sums = self._seen.sums(conv, step.positions, step.seen)
            if conv is self._context.whole:
                self._sums[step.rank] = sums.copy()
            base += conv.rounded(sums)
            base += self._context.bias(step.rank)
        if step.rank and similar is not None and self._finder is not None:
            whole = self._seen.whole.reshape(len(self._features), -1)
            base += similar.at(told(self._finder.like(self._context.order, step), whole))
        return clamp(base)

    def put(self, step: Step, y: Ints, gain: Ints) -> None:
        """Take what was coded in a step, (channels, n)."""
        if self._context.whole is not None or self._context.within is not None:
            self._seen.put(step.positions, context_input(y, gain))

    def left(self) -> Map:
        """The features that the next slice begins with."""
        conv, features = self._context.whole, self._features
        if conv is None:
            return features
        if conv is self._context.within:
            told = conv.rounded(self._rest(conv))
        else:
            told = conv(self._seen.whole).reshape(features.shape)
        told += features
        return clamp(told)

    def _rest(self, conv: Conv) -> Map:
        """All sums of products, of which those that steps have seen are there already."""
        total = np.empty(self._features.shape)
        for step in self.steps:
            total[step.positions] = self._seen.sums(conv, step.positions, step.unseen)
            if step.rank in self._sums:
                total[step.positions] += self._sums[step.rank]
        return total


def context_input(y: Ints, gain: Ints) -> Map:
    """(channels, n) integers -> (n, 2 * channels) activations: the value before its gain, and
    log2(1 + |y|)."""
    value = restored(y, gain[:, None])
    magnitude = log2_table()[np.minimum(np.abs(y), 4095)]
    return np.concatenate([value, magnitude]).T.astype(np.float64)


def restored(values: Ints, gain: Ints) -> Map:
    """Integers without their gain, as activations."""
    bounded = np.clip(values, -LARGEST_LATENT, LARGEST_LATENT)
    return clamp(times_exp2(bounded, -gain, -ACTIVATION_BITS).astype(np.float64))

"""The hyperprior: z, a factorized mixture for each of its channels, and what it tells of y."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import Coder, Model, model_of
from flowcodec.entropy.context import restored
from flowcodec.entropy.fixed_point import (
    AdjacentAttention,
    Map,
    conv_of,
    interpolate,
    leaky,
    pixel_shuffle,
    softmax_weights,
)
from flowcodec.entropy.symbols import code_alike, gained_mean, scale_index, window
from flowcodec.entropy.tables import mixture_counts

Ints = NDArray[np.int64]
HYPER_RATIO = 4
QUALITIES = 16  # of which the tables are kept


class HyperPrior:
    """Built from the arrays of an exact prior; `attention`: positions of a line of it in h_s."""

    def __init__(self, arrays: Mapping[str, NDArray[np.integer]], attention: int):
        self.log_gain = arrays["hyper_log_gain"]
        self.quality_bias = arrays["quality_bias"]
        self.mean = arrays["hyper_mean"].astype(np.int64)
        self.log_scale = arrays["hyper_log_scale"].astype(np.int64)
        self.weight = softmax_weights(arrays["hyper_logit"].astype(np.int64), 16)
        self.up1, self.up2, self.out = (
            conv_of(arrays, f"hyper_synthesis.{name}") for name in ("up1", "up2", "out")
        )
        self.attention = None
        if "hyper_synthesis.attention.merge.weight" in arrays:
            query, key, value, merge = (
                conv_of(arrays, f"hyper_synthesis.attention.{part}")
                for part in ("query", "key", "value", "merge")
            )
            self.attention = AdjacentAttention(query, key, value, merge, attention)
        self._tables = lru_cache(maxsize=QUALITIES)(self._make_tables)

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(N, k, l) of z, for y of so many rows and columns."""
        return self.mean.shape[1], -(-height // HYPER_RATIO), -(-width // HYPER_RATIO)

    def code(self, coder: Coder, height: int, width: int, quality: int, known: Ints | None) -> Ints:
        """Code z channel by channel."""
        models, low = self._tables(quality)
        shape = self.shape(height, width)
        return code_alike(coder, models, low, shape[1] * shape[2], known).reshape(shape)

    def _make_tables(self, quality: int) -> tuple[list[Model], Ints]:
        """Of each channel: its model, and its first value."""
        gain = interpolate(self.log_gain, quality)[None]
        means = gained_mean(self.mean, gain).T
        scales = scale_index(self.log_scale, gain).T
        weights = self.weight.T
        low, size = window(means, scales, weights)
        models = []
        for c in range(len(low)):
            one = slice(c, c + 1)
            counts = mixture_counts(low[one], int(size[c]), means[one], scales[one], weights[one])
            models.append(model_of(counts[0]))
        return models, low

    def features(self, z: Ints, height: int, width: int, quality: int) -> Map:
        """h_s: (N, k, l) integers -> (h, w, C), not yet clamped."""
        gain = interpolate(self.log_gain, quality)
        x = restored(z, gain[:, None, None]).transpose(1, 2, 0)
        x = leaky(pixel_shuffle(self.up1(np.ascontiguousarray(x))))
        x = leaky(pixel_shuffle(self.up2(x)))
        if self.attention is not None:
            x = self.attention(x)
        x = self.out(np.ascontiguousarray(x[:height, :width]))
        return x + interpolate(self.quality_bias, quality)

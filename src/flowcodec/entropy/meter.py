"""What symbols cost: coders that write nothing and add up bits.

They see the calls that an encoder sees, with the same tables, so the sum is the size of the code up
to the last words that a range coder writes. Bits are floats: people look at them, and an encoder
chooses by them, but no decoder has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import Coder, Ints, Model, exp_golomb
from flowcodec.entropy.tables import PRECISION

Bits = NDArray[np.float64]


class Meter(Coder):
    """Adds the cost of each symbol to `bits`, in the place that `at` has chosen for it.

    `places` are indices of `bits`: first by name, for `at` to choose from, then one a symbol.
    """

    def __init__(self, bits: Bits, places: Mapping[str, Ints] | Ints):
        self.bits = bits
        self._places: Any = places

    def at(self, *chosen: Any) -> Meter:
        """The meter of certain symbols, which are in a row from then on."""
        first, *rest = chosen
        return Meter(self.bits, self._places[first][tuple(rest)].reshape(-1))

    def symbols(self, symbols: Ints | None, models: list[tuple[Model, int]]) -> Ints:
        """Cost of symbols, the first `n` under the first model, and so on."""
        assert symbols is not None
        self.bits[self._places] += _of_symbols(symbols, models)
        return symbols

    def rows(self, symbols: Ints | None, counts: Ints) -> Ints:
        """Cost of each symbol under its own row of counts (n, K)."""
        assert symbols is not None
        self.bits[self._places] += _of_rows(symbols, counts)
        return symbols

    def integers(self, values: Ints | None, count: int) -> Ints:
        """Cost of signed integers (escapes)."""
        assert values is not None
        self.bits[self._places] += _of_integers(values)
        return values


class Draft(Coder):
    """Adds up the bits of all symbols, and can be written afterwards."""

    def __init__(self) -> None:
        self.bits = 0.0
        self._calls: list[Callable[[Coder], Ints]] = []

    def symbols(self, symbols: Ints | None, models: list[tuple[Model, int]]) -> Ints:
        """Cost of symbols, the first `n` under the first model, and so on."""
        assert symbols is not None
        self.bits += float(_of_symbols(symbols, models).sum())
        self._calls.append(lambda coder: coder.symbols(symbols, models))
        return symbols

    def rows(self, symbols: Ints | None, counts: Ints) -> Ints:
        """Cost of each symbol under its own row of counts (n, K)."""
        assert symbols is not None
        self.bits += float(_of_rows(symbols, counts).sum())
        self._calls.append(lambda coder: coder.rows(symbols, counts))
        return symbols

    def integers(self, values: Ints | None, count: int) -> Ints:
        """Cost of signed integers."""
        assert values is not None
        self.bits += float(_of_integers(values).sum())
        self._calls.append(lambda coder: coder.integers(values, count))
        return values

    def write(self, coder: Coder) -> None:
        """Give all symbols to another coder."""
        for call in self._calls:
            call(coder)


def _of_symbols(symbols: Ints, models: list[tuple[Model, int]]) -> Bits:
    """Each symbol's, the first `n` under the first model, and so on."""
    counts = np.empty(len(symbols), np.int64)
    start = 0
    for model, count in models:
        part = slice(start, start + count)
        counts[part] = model.counts[symbols[part]]
        start += count
    return _cost(counts)


def _of_rows(symbols: Ints, counts: Ints) -> Bits:
    return _cost(counts[np.arange(len(symbols)), symbols])


def _of_integers(values: Ints) -> Bits:
    return np.array([len(exp_golomb(value)) for value in values.tolist()], np.float64)


def _cost(counts: Ints) -> Bits:
    return np.asarray(PRECISION - np.log2(counts))

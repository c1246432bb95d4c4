"""The range coder: arrays of symbols with integer tables, over constriction.

constriction takes probabilities as floats. Handing it float32(count - 1) with `perfect=False`
makes its own scaling exactly 1, so that the coded distribution is our integer table. SPEC.md
states the coder in integers; tests/entropy holds a second decoder without constriction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import FormatError

Ints = NDArray[np.signedinteger[Any]]
Categorical = constriction.stream.model.Categorical

ROWS = Categorical(perfect=False)
BIT = Categorical(np.array([2**23 - 1, 2**23 - 1], np.float32), perfect=False)
LARGEST_LATENT = 1 << 24


class Model(NamedTuple):
    """Counts of symbols that sum to 2^24, and constriction's model of them, which has no type."""

    counts: Ints
    categorical: Any


def model_of(counts: Ints) -> Model:
    """A coding model from counts that sum to 2^24."""
    return Model(counts, Categorical((counts - 1).astype(np.float32), perfect=False))


def exp_golomb(value: int) -> list[int]:
    """The bits of a signed integer, each of which is as probable as not."""
    code = (2 * value if value >= 0 else -2 * value - 1) + 1
    length = code.bit_length()
    return [0] * (length - 1) + [code >> i & 1 for i in range(length - 1, -1, -1)]


class Coder(Protocol):
    """Encodes or decodes the same sequence of calls.

    `symbols` passes through what it is given when encoding, and ignores it when decoding. `at`
    says which symbols the next calls are about, for a coder that tells them apart: those of "z",
    those of "y" in certain channels and positions, or certain ones of what `at` has given before.
    """

    def at(self, *chosen: Any) -> Coder:
        return self

    def symbols(self, symbols: Ints | None, models: list[tuple[Model, int]]) -> Ints: ...

    def rows(self, symbols: Ints | None, counts: Ints) -> Ints: ...

    def integers(self, values: Ints | None, count: int) -> Ints: ...


class Encoder(Coder):
    """Writes symbols; `bytes()` gives the code.

    It remembers the calls of `symbols` and `integers`, so that `reads_back` can repeat them. Those
    of `rows` are too large for that.
    """

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._calls: list[Callable[[Decoder], bool]] = []

    def symbols(self, symbols: Ints | None, models: list[tuple[Model, int]]) -> Ints:
        """Code symbols in order, the first `n` with the first model, and so on."""
        assert symbols is not None
        narrow = symbols.astype(np.int32, copy=False)
        encode = self._coder.encode
        start = 0
        for model, count in models:
            encode(narrow[start : start + count], model.categorical)
            start += count
        self._calls.append(lambda d: np.array_equal(d.symbols(None, models), symbols))
        return symbols

    def rows(self, symbols: Ints | None, counts: Ints) -> Ints:
        """Code each symbol with its own row of counts (n, K)."""
        assert symbols is not None
        self._coder.encode(symbols.astype(np.int32), ROWS, (counts - 1).astype(np.float32))
        return symbols

    def integers(self, values: Ints | None, count: int) -> Ints:
        """Code signed integers (escapes) in Exp-Golomb code, a bit at a time."""
        assert values is not None
        for value in values.tolist():
            self._coder.encode(np.array(exp_golomb(value), np.int32), BIT)
        self._calls.append(lambda d: np.array_equal(d.integers(None, count), values))
        return values

    def reads_back(self, code: bytes) -> bool:
        """Whether a decoder that makes the same calls gets from `code` what was written."""
        decoder = Decoder(code)
        try:
            return all(call(decoder) for call in self._calls)
        except FormatError:
            return False

    def bytes(self) -> bytes:
        code: bytes = self._coder.get_compressed().astype("<u4").tobytes()
        return code


class Decoder(Coder):
    """Reads symbols; never fails on damaged input, whose symbols are then arbitrary."""

    def __init__(self, data: bytes):
        if len(data) % 4:
            raise FormatError("the entropy-coded part is no whole number of 32-bit words")
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def symbols(self, symbols: Ints | None, models: list[tuple[Model, int]]) -> Ints:
        with _damage():
            decode = self._coder.decode
            parts = [decode(model.categorical, count) for model, count in models]
            return np.concatenate(parts)

    def rows(self, symbols: Ints | None, counts: Ints) -> Ints:
        with _damage():
            found = self._coder.decode(ROWS, (counts - 1).astype(np.float32))
            return np.asarray(found, np.int64)

    def integers(self, values: Ints | None, count: int) -> Ints:
        found = np.zeros(count, np.int64)
        for i in range(count):
            length = 1
            while not self._bit():
                length += 1
                if length > LARGEST_LATENT.bit_length() + 2:
                    raise FormatError("the entropy-coded part is damaged: an escape is too long")
            code = 1
            for _ in range(length - 1):
                code = 2 * code + self._bit()
            code -= 1
            found[i] = -(code + 1) // 2 if code % 2 else code // 2
        return found

    def _bit(self) -> int:
        with _damage():
            return int(self._coder.decode(BIT, 1)[0])


@contextmanager
def _damage() -> Iterator[None]:
    """constriction notices some codes that no encoder can have written: say so."""
    try:
        yield
    except AssertionError as error:
        raise FormatError("the entropy-coded part is damaged") from error

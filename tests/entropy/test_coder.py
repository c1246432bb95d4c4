"""The range coder: constriction against the integer coder of the specification, and damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.entropy.coder import LARGEST_LATENT, Decoder, Encoder, model_of
from flowcodec.errors import FormatError
from tests.entropy.second_decoder import RangeDecoder

TOTAL = 1 << 24
LONGEST = 2 * LARGEST_LATENT


@st.composite
def counts_of_symbols(draw: st.DrawFn) -> list[int]:
    """Counts that sum to 2^24, often with one symbol that has nearly everything."""
    size = draw(st.integers(2, 9))
    cuts = sorted(draw(st.sets(st.integers(1, TOTAL - 1), min_size=size - 1, max_size=size - 1)))
    counts = np.diff([0, *cuts, TOTAL]).tolist()
    if draw(st.booleans()):
        counts = [1] * (size - 1) + [TOTAL - size + 1]
    return draw(st.permutations(counts))


MESSAGES = st.lists(
    counts_of_symbols().flatmap(
        lambda counts: st.tuples(st.just(counts), st.integers(0, len(counts) - 1))
    ),
    max_size=60,
)


@given(MESSAGES)
def test_code_is_read_by_the_coder_of_the_specification(message):
    encoder = Encoder()
    for counts, symbol in message:
        encoder.symbols(np.array([symbol]), [(model_of(np.array(counts)), 1)])
    other = RangeDecoder(encoder.bytes())
    assert [other.symbol(counts) for counts, _ in message] == [symbol for _, symbol in message]


@given(st.binary(max_size=40), MESSAGES)
def test_damaged_words_are_read_alike(data, message):
    data = data[: len(data) // 4 * 4]
    ours, other = Decoder(data), RangeDecoder(data)
    for counts, _ in message:
        try:
            expected = other.symbol(counts)
        except AssertionError:
            with pytest.raises(FormatError):
                ours.symbols(None, [(model_of(np.array(counts)), 1)])
            return
        assert ours.symbols(None, [(model_of(np.array(counts)), 1)]).tolist() == [expected]


@given(st.lists(st.integers(-LONGEST, LONGEST), max_size=20))
def test_integers_come_back(values):
    encoder = Encoder()
    encoder.integers(np.array(values, np.int64), len(values))
    assert Decoder(encoder.bytes()).integers(None, len(values)).tolist() == values
    other = RangeDecoder(encoder.bytes())
    assert [other.escaped() for _ in values] == values


def test_rows_and_models_of_the_same_counts_give_the_same_code():
    counts = np.array([[1000, TOTAL - 1500, 500], [TOTAL - 2, 1, 1], [3, 4, TOTAL - 7]])
    symbols = np.array([2, 1, 0])
    by_row, by_model = Encoder(), Encoder()
    by_row.rows(symbols, counts)
    by_model.symbols(symbols, [(model_of(row), 1) for row in counts])
    assert by_row.bytes() == by_model.bytes()
    assert Decoder(by_row.bytes()).rows(None, counts).tolist() == symbols.tolist()


def test_code_of_broken_length_is_refused():
    with pytest.raises(FormatError, match="32-bit words"):
        Decoder(bytes(5))


def test_escape_without_end_is_refused():
    """Behind the last word come zeros, which would be an endless Exp-Golomb prefix."""
    with pytest.raises(FormatError, match="escape is too long"):
        Decoder(b"").integers(None, 1)

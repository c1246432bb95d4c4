"""The integer prior: whatever is coded comes back, and damage ends in a FormatError."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.entropy.coder import Encoder, model_of
from flowcodec.entropy.order import steps_of
from flowcodec.entropy.prior import ExactPrior, Layout, latent_hash, prior_hash
from flowcodec.errors import FormatError, WeightsError
from tests.entropy.samples import CONFIGS, exact, random_latents, random_prior

PRIORS = {name: exact(random_prior(config, 3)) for name, config in CONFIGS.items()}
SIDES = st.integers(1, 9)
QUALITIES = st.integers(1000, 8000)


def integers(name: str, height: int, width: int, scale: float, seed: int):
    y, z = random_latents(CONFIGS[name], height, width, seed)
    return np.rint(z * scale).astype(np.int64), np.rint(y * scale).astype(np.int64)


@pytest.mark.parametrize("name", CONFIGS)
@given(SIDES, SIDES, QUALITIES, st.sampled_from([0, 1, 30, 1e4, 3e6]), st.integers(0, 99))
def test_latents_come_back(name, height, width, quality, scale, seed):
    prior = PRIORS[name]
    z, y = integers(name, height, width, scale, seed)
    code, _ = prior.encode(z, y, quality)
    decoded = prior.decode(code, height, width, quality)
    assert np.array_equal(decoded[0], z)
    assert np.array_equal(decoded[1], y)


@pytest.mark.parametrize("name", CONFIGS)
@given(SIDES, SIDES, QUALITIES, st.sampled_from([0, 1, 30, 1e4]), st.integers(0, 99))
def test_costs_add_up_to_the_code(name, height, width, quality, scale, seed):
    z, y = integers(name, height, width, scale, seed)
    costs = PRIORS[name].cost(z, y, quality)
    assert [cost.shape for cost in costs] == [z.shape, y.shape]
    assert min(cost.min() for cost in costs) > 0
    size = 8 * len(PRIORS[name].encode(z, y, quality)[0])
    assert -64 <= sum(cost.sum() for cost in costs) - size <= 0.01


@pytest.mark.parametrize("value", [-3, 2**20])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_cost_stands_where_its_symbol_stands(name, value):
    """No table of a symbol hangs on another of its own step: z, or the positions of a slice of y
    that come together."""
    prior, config = PRIORS[name], CONFIGS[name]
    z, y = integers(name, 7, 6, 1, 0)
    costs = prior.cost(z, y, 4000)

    def changes(index, place):
        changed = [z.copy(), y.copy()]
        changed[index][place] += value
        return costs[index] != prior.cost(*changed, 4000)[index]

    assert np.argwhere(changes(0, (1, 0, 1))).tolist() == [[1, 0, 1]]
    start = 0
    for channels, order in zip(config.slices, config.orders, strict=True):
        part = slice(start, start + channels)
        for step in steps_of(order, 7, 6)[:: 1 if order != "wavefront" else 5]:
            where = step.positions[len(step.positions) // 2]
            place = (start + channels // 2, *np.unravel_index(where, (7, 6)))
            changed = changes(1, place)
            assert not changed[:start].any()
            together = changed[part].reshape(channels, -1)[:, step.positions]
            found = [(start + c, step.positions[p]) for c, p in np.argwhere(together)]
            assert found == [(place[0], where)]
        start += channels


@pytest.mark.parametrize("name", CONFIGS)
@given(st.binary(max_size=64), SIDES, SIDES, QUALITIES)
def test_any_bytes_give_latents_or_a_format_error(name, data, height, width, quality):
    try:
        z, y = PRIORS[name].decode(data, height, width, quality)
    except FormatError:
        return
    assert y.shape == (CONFIGS[name].latent, height, width)
    assert max(np.abs(z).max(), np.abs(y).max()) <= 2**26


@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1, -(2**63)])
def test_latents_beyond_the_format_are_refused(value):
    z, y = integers("context", 4, 4, 1, 0)
    y[0, 0, 0] = value
    with pytest.raises(WeightsError, match="beyond 2\\^24"):
        PRIORS["context"].encode(z, y, 4000)


def test_weights_that_could_leave_exact_arithmetic_are_refused():
    prior = random_prior(CONFIGS["context"], 3)
    arrays = prior.export()
    arrays["contexts.0.weight"] = np.full_like(arrays["contexts.0.weight"], 2**30)
    with pytest.raises(WeightsError, match="exact arithmetic"):
        ExactPrior(arrays, PRIORS["context"].layout)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"half_bias": np.zeros((2, 12), int)}, "half_bias has 2 rows"),
        ({"contexts.0.weight": np.zeros((12, 6, 5, 5), int)}, "no kernel of side 5"),
        ({"contexts.0.weight": np.zeros((12, 4, 3, 3), int)}, "has 4 inputs"),
        ({"wholes.1.weight": None}, "wholes.1.weight"),
        ({"log_gain": np.zeros((8, 15), int)}, "do not add up to 15 channels"),
    ],
)
def test_arrays_of_another_layout_are_refused(changed, error):
    arrays = random_prior(CONFIGS["mixed"], 3).export() | changed
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises((ValueError, KeyError), match=error):
        ExactPrior(arrays, PRIORS["mixed"].layout)


def test_hash_covers_values_names_and_layout_but_not_storage():
    prior = random_prior(CONFIGS["context"], 3)
    arrays, layout = prior.export(), PRIORS["context"].layout
    original = prior_hash(arrays, layout)
    wide = {name: array.astype(np.int64) for name, array in arrays.items()}
    assert prior_hash(wide, layout) == original

    changed = arrays | {"half_bias": arrays["half_bias"] + 1}
    renamed = {name.replace("half", "whole"): array for name, array in arrays.items()}
    other = type(layout)(layout.slices[::-1], layout.components, layout.window)
    hashes = [prior_hash(changed, layout), prior_hash(renamed, layout), prior_hash(arrays, other)]
    assert len({original, *hashes}) == 4


def test_layouts_of_all_orders_have_hashes_of_their_own():
    arrays = random_prior(CONFIGS["context"], 3).export()
    slices = (4, 6, 10)
    orders = [
        "checkerboard",
        "wavefront",
        "four-step",
        "one-step",
        ("four-step", "checkerboard", "one-step"),
        ("checkerboard", "checkerboard", "checkerboard"),
    ]
    hashes = [prior_hash(arrays, Layout(slices, 1, 8, order=order)) for order in orders]
    assert len(set(hashes)) == len(orders)
    spelt = ("checkerboard", "checkerboard", "one-step")
    assert prior_hash(arrays, Layout(slices, 1, 8, order=spelt)) == hashes[0]
    with pytest.raises(ValueError, match="3 slices have 2 orders"):
        Layout(slices, 1, 8, order=("four-step", "one-step"))


def test_latent_hash_tells_small_changes():
    z, y = integers("context", 4, 4, 3, 0)
    before = latent_hash(z, y)
    y[0, 0, 0] += 1
    assert latent_hash(z, y) != before


def test_an_encoder_notices_a_code_that_reads_back_wrong():
    encoder = Encoder()
    model = model_of(np.full(4, 2**22))
    encoder.symbols(np.array([0, 3, 1, 2] * 20), [(model, 80)])
    encoder.integers(np.array([-5, 70]), 2)
    code = encoder.bytes()
    assert encoder.reads_back(code)
    for place in range(0, len(code) - 4, 3):
        damaged = bytearray(code)
        damaged[place] ^= 16
        assert not encoder.reads_back(bytes(damaged))


def test_a_price_of_bits_saves_them_for_a_bounded_error():
    config = CONFIGS["context"]
    real, z = random_latents(config, 24, 32, 5)
    real = 2 * real
    z = np.rint(z).astype(np.int64)
    plain, nearest = PRIORS["context"].encode(z, real, 4000)
    prices = np.full(real.shape, 0.1)
    prices[:4] = 0
    code, chosen = PRIORS["context"].encode(z, real, 4000, prices)
    assert np.array_equal(nearest, np.rint(real))
    assert np.array_equal(chosen[:4], nearest[:4])
    assert 0 < np.abs(chosen - nearest).sum() == np.count_nonzero(chosen != nearest)
    decoded_z, decoded = PRIORS["context"].decode(code, 24, 32, 4000)
    assert np.array_equal(decoded, chosen) and np.array_equal(decoded_z, z)
    saved = 8 * (len(plain) - len(code))
    lost = np.square(chosen - real).sum() - np.square(nearest - real).sum()
    assert 0 < lost < 0.1 * saved

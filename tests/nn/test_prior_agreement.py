"""The prior as training sees it and the integer prior are one network."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch

from flowcodec.entropy.coder import Encoder
from flowcodec.entropy.context import context_input as integer_context_input
from flowcodec.entropy.fixed_point import interpolate
from flowcodec.entropy.order import steps_of
from flowcodec.entropy.similarity import Finder
from flowcodec.entropy.similarity import told as integer_told
from flowcodec.nn.context import context_input
from flowcodec.nn.fixed_point import activation
from flowcodec.nn.order import Order
from flowcodec.nn.order import steps_of as torch_steps_of
from flowcodec.nn.prior import PriorConfig
from flowcodec.nn.similarity import keys_of, most_similar, told
from flowcodec.nn.symbols import Mixture, quantise
from tests.entropy.samples import CONFIGS, exact, random_latents, random_prior

HEIGHT, WIDTH = 24, 32


@pytest.mark.parametrize("quality", [1.0, 4.25, 8.0])
@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_real_size_is_the_estimated_one_within_one_percent(name, quality):
    prior = random_prior(CONFIGS[name], 1)
    y, z = random_latents(CONFIGS[name], HEIGHT, WIDTH, 2)
    at = torch.tensor([quality])
    coded = prior(torch.from_numpy(y)[None], torch.from_numpy(z)[None], at)
    rounded_z = torch.round(torch.from_numpy(z) * torch.exp2(prior.hyper_log_gain(at))[0])

    code, _ = exact(prior).encode(
        rounded_z.long().numpy(), coded.y[0].round().long().numpy(), round(quality * 1000)
    )
    estimated = float(coded.y_bits + coded.z_bits)
    assert 8 * len(code) == pytest.approx(estimated, rel=0.01)


@pytest.mark.parametrize(
    ("quality", "mean", "largest"), [(1.0, 2, 40), (8.0, 2, 40), (4.25, 6, 80)]
)
@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_features_differ_by_a_few_units(name, quality, mean, largest):
    """Units of 2^-10, among values of thousands.

    Only leaky ReLUs and exponentials are rounded otherwise, and between the anchors the gains,
    which the integers know to 2^-8 octave.
    """
    prior = random_prior(CONFIGS[name], 1)
    _, z = random_latents(CONFIGS[name], HEIGHT, WIDTH, 2)
    at = torch.tensor([quality])
    gain = prior.hyper_log_gain(at)
    rounded = torch.round(torch.from_numpy(z)[None] * torch.exp2(gain))
    restored = activation(rounded * torch.exp2(-gain))
    ours = activation(prior.hyper_synthesis(restored) + prior.quality_bias(at))[0] * 1024

    integers = rounded[0].long().numpy()
    other = exact(prior).features(integers, HEIGHT, WIDTH, round(quality * 1000))
    difference = np.abs(ours.numpy().transpose(1, 2, 0) - other)
    assert np.abs(other).mean() > 500
    assert difference.mean() < mean
    assert difference.max() < largest


@torch.no_grad()
def test_both_see_the_same_latents_beside():
    config = dataclasses.replace(CONFIGS["context"], beside=5)
    prior = random_prior(config, 1)
    y, z = random_latents(config, HEIGHT, WIDTH, 2)
    at = torch.tensor([4.0])
    known = activation(torch.randn(1, 10, HEIGHT, WIDTH))
    beside = 1024 * known[0].permute(1, 2, 0).double().numpy()
    rounded_z = torch.round(torch.from_numpy(z) * torch.exp2(prior.hyper_log_gain(at))[0])
    codes = []
    for seen, integers in ((known, beside), (0 * known, 0 * beside)):
        coded = prior(torch.from_numpy(y)[None], torch.from_numpy(z)[None], at, beside=seen)
        encoder = Encoder()
        symbols = coded.y[0].round().long().numpy()
        exact(prior).write(encoder, rounded_z.long().numpy(), symbols, 4000, None, integers)
        codes.append(encoder.bytes())
        assert 8 * len(codes[-1]) == pytest.approx(float(coded.y_bits + coded.z_bits), rel=0.01)
    assert codes[0] != codes[1]


@torch.no_grad()
def test_context_sees_the_same():
    prior = random_prior(CONFIGS["context"], 1)
    y = np.random.default_rng(0).integers(-300, 300, (CONFIGS["context"].latent, 6, 5))
    ours = context_input(torch.from_numpy(y)[None].float(), prior.log_gain(torch.tensor([3.0])))
    gain = interpolate(prior.export()["log_gain"], 3000)
    other = integer_context_input(y.reshape(len(y), -1), gain)
    difference = np.abs(ours[0].reshape(2 * len(y), -1).numpy().T * 1024 - other)
    assert difference[:, : len(y)].max() <= 3  # of 2^17: the table of powers has 16 bits
    assert difference[:, len(y) :].max() <= 4  # log2 comes from a table in steps of four


def test_restoring_an_export_changes_nothing():
    prior = random_prior(CONFIGS["paper"], 1)
    arrays = prior.export()
    other = random_prior(CONFIGS["paper"], 2)
    other.restore(arrays)
    assert all(np.array_equal(arrays[name], array) for name, array in other.export().items())


ORDERS = [*get_args(Order), ("four-step", "checkerboard", "one-step")]


@pytest.mark.parametrize("price", [None, 0.1])
@pytest.mark.parametrize("slices", [(12,), (3, 4, 5)])
@pytest.mark.parametrize("order", ORDERS)
@torch.no_grad()
def test_both_walk_in_the_same_order(order, slices, price):
    """Bits agree, and at a price the integers do; but on the wavefront training takes neighbours
    for what their features alone tell of them."""
    if isinstance(order, tuple):
        order = order[-len(slices) :]
    config = PriorConfig(
        latent=12, hyper=4, features=16, hidden=(16, 12), slices=slices, order=order
    )
    check_agreement(config, price, 0.02 if order == "wavefront" else 0.004)


@pytest.mark.parametrize("price", [None, 0.1])
@pytest.mark.parametrize("order", get_args(Order)[:3])
@torch.no_grad()
def test_both_see_by_similarity(order, price):
    config = PriorConfig(
        latent=12,
        hyper=4,
        features=16,
        hidden=(16, 12),
        slices=(5, 3, 4),
        order=(order,) * 3,
        first_half=1,
    )
    check_agreement(config, price, 0.02 if order == "wavefront" else 0.006)


@pytest.mark.parametrize("order", get_args(Order)[:3])
def test_both_find_the_same_to_be_similar(order):
    """Also where many positions are alike."""
    y = np.random.default_rng(1).integers(-2, 3, (4, 6, 7))
    y[:, 3:] = y[:, :3]
    y[0, 0, 0] = 5000
    steps = torch_steps_of(order, 6, 7, torch.device("cpu"))
    found = most_similar(keys_of(torch.from_numpy(y)[None].float()), steps)
    finder = Finder(y.reshape(4, -1), (6, 7))
    seen = np.random.default_rng(2).integers(-(2**17), 2**17, (42, 3)).astype(np.float64)
    maps = torch.from_numpy(seen.T.reshape(1, 3, 6, 7) / 1024).float()
    ours = told(found, maps)[0].flatten(1).T.numpy() * 1024
    for step in steps_of(order, 6, 7)[1:]:
        other = finder.like(order, step)
        k = other.positions.shape[1]
        alike = 256 * found.alike[0, step.positions]
        assert np.array_equal(alike[:, :k], other.alike) and not alike[:, k:].any()
        same = found.positions[0, step.positions, :k].numpy() == other.positions
        assert same[other.alike > 0].all()
        assert np.abs(integer_told(other, seen) - ours[step.positions]).max() <= 2


def check_agreement(config, price, tolerance):
    """Both give the same latents but for a few, in as many bits within one percent."""
    prior = random_prior(config, 1)
    y, z = random_latents(config, HEIGHT, WIDTH, 2)
    at = torch.tensor([4.0])
    prices = None if price is None else torch.full((config.latent, 1, 1), price)
    ours = prior(torch.from_numpy(y)[None], torch.from_numpy(z)[None], at, price=prices)
    rounded_z = torch.round(torch.from_numpy(z) * torch.exp2(prior.hyper_log_gain(at))[0])
    gained = y * torch.exp2(prior.log_gain(at))[0].numpy()
    given = None if price is None else np.full(gained.shape, price)
    code, other = exact(prior).encode(rounded_z.long().numpy(), gained, 4000, given)
    assert ((ours.y[0].numpy() != np.rint(gained)).mean() > 0.01) == (price is not None)
    assert (ours.y[0].numpy() != other).mean() <= (tolerance if price else 0)
    assert 8 * len(code) == pytest.approx(float(ours.y_bits + ours.z_bits), rel=0.01)


@pytest.mark.parametrize("mean", [0.0, 1.3])
@pytest.mark.parametrize("log_scale", [0.0, 2.0])
def test_the_gradient_at_a_price_is_what_a_change_of_scale_does(mean, log_scale):
    """Bits and squared error of many latents together, against their finite differences."""
    generator = torch.Generator().manual_seed(1)
    spread = 2.0**log_scale
    values = mean + spread * torch.randn(1, 1, 500, 500, generator=generator)
    place = torch.full((1, 1, 1, 1, 1), mean)
    expected = Mixture((place, torch.full_like(place, log_scale), None), torch.zeros(1, 1, 1, 1))
    price = torch.full((1, 1, 1), 0.12)

    def costs(scale):
        """Of latents that are scaled for rounding alone: bits, and errors in terms of bits."""
        integers, bits = quantise(values * scale, expected, price)
        return torch.stack([bits.mean(), (integers - values).square().mean() / 0.12])

    with torch.no_grad():
        differences = (costs(1.02) - costs(0.98)) / 0.04
    scale = torch.ones((), requires_grad=True)
    found = [torch.autograd.grad(cost, scale, retain_graph=True)[0] for cost in costs(scale)]
    at_stake = differences.abs().max()
    torch.testing.assert_close(torch.stack(found), differences, rtol=0.1, atol=0.1 * at_stake)


def test_latents_far_from_a_threshold_pass_no_gradient():
    y = torch.tensor([0.1, 0.55, 1.2, -1.0]).reshape(1, 4, 1, 1).requires_grad_()
    zeros = torch.zeros(1, 1, 4, 1, 1)
    expected = Mixture((zeros, zeros, None), torch.zeros(1, 4, 1, 1))
    integers, bits = quantise(y, expected, torch.full((4, 1, 1), 0.12))
    assert integers.flatten().tolist() == [0, 1, 1, -1]
    (integers.sum() + bits.sum()).backward()
    passed = y.grad.flatten().abs()
    assert passed[1] > 1 > 0.5 > max(passed[0], passed[2], passed[3])

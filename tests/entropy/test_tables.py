"""The integer tables never change: a hash pins each, and they keep the promises of SPEC.md."""

import hashlib

import numpy as np
import pytest

from flowcodec.entropy.fixed_point import exp2_table, log2_table, softmax_weights, times_exp2
from flowcodec.entropy.tables import (
    FINER,
    SCALES,
    distribution,
    laplace_table,
    mixture_counts,
    normal_table,
    reach,
    scale_table,
    tables_of,
)
from tests.entropy import second_decoder as spec

MIXTURE = mixture_counts(
    np.array([-7, 3]),
    16,
    np.array([[5, -40, 17], [100, 160, 90]]),
    np.array([[20, 30, 26], [0, 40, 82]]),
    np.array([[40000, 20000, 5536], [65536, 0, 0]]),
)
PINNED = {
    "exp2": (exp2_table, "bcb12a9be14f9d0d"),
    "log2": (log2_table, "029a079d1deab25e"),
    "normal": (normal_table, "53caa616d52cc435"),
    "scales": (scale_table, "56450fc7b9bcd6ef"),
    "narrowest Gaussians": (lambda: tables_of(0), "9dfef9d4b9577ade"),
    "Gaussians of scale 1": (lambda: tables_of(26), "087a3e8979a78560"),
    "widest Gaussians": (lambda: tables_of(SCALES - 1), "f062515b791c82c2"),
    "Laplaces of scale 1": (lambda: tables_of(38, "laplace"), "b6b980959338195e"),
    "narrowest Laplaces": (lambda: tables_of(0, "laplace"), "280d74f5af8a191f"),
    "mixtures": (lambda: MIXTURE, "c6efd3f2cb4ddae5"),
}


@pytest.mark.parametrize("name", PINNED)
def test_table_is_the_one_of_every_release(name):
    table, expected = PINNED[name]
    assert hashlib.sha256(table().astype("<i4").tobytes()).hexdigest()[:16] == expected


def test_tables_are_those_of_the_specification():
    assert exp2_table().tolist() == spec.E
    assert scale_table().tolist() == spec.S
    assert scale_table("laplace").tolist() == spec.LAPLACE_S
    assert normal_table().tolist() == spec.normal()
    assert laplace_table().tolist() == spec.laplace()
    assert log2_table().tolist() == [spec.log2(n) for n in range(4096)]


@pytest.mark.parametrize(
    ("density", "scale"),
    [(density, scale) for density in FINER for scale in range(SCALES + FINER[density])],
)
def test_counts_can_be_coded(density, scale):
    counts = tables_of(scale, density)
    assert counts.shape == (16, 2 * reach(scale, density) + 3)
    assert counts.min() >= 1
    assert (counts.sum(1) == 2**24).all()


def test_counts_of_distant_mixtures_can_be_coded():
    """Components that lie outside the table leave their mass to its largest entry."""
    far = np.array([[-(2**20), 2**20, 0]])
    counts = mixture_counts(
        np.array([-1024]), 2048, far, np.array([[82, 0, 40]]), np.array([[1, 65534, 1]])
    )
    assert counts.min() >= 1 and counts.sum() == 2**24


def test_distribution_rises_and_is_symmetric():
    edges = np.arange(-20000, 20001)
    for scale in scale_table()[[0, 26, 82]]:
        values = distribution(edges, scale)
        assert (np.diff(values) >= 0).all()
        assert (values + values[::-1] == 2**32).all()


def test_products_with_powers_of_two_saturate_and_never_overflow():
    x = np.array([2**36 - 1, -(2**36) + 1])
    for exponent in (-(2**31), -1, 0, 255, 2**31):
        for shift in (-10, 6):
            exact = [spec.gained(value, exponent, shift) for value in x.tolist()]
            assert times_exp2(x, np.int64(exponent), shift).tolist() == exact


def test_mixture_weights_add_up():
    logits = np.random.default_rng(0).integers(-(2**17), 2**17, (3, 1000))
    weights = softmax_weights(logits, 16)
    assert weights.min() >= 0
    assert (weights.sum(0) == 2**16).all()
    assert (weights.argmax(0) == logits.argmax(0)).all()

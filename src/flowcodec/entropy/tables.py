"""Integer tables of the discretised Gaussian and Laplace: counts of symbols that sum to 2^24.

A symbol is the distance k of a latent from the integer part of its mean. A table belongs to a
scale (83 standard deviations, an eighth of an octave apart) and to the fraction of the mean
(sixteenths). Its entries are the symbols -R .. R+1 and, last, the escape.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]
Density = Literal["gaussian", "laplace"]

PRECISION = 24
SCALES = 83
SCALE_OFFSET = 3328  # 3.25 octaves in units of 2^-10: scale i is 2^(-3.25 + i/8)
FINER = {"gaussian": 0, "laplace": 12}  # so many scales stand before the first of those
MEAN_BITS = 4
ESCAPE_COUNT = 256
MASS_BITS = 32
STEP_BITS = 7  # distribution functions are tabulated at steps of 2^-7 ...
FINE_BITS = 8  # ... and interpolated linearly at steps of 2^-15
LARGEST = 8  # standard deviations
NEARBY = 15  # distances of which an encoder compares the costs
WIDE_BITS = 192  # of the integers that the tables are computed with
REACH = {"gaussian": 11, "laplace": 15}  # half standard deviations that a table covers


@lru_cache(maxsize=1)
def normal_table() -> Ints:
    """round(2^32 * Phi(j / 128)) for j = 0 .. 1024, from the series of the error function.

    Phi(t) = 1/2 + t/sqrt(2 pi) * sum_n (-t^2/2)^n / (n! (2n+1)), in integers of 2^-192; pi from
    Machin's formula.
    """
    bits, one = WIDE_BITS, 1 << WIDE_BITS

    def arctan_inverse(x: int) -> int:
        power, total, n, sign = one // x, 0, 1, 1
        while power:
            total += sign * (power // n)
            power //= x * x
            n, sign = n + 2, -sign
        return total

    pi = 4 * (4 * arctan_inverse(5) - arctan_inverse(239))
    root = isqrt(2 * pi << bits)  # sqrt(2 pi)
    table = []
    for j in range((LARGEST << STEP_BITS) + 1):
        half_square = (j * j << bits) >> (2 * STEP_BITS + 1)
        term, total, n = one, 0, 0
        while term:
            total += term // (2 * n + 1) if n % 2 == 0 else -(term // (2 * n + 1))
            n += 1
            term = (term * half_square >> bits) // n
        value = (j * total >> STEP_BITS) * one // root
        rounding = 1 << (bits - MASS_BITS - 1)
        table.append((one // 2 + value + rounding) >> (bits - MASS_BITS))
    return np.array(table, dtype=np.int64)


@lru_cache(maxsize=1)
def laplace_table() -> Ints:
    """2^32 times the distribution function of the Laplace density of deviation 1, at j / 128.

    1 - exp(-sqrt(2) j / 128) / 2, rounded, in integers of 2^-192: the powers of exp(-sqrt(2) / 128)
    from its series.
    """
    one = 1 << WIDE_BITS
    exponent = isqrt(2 << 2 * WIDE_BITS) >> STEP_BITS
    term, factor, n = one, 0, 0
    while term:
        factor += term if n % 2 == 0 else -term
        n += 1
        term = (term * exponent >> WIDE_BITS) // n
    power, table = one, []
    for _ in range((LARGEST << STEP_BITS) + 1):
        table.append(
            (one - power // 2 + (1 << (WIDE_BITS - MASS_BITS - 1))) >> WIDE_BITS - MASS_BITS
        )
        power = power * factor >> WIDE_BITS
    return np.array(table, dtype=np.int64)


TABLES = {"gaussian": normal_table, "laplace": laplace_table}


@lru_cache(maxsize=2)
def scale_table(density: Density = "gaussian") -> Ints:
    """floor(2^(-3.25 + i/8) * 2^16) for the 83 scales; for Laplace from i = -12 on, 95 scales.

    Most latents of a P-frame are zero, which no Gaussian says as cheaply.
    """
    scales = []
    for i in range(-FINER[density], SCALES):
        root = 1 << (i - 26 + 8 * 16)
        for _ in range(3):
            root = isqrt(root)
        scales.append(root)
    return np.array(scales, dtype=np.int64)


def reach(scale: int, density: Density = "gaussian") -> int:
    """R of a scale: some standard deviations (5.5 of a Gaussian, 7.5 of a Laplace) and one."""
    return int(scale_table(density)[scale] * REACH[density] >> 17) + 2


def distribution(boundary: Ints, scale: Ints, density: Density = "gaussian") -> Ints:
    """The distribution function at boundary / scale, times 2^32.

    boundary in sixteenths, scale in units of 2^-16.
    """
    fine = (np.abs(boundary) << (STEP_BITS + FINE_BITS + 16 - MEAN_BITS)) // scale
    fine = np.minimum(fine, (LARGEST << (STEP_BITS + FINE_BITS)) - 1)
    index, part = fine >> FINE_BITS, fine & ((1 << FINE_BITS) - 1)
    table = TABLES[density]()
    value = table[index] + ((table[index + 1] - table[index]) * part >> FINE_BITS)
    return np.asarray(np.where(boundary < 0, (1 << MASS_BITS) - value, value))


def to_counts(mass: Ints) -> Ints:
    """Masses (n, K) in units of 2^-32 -> counts (n, K + 1), the escape last, rows sum to 2^24.

    Every count is at least 1; what flooring left over goes to the largest.
    """
    size = mass.shape[1]
    free = (1 << PRECISION) - size - ESCAPE_COUNT
    counts = 1 + (mass * free >> MASS_BITS)
    rest = (1 << PRECISION) - ESCAPE_COUNT - counts.sum(1)
    counts[np.arange(len(counts)), counts.argmax(1)] += rest
    return np.concatenate([counts, np.full((len(counts), 1), ESCAPE_COUNT)], 1)


@lru_cache(maxsize=2 * SCALES)
def tables_of(scale: int, density: Density = "gaussian") -> Ints:
    """Counts (16, 2R + 3) for the sixteen fractions of the mean at one scale."""
    r = reach(scale, density)
    edges = 16 * np.arange(-r, r + 3)[None, :] - 8 - np.arange(16)[:, None]
    cumulative = distribution(edges, scale_table(density)[scale], density)
    return to_counts(np.diff(cumulative, axis=1))


@lru_cache(maxsize=2)
def nearby_bits(density: Density = "gaussian") -> NDArray[np.float64]:
    """About what symbols cost, in bits, for choices of an encoder alone.

    (scales * 16, 2 * NEARBY + 2): every table at the distances -NEARBY .. NEARBY + 1 from the
    integer part of the mean.
    """
    edges = 16 * np.arange(-NEARBY, NEARBY + 3)[None, :] - 8 - np.arange(16)[:, None]
    mass = np.diff(distribution(edges, scale_table(density)[:, None, None], density), axis=-1)
    bits: NDArray[np.float64] = MASS_BITS - np.log2(np.maximum(mass, 1 << (MASS_BITS - PRECISION)))
    return bits.reshape(len(bits) << MEAN_BITS, -1)


def mixture_counts(low: Ints, size: int, means: Ints, scales: Ints, weights: Ints) -> Ints:
    """Counts (n, size + 1) of integers low .. low + size - 1 under mixtures of Gaussians.

    low (n,); means (n, G) in sixteenths, scales (n, G) as indices, weights (n, G) summing to
    2^16.
    """
    edges = 16 * (low[:, None] + np.arange(size + 1)[None, :]) - 8
    sigma = scale_table()[scales]
    mass = np.zeros((len(low), size), np.int64)
    for g in range(means.shape[1]):
        cumulative = distribution(edges - means[:, g, None], sigma[:, g, None])
        mass += np.diff(cumulative, axis=1) * weights[:, g, None] >> 16
    return to_counts(mass)

"""Bjøntegaard delta rate on a fixed range of quality.

The range is fixed so that figures of different codecs can be ranked: the usual overlapping range
changes with the pair that is compared.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import UsageError

PSNR_RANGE = (30.5, 36.5)  # dB
PSNR_YUV_RANGE = (33.0, 39.0)  # dB of planes in 4:2:0, 6:1:1
MS_SSIM_RANGE = (12.0, 19.5)  # dB of the linear mean
SSIMULACRA2_RANGE = (30.0, 80.0)  # from low to very high, as its authors call them

Results = Mapping[str, Sequence[float | None]]

Rates = dict[str, dict[str, Any]]
"""BD-rates by measure: {"psnr": {"mean": -12.3}, "ms-ssim": {"mean": None, "reason": "..."}}."""


@dataclass(frozen=True)
class Measure:
    """A quality that rate is compared at: its key in the results, and the range in its unit."""

    key: str
    title: str
    low: float
    high: float
    unit: str = " dB"


MEASURES = {
    "psnr": Measure("psnr-rgb", "PSNR", *PSNR_RANGE),
    "ms-ssim": Measure("ms-ssim-db-rgb", "MS-SSIM", *MS_SSIM_RANGE),
    "psnr-yuv": Measure("psnr-yuv", "PSNR 4:2:0", *PSNR_YUV_RANGE),
    "ssimulacra2": Measure("ssimulacra2", "SSIMULACRA2", *SSIMULACRA2_RANGE, unit=""),
}


ASKED_FOR = ("psnr-yuv", "ssimulacra2")
"""Measures that only some runs have."""


def bd_rate(
    rate: Sequence[float],
    quality: Sequence[float],
    peer_rate: Sequence[float],
    peer_quality: Sequence[float],
    low: float,
    high: float,
) -> float:
    """Mean difference of rate at equal quality, in percent of the peer's; negative is better.

    Log rate over quality is interpolated by Akima's method through the points of each curve,
    in any order, and integrated from `low` to `high`. Rates are in any one unit, above 0.

    Raises UsageError when a curve does not span the range, or cannot be interpolated.
    """
    ours = _mean_log_rate(rate, quality, low, high, "the curve")
    peer = _mean_log_rate(peer_rate, peer_quality, low, high, "the peer's curve")
    return 100 * math.expm1(ours - peer)


def bd_rate_between(results: Results, peer: Results, measure: str) -> float:
    """BD-rate in percent of two curves in the JSON form of `evaluation.results`.

    `measure` is a key of MEASURES, which sets the range. Points without a value are left out.
    """
    what = MEASURES[measure]
    curves = (*known_points(results, what.key), *known_points(peer, what.key))
    return bd_rate(*curves, what.low, what.high)


def measures_of(results: Results) -> dict[str, Measure]:
    """The measures that a curve has."""
    return {name: what for name, what in MEASURES.items() if what.key in results}


def compare(results: Results, peer: Results) -> Rates:
    """BD-rates of a curve against a peer's by its measures, as they are written into JSON."""
    rates: Rates = {}
    for measure, what in measures_of(results).items():
        if measure in ASKED_FOR and what.key not in peer:
            continue
        try:
            rates[measure] = {"mean": round(bd_rate_between(results, peer, measure), 2)}
        except UsageError as error:
            rates[measure] = {"mean": None, "reason": str(error)}
    return rates


def known_points(results: Results, key: str) -> tuple[list[float], list[float]]:
    """Rates and qualities (`key`) of the points of a curve that have both."""
    pairs = zip(results["bpp"], results.get(key, ()), strict=False)
    known = [(rate, quality) for rate, quality in pairs if rate is not None and quality is not None]
    return [rate for rate, _ in known], [quality for _, quality in known]


def _mean_log_rate(
    rate: Sequence[float], quality: Sequence[float], low: float, high: float, whose: str
) -> float:
    try:
        from scipy.interpolate import Akima1DInterpolator
    except ModuleNotFoundError:
        raise UsageError("a BD-rate needs scipy: pip install 'flowcodec[bench]'") from None
    if not low < high:
        raise UsageError(f"the range of a BD-rate must rise, got {low:g} to {high:g}")
    if len(rate) != len(quality) or len(rate) < 2:
        raise UsageError(
            f"{whose} needs two or more points of rate and quality, "
            f"got {len(rate)} and {len(quality)}"
        )
    x: NDArray[np.float64] = np.asarray(quality, dtype=np.float64)
    y: NDArray[np.float64] = np.asarray(rate, dtype=np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (y > 0).all()):
        raise UsageError(f"{whose} needs finite qualities and finite rates above 0")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    if x[0] > low or x[-1] < high:
        raise UsageError(
            f"{whose} spans {x[0]:.2f} to {x[-1]:.2f}, the BD-rate needs "
            f"{low:g} to {high:g}: code at lower and higher qualities"
        )
    if (np.diff(x) <= 0).any():
        raise UsageError(f"{whose} has two points of equal quality: leave one out")
    area = Akima1DInterpolator(x, np.log(y)).integrate(low, high)
    return float(area) / (high - low)

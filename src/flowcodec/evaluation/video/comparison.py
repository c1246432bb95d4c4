"""Our video codec against others over the same sequences: curves, and BD-rates of each sequence.

A BD-rate is taken over the range of quality that both curves of a sequence span: sequences differ
too much for one range. The mean is over sequences.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowcodec.errors import UsageError
from flowcodec.evaluation.bd_rate import bd_rate
from flowcodec.evaluation.metrics import ms_ssim_db
from flowcodec.evaluation.video.run import Curves, Point

LEAST_OVERLAP = 1.0  # dB


@dataclass(frozen=True)
class VideoComparison:
    """Curves of our codec and of peers, each by sequence, and how they were made.

    apart: names of sequences, or parts of names, that are averaged on their own as well.
    """

    name: str
    ours: Curves
    peers: Mapping[str, Curves]
    descriptions: Mapping[str, str]
    gop: int
    frames: int
    apart: Sequence[str] = ()

    @property
    def rates(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """BD-rates in percent by peer, measure ("psnr", "ms-ssim") and sequence, and "mean"."""
        return {
            name: {measure: self.rates_of(curves, measure) for measure in ("psnr", "ms-ssim")}
            for name, curves in self.peers.items()
        }

    def rates_of(self, peer: Curves, measure: str) -> dict[str, float | None]:
        """BD-rates against one peer; None where curves do not overlap."""
        each = each_rate(self.ours, peer, measure)
        found = {"mean": mean(list(each.values()))}
        if self.apart:
            chosen = {n: any(part in n for part in self.apart) for n in each}
            found["mean apart"] = mean([each[name] for name in each if chosen[name]])
            found["mean of the others"] = mean([each[name] for name in each if not chosen[name]])
        return {**found, **each}

    def as_json(self) -> dict[str, Any]:
        """Everything as it is written."""
        curves = {self.name: self.ours, **self.peers}
        return {
            "name": f"{self.name} against {', '.join(self.peers)}",
            "gop": self.gop,
            "frames": self.frames,
            "descriptions": dict(self.descriptions),
            "bd_rate": self.rates,
            "curves": {
                name: {
                    sequence: [point.as_json() for point in points]
                    for sequence, points in found.items()
                }
                for name, found in curves.items()
            },
        }


def quality_of(point: Point, measure: str) -> float | None:
    """Decibels of a point; None where it has none."""
    if measure == "psnr":
        return point.psnr if math.isfinite(point.psnr) else None
    return None if point.ms_ssim is None else ms_ssim_db(point.ms_ssim)


def each_rate(ours: Curves, peer: Curves, measure: str) -> dict[str, float | None]:
    """`rate` of every sequence."""
    return {name: rate(points, peer[name], measure) for name, points in ours.items()}


def rate(ours: Sequence[Point], peer: Sequence[Point], measure: str) -> float | None:
    """BD-rate of one sequence over the range that both span; None where that is below a decibel.

    A point counts on neither curve if another one of it is as good for no more bits.
    """
    curves = []
    for points in (ours, peer):
        pairs = [(point.bpp, quality_of(point, measure)) for point in points]
        known = [(bpp, value) for bpp, value in pairs if value is not None]
        best = frontier(known)
        if len(best) < 2:
            return None
        curves.append(tuple(zip(*best, strict=True)))
    (rates, values), (peer_rates, peer_values) = curves
    low, high = max(min(values), min(peer_values)), min(max(values), max(peer_values))
    if high - low < LEAST_OVERLAP:
        return None
    try:
        return round(bd_rate(rates, values, peer_rates, peer_values, low, high), 2)
    except UsageError:
        return None


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points (rate, quality) that are better than all that cost no more, by rising rate."""
    found: list[tuple[float, float]] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or quality > found[-1][1]:
            found.append((rate, quality))
    return found


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None where something is missing."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 2) if values and len(known) == len(values) else None

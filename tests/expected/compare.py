"""How figures of weights differ from stored ones, and which differences are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.curves import Curve, decibels

LIMIT = 0.01  # of bytes, at a quality and at equal PSNR or MS-SSIM; of an end-point error
LIMIT_DB = 0.05  # as much, in PSNR or MS-SSIM


def changes(found: dict[str, Any], stored: dict[str, Any], name: str) -> Iterator[str]:
    """A line for each figure of weights called `name` that was lost or gained."""
    metric = name.rpartition(", ")[2]
    for what in [what for what in found if what != "weights" and what in stored]:
        if "epe" in found[what]:
            told = _change_of_flow(found[what]["epe"], stored[what]["epe"])
            lines = [told] if told else []
        else:
            lines = list(_changes_of_curve(found[what], stored[what], metric))
        yield from (f"{name}, {what} {line}" for line in lines)


def _change_of_flow(found: float, stored: float) -> str | None:
    change = found / stored - 1
    verdict = _verdict(change)
    return verdict and f"has an error of {found:.4f} px for {stored:.4f}, {change:+.1%}: {verdict}"


def _changes_of_curve(found: Curve, stored: Curve, metric: str) -> Iterator[str]:
    """By quality: bytes and decibels alone, and bytes at equal quality by the slope of the stored
    curve there."""
    kinds = {"PSNR": "mse", "MS-SSIM": "ms-ssim"}
    more = {kind: np.subtract(decibels(found, m), decibels(stored, m)) for kind, m in kinds.items()}
    judge = "MS-SSIM" if metric == "ms-ssim" else "PSNR"
    rates = np.log(stored["bytes"])
    slope = np.gradient(rates, decibels(stored, metric))
    grown = np.log(found["bytes"]) - rates
    equal = np.expm1(grown - slope * more[judge])
    for at, quality in enumerate(stored["qualities"]):
        bytes_more = float(np.expm1(grown[at]))
        shares = [bytes_more, float(equal[at])]
        shares += [-float(gain[at]) * LIMIT / LIMIT_DB for gain in more.values()]
        verdicts = [verdict for share in shares if (verdict := _verdict(share))]
        if verdicts:
            gains = ", ".join(f"{gain[at]:+.3f} dB {kind}" for kind, gain in more.items())
            yield (
                f"at quality {quality:g}: {bytes_more:+.1%} bytes, {gains},"
                f" {equal[at]:+.1%} bytes at equal {judge}: {' and '.join(sorted(set(verdicts)))}"
            )


def _verdict(change: float) -> str | None:
    """Of what is better when it is less, as a share."""
    if abs(change) <= LIMIT:
        return None
    return "lost" if change > 0 else "gained"

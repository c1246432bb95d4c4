"""Rate-distortion curves of networks in training, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np

from flowcodec.errors import UsageError
from flowcodec.evaluation.bd_rate import bd_rate
from flowcodec.training.image_cnn.training import ImageTraining

SIDE = 256  # of the square from the middle of a held-out picture that is judged


class Curve(TypedDict):
    """Where a training stands: estimated bpp and PSNR at the eight qualities."""

    step: int
    bpp: list[float]
    psnr: list[float]


def curve_of(training: ImageTraining, held_out: list[np.ndarray]) -> Curve:
    """The curve of the averaged network on pictures (H, W, 3)."""
    result = training.evaluate(held_out)
    return {
        "step": training.step,
        "bpp": [round(value, 4) for value in result["bpp"]],
        "psnr": [round(value, 3) for value in result["psnr"]],
    }


def middle(picture: np.ndarray) -> np.ndarray:
    """The square of SIDE pixels from a picture's middle."""
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE]


def common(curves: Sequence[Curve], key: Literal["bpp", "psnr"]) -> tuple[float, float]:
    """The range that every curve reaches; UsageError where there is none."""
    low, high = max(min(c[key]) for c in curves), min(max(c[key]) for c in curves)
    if low >= high:
        raise UsageError(f"no {key} is reached by all curves")
    return low, high


def psnr_gain(ours: Curve, theirs: Curve, low: float, high: float) -> float:
    """Mean difference of PSNR at equal rate, in dB, over the log rates from `low` to `high` bpp."""
    at = np.linspace(np.log(low), np.log(high), 100)
    mine, other = (np.interp(at, np.log(one["bpp"]), one["psnr"]) for one in (ours, theirs))
    return round(float(np.mean(mine - other)), 3)


def rate_change(ours: Curve, theirs: Curve, low: float, high: float) -> float:
    """BD-rate from `low` to `high` dB in percent; UsageError as `bd_rate`."""
    rate = bd_rate(ours["bpp"], ours["psnr"], theirs["bpp"], theirs["psnr"], low, high)
    return round(rate, 2)


def gain(ours: Curve, theirs: Curve) -> dict[str, Any]:
    """What one is worth over another: PSNR at equal rate and BD-rate, both over the common range;
    None with a reason where there is none."""
    found: dict[str, Any] = {"psnr_gain_db": None, "bd_rate_percent": None}
    try:
        found["psnr_gain_db"] = psnr_gain(ours, theirs, *common([ours, theirs], "bpp"))
        found["low_db"], found["high_db"] = common([ours, theirs], "psnr")
        found["bd_rate_percent"] = rate_change(ours, theirs, found["low_db"], found["high_db"])
    except UsageError as error:
        found["reason"] = str(error)
    return found


def in_words(found: Mapping[str, Any]) -> tuple[str, str]:
    """PSNR and BD-rate of a `gain`, to read."""
    decibels, percent = (
        f"none: {found['reason']}" if found[key] is None else f"{found[key]:+.{digits}f} {unit}"
        for key, digits, unit in (("psnr_gain_db", 2, "dB"), ("bd_rate_percent", 1, "%"))
    )
    return decibels, percent

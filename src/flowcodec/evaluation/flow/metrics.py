"""How far an estimated flow is from the true one: of a pair of pictures, and over a data set.

Flow maps pixels of frame 1 to frame 2: float32 (H, W, 2), channel 0 is x to the right, channel 1
is y down, in pixels. The end-point error (EPE) of a pixel is the length of the difference of its
two vectors, in pixels.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import UsageError

SPEEDS = {"s0-10": (0.0, 10.0), "s10-40": (10.0, 40.0), "s40+": (40.0, math.inf)}
"""The bands of MPI-Sintel, by length of the true flow: low <= length < high, in pixels."""

LIMITS = (1, 3, 5)  # pixels
FL_PIXELS, FL_SHARE = 3, 0.05  # KITTI's outlier exceeds both

Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """Some of the pixels: how many, and their mean end-point error (None without pixels)."""

    pixels: int
    epe: float | None

    @property
    def total(self) -> float:
        """The sum of the errors."""
        return 0.0 if self.epe is None else self.pixels * self.epe


@dataclass(frozen=True)
class FlowErrors:
    """Errors of one pair, or of a data set (`errors_over`), over pixels whose true flow is known.

    speeds: by the bands of SPEEDS. matched, unmatched: pixels of frame 1 that frame 2 shows, and
    the others; None where no occlusion mask is known. over: percent of pixels with an error above
    1, 3 and 5 pixels. fl_all: percent with an error above 3 pixels and above 5 % of the true
    length.
    """

    known: Part
    speeds: dict[str, Part]
    matched: Part | None
    unmatched: Part | None
    over: dict[int, float]
    fl_all: float

    @property
    def parts(self) -> dict[str, Part | None]:
        """Every part by its name: "known", the speeds, "matched" and "unmatched"."""
        both = {"matched": self.matched, "unmatched": self.unmatched}
        return {"known": self.known, **self.speeds, **both}

    def as_json(self) -> dict[str, Any]:
        """Pixels counted, EPE and rates as they are written; null where a part has no pixels."""
        parts = {name: part for name, part in self.parts.items() if part is not None}
        return {
            "pixels": {name: part.pixels for name, part in parts.items()},
            "epe": {
                name: None if part.epe is None else round(part.epe, 4)
                for name, part in parts.items()
            },
            "percent": {
                **{f"over {limit} px": round(rate, 3) for limit, rate in self.over.items()},
                "fl-all": round(self.fl_all, 3),
            },
        }


def flow_errors(
    estimate: Vectors, truth: Vectors, valid: Mask, occluded: Mask | None
) -> FlowErrors:
    """Compare an estimate with the truth, both (H, W, 2), where `valid` (H, W) is true.

    `occluded` (H, W) is true where frame 2 hides a pixel of frame 1. Those are unmatched, and so
    are pixels that the true flow moves out of the picture.

    Raises UsageError for shapes that differ, for a pair of which no flow is known, and for an
    estimate that is not finite.
    """
    height, width = valid.shape
    if not estimate.shape == truth.shape == (height, width, 2):
        raise UsageError(
            f"flows are compared in one shape (H, W, 2), got {estimate.shape}, {truth.shape} "
            f"and a mask of {valid.shape}"
        )
    if not valid.any():
        raise UsageError("no pixel of the pair has a known flow: there is nothing to measure")
    y, x = np.nonzero(valid)
    true, estimated = truth[valid].astype(np.float64), estimate[valid].astype(np.float64)
    errors = np.hypot(*(estimated - true).T)
    if not np.isfinite(errors).all():
        raise UsageError("the estimated flow has values that are not finite")
    lengths = np.hypot(*true.T)
    matched = unmatched = None
    if occluded is not None:
        to_x, to_y = x + true[:, 0], y + true[:, 1]
        outside = (to_x < 0) | (to_x > width - 1) | (to_y < 0) | (to_y > height - 1)
        hidden = occluded[valid] | outside
        matched, unmatched = _part(errors[~hidden]), _part(errors[hidden])
    return FlowErrors(
        known=_part(errors),
        speeds={
            name: _part(errors[(low <= lengths) & (lengths < high)])
            for name, (low, high) in SPEEDS.items()
        },
        matched=matched,
        unmatched=unmatched,
        over={limit: _percent(errors > limit) for limit in LIMITS},
        fl_all=_percent((errors > FL_PIXELS) & (errors > FL_SHARE * lengths)),
    )


def errors_over(pairs: Sequence[FlowErrors]) -> FlowErrors:
    """Errors of a data set of one or more pairs.

    EPE by speed is pooled: each pixel counts alike, as few pairs have pixels of all speeds.
    Everything else is the mean over pairs of what each pair has, so each pair counts alike.
    """
    return FlowErrors(
        known=_mean_part(pair.known for pair in pairs),
        speeds={name: _pooled([pair.speeds[name] for pair in pairs]) for name in SPEEDS},
        matched=_mean_of_known([pair.matched for pair in pairs]),
        unmatched=_mean_of_known([pair.unmatched for pair in pairs]),
        over={limit: _mean([pair.over[limit] for pair in pairs]) for limit in LIMITS},
        fl_all=_mean([pair.fl_all for pair in pairs]),
    )


def _part(errors: NDArray[np.float64]) -> Part:
    return Part(errors.size, float(errors.mean()) if errors.size else None)


def _percent(bad: Mask) -> float:
    return 100 * float(bad.mean())


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _pooled(parts: Sequence[Part]) -> Part:
    pixels = sum(part.pixels for part in parts)
    return Part(pixels, math.fsum(part.total for part in parts) / pixels if pixels else None)


def _mean_part(parts: Iterable[Part]) -> Part:
    counted = [(part.pixels, part.epe) for part in parts if part.epe is not None]
    pixels = sum(pixels for pixels, _ in counted)
    return Part(pixels, _mean([epe for _, epe in counted]) if counted else None)


def _mean_of_known(parts: Sequence[Part | None]) -> Part | None:
    known = [part for part in parts if part is not None]
    return _mean_part(known) if known else None

"""Rate and quality of whole files, and how they compare with what was stored before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

import flowcodec
from flowcodec.codecs.systems import SYSTEMS, Kind
from flowcodec.evaluation.bd_rate import bd_rate
from flowcodec.evaluation.metrics import Pixels, ms_ssim, ms_ssim_db, psnr
from flowcodec.evaluation.run import Codec, rgb_pixels
from flowcodec.evaluation.video.run import Codec as VideoCodec
from flowcodec.evaluation.video.run import measure
from flowcodec.evaluation.video.sequences import Sequence420
from flowcodec.media.picture import Picture

CARDS = Path(flowcodec.__file__).parent / "weights"
# Whose weights the files of a model are made with as well.
BESIDE = {"video-mofnet": ("image-cnn", "flow-deeppynet")}

Curve = TypedDict(
    "Curve",
    {"qualities": list[float], "bytes": list[int], "psnr": list[float], "ms-ssim": list[float]},
)
"""Whole files by quality: bytes, PSNR in dB, and MS-SSIM (linear). Of several pictures the sum of
bytes and the means."""


class Bundled(NamedTuple):
    """A set of bundled weights, and the hashes of all that its files depend on."""

    model: str
    metric: str
    weights: str

    @property
    def kind(self) -> Kind:
        """What it codes, or estimates."""
        return SYSTEMS[self.model].kind


def bundled() -> list[Bundled]:
    """All that the package brings along."""
    cards = [json.loads(path.read_text("utf-8")) for path in sorted(CARDS.glob("*.json"))]
    found = []
    for card in cards:
        beside = BESIDE.get(card["model"], ())
        metrics = card["metric"], "epe"
        others = (x for x in cards if x["model"] in beside and x["metric"] in metrics)
        hashes = " ".join(one["weights_hash"] for one in (card, *others))
        found.append(Bundled(card["model"], card["metric"], hashes))
    return found


@cache
def opened(model: str, metric: str) -> Any:
    """What codes with bundled weights, on one thread."""
    return flowcodec.load(model, metric=metric, threads=1)


def picture_curve(codec: Codec, pixels: Pixels, qualities: Sequence[float]) -> Curve:
    """Of a picture, uint8 (H, W, 3)."""
    sizes, pairs = [], []
    for quality in qualities:
        data = codec.encode(Picture(pixels), quality).data
        sizes.append(len(data))
        pairs.append((pixels, rgb_pixels(codec.decode(data))))
    return _curve(qualities, sizes, [psnr(*p) for p in pairs], [ms_ssim(*p) for p in pairs])


def video_curve(
    codec: VideoCodec, sequence: Sequence420, qualities: Sequence[float], gop: int
) -> Curve:
    """Of a sequence: quality is the mean over its frames."""
    points = [measure(codec, sequence, quality, gop) for quality in qualities]
    sizes = [point.bytes for point in points]
    return _curve(qualities, sizes, [p.psnr for p in points], [p.ms_ssim for p in points])


def _curve(
    qualities: Sequence[float],
    sizes: Sequence[int],
    psnrs: Sequence[float],
    similarities: Sequence[float | None],
) -> Curve:
    return {
        "qualities": list(qualities),
        "bytes": list(sizes),
        "psnr": [round(value, 4) for value in psnrs],
        "ms-ssim": [round(value, 6) for value in similarities if value is not None],
    }


def mean(curves: Sequence[Curve]) -> Curve:
    """Of several pictures at the same qualities."""
    return {
        "qualities": curves[0]["qualities"],
        "bytes": np.sum([curve["bytes"] for curve in curves], 0).tolist(),
        "psnr": np.mean([curve["psnr"] for curve in curves], 0).round(4).tolist(),
        "ms-ssim": np.mean([curve["ms-ssim"] for curve in curves], 0).round(6).tolist(),
    }


def decibels(curve: Curve, metric: str) -> list[float]:
    """The qualities that weights for a metric are judged by; those for 4:2:0 by PSNR of RGB too."""
    if metric == "ms-ssim":
        return [ms_ssim_db(value) for value in curve["ms-ssim"]]
    return curve["psnr"]


def rate_ratio(found: Curve, stored: Curve, metric: str) -> float:
    """Bytes at equal quality, as a ratio to those of the stored curve, over all that both reach."""
    ours, theirs = decibels(found, metric), decibels(stored, metric)
    low, high = max(min(ours), min(theirs)), min(max(ours), max(theirs))
    return 1 + bd_rate(found["bytes"], ours, stored["bytes"], theirs, low, high) / 100

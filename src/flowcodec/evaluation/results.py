"""The JSON form of every evaluation: one shape for our codecs, anchors and published curves.

    {"name": ..., "description": ...,
     "qualities": [1.0, 2.0],
     "results": {"bpp": [...], "psnr-rgb": [...], "ms-ssim-rgb": [...], "ms-ssim-db-rgb": [...],
                 "encoding_time": [...], "decoding_time": [...]},
     "per_image": {"kodim01.png": {the same six lists}}}

Each list has one entry a quality. bpp counts the whole file; times are seconds a picture.
`results` are means over the pictures, except that ms-ssim-db-rgb is dB of the mean ms-ssim-rgb.
An entry is null where there is no finite value: PSNR of equal pictures, MS-SSIM of pictures with
a side under 161 pixels (the mean is over the others).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from flowcodec.evaluation.metrics import Pixels, ms_ssim, ms_ssim_db, psnr
from flowcodec.media.files import atomic_write

Lists = dict[str, list[float | None]]

KEYS = ("bpp", "psnr-rgb", "ms-ssim-rgb", "ms-ssim-db-rgb", "encoding_time", "decoding_time")


class Evaluation(TypedDict):
    """One codec over some pictures and qualities: the JSON form above."""

    name: str
    description: str
    qualities: list[float]
    results: Lists
    per_image: dict[str, Lists]


@dataclass(frozen=True)
class Measurement:
    """One picture at one quality: bits a pixel, linear quality, and seconds."""

    bpp: float
    psnr: float
    ms_ssim: float | None
    encoding_time: float
    decoding_time: float


def measure(
    original: Pixels,
    decoded: Pixels,
    file_bytes: int,
    encoding_time: float,
    decoding_time: float,
) -> Measurement:
    """Compare a decoded picture with the original, both uint8 (H, W, 3)."""
    height, width = original.shape[:2]
    return Measurement(
        bpp=file_bytes * 8 / (height * width),
        psnr=psnr(original, decoded),
        ms_ssim=ms_ssim(original, decoded),
        encoding_time=encoding_time,
        decoding_time=decoding_time,
    )


def collect(
    name: str,
    description: str,
    qualities: Sequence[float],
    measurements: Mapping[str, Sequence[Measurement]],
) -> Evaluation:
    """Put measurements (file name -> one a quality) into the JSON form, with their means."""
    columns = [[row[i] for row in measurements.values()] for i in range(len(qualities))]
    return {
        "name": name,
        "description": description,
        "qualities": [float(quality) for quality in qualities],
        "results": _lists(columns),
        "per_image": {
            file_name: _lists([[one] for one in row]) for file_name, row in measurements.items()
        },
    }


def _lists(columns: Sequence[Sequence[Measurement]]) -> Lists:
    """The six lists, an entry for each column of measurements (a picture's own, or all)."""
    lists: Lists = {key: [] for key in KEYS}
    for column in columns:
        similarity = _mean([one.ms_ssim for one in column if one.ms_ssim is not None])
        lists["bpp"].append(_mean([one.bpp for one in column]))
        lists["psnr-rgb"].append(_mean([one.psnr for one in column]))
        lists["ms-ssim-rgb"].append(similarity)
        lists["ms-ssim-db-rgb"].append(
            None if similarity is None else _finite(ms_ssim_db(similarity))
        )
        lists["encoding_time"].append(_mean([one.encoding_time for one in column]))
        lists["decoding_time"].append(_mean([one.decoding_time for one in column]))
    return lists


def _mean(values: Sequence[float]) -> float | None:
    return _finite(math.fsum(values) / len(values)) if values else None


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as JSON, a list of numbers a line; the file appears whole or not at all."""
    with atomic_write(path) as file:
        file.write(_layout(value).encode() + b"\n")


def _layout(value: Any, depth: int = 0) -> str:
    """JSON with dictionaries spread over lines and lists of numbers kept on one."""
    pad = " " * (depth + 1)
    if isinstance(value, Mapping) and value:
        items = (f"{pad}{json.dumps(k)}: {_layout(v, depth + 1)}" for k, v in value.items())
        return "{\n" + ",\n".join(items) + "\n" + pad[:-1] + "}"
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        items = (pad + _layout(item, depth + 1) for item in value)
        return "[\n" + ",\n".join(items) + "\n" + pad[:-1] + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

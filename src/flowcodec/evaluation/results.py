"""The JSON form of every evaluation: one shape for our codecs, peers and published curves.

    {"name": ..., "description": ...,
     "qualities": [1.0, 2.0],
     "results": {"bpp": [...], "psnr-rgb": [...], "ms-ssim-rgb": [...], "ms-ssim-db-rgb": [...],
                 "encoding_time": [...], "decoding_time": [...]},
     "per_image": {"kodim01.png": {the same lists}}}

Where SSIMULACRA2 was measured, "ssimulacra2" is one more list, and "psnr-yuv" where 4:2:0 was.

Each list has one entry a quality. bpp counts the whole file; times are seconds a picture.
`results` are means over the pictures, except that ms-ssim-db-rgb is dB of the mean ms-ssim-rgb.
An entry is null where there is no finite value: PSNR of pictures that came back exact, MS-SSIM of
pictures with a side under 161 pixels, SSIMULACRA2 of those under 8. The mean is over the others;
that of PSNR over those that are exact at no quality, if there are any.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from flowcodec.evaluation.metrics import (
    Pixels,
    Plane,
    ms_ssim,
    ms_ssim_db,
    psnr,
    psnr_yuv,
    ssimulacra2_score,
)
from flowcodec.media.files import atomic_write

Lists = dict[str, list[float | None]]

KEYS = ("bpp", "psnr-rgb", "ms-ssim-rgb", "ms-ssim-db-rgb", "encoding_time", "decoding_time")
SSIMULACRA2 = "ssimulacra2"
PSNR_YUV = "psnr-yuv"
PSNRS = ("psnr-rgb", PSNR_YUV)


class Evaluation(TypedDict):
    """One codec over some pictures and qualities: the JSON form above."""

    name: str
    description: str
    qualities: list[float]
    results: Lists
    per_image: dict[str, Lists]


@dataclass(frozen=True)
class Measurement:
    """One picture at one quality: bits a pixel, linear quality, score and seconds."""

    bpp: float
    psnr: float
    ms_ssim: float | None
    ssimulacra2: float | None
    encoding_time: float
    decoding_time: float
    psnr_yuv: float | None = None


def measure(
    original: Pixels,
    decoded: Pixels,
    file_bytes: int,
    encoding_time: float,
    decoding_time: float,
    *,
    ssimulacra2: bool,
    planes: Sequence[Plane] | None,
) -> Measurement:
    """Compare a decoded picture with the original, both uint8 (H, W, 3), and its planes in 4:2:0
    where these are measured."""
    height, width = original.shape[:2]
    return Measurement(
        bpp=file_bytes * 8 / (height * width),
        psnr=psnr(original, decoded),
        ms_ssim=ms_ssim(original, decoded),
        ssimulacra2=ssimulacra2_score(original, decoded) if ssimulacra2 else None,
        encoding_time=encoding_time,
        decoding_time=decoding_time,
        psnr_yuv=None if planes is None else psnr_yuv(original, planes),
    )


def collect(
    name: str,
    description: str,
    qualities: Sequence[float],
    measurements: Mapping[str, Sequence[Measurement]],
) -> Evaluation:
    """Put measurements (file name -> one a quality) into the JSON form, with their means."""
    every = [one for row in measurements.values() for one in row]
    more = {
        SSIMULACRA2: any(one.ssimulacra2 is not None for one in every),
        PSNR_YUV: any(one.psnr_yuv is not None for one in every),
    }
    keys = (*KEYS, *(key for key, known in more.items() if known))
    columns = [[row[i] for row in measurements.values()] for i in range(len(qualities))]
    evaluation: Evaluation = {
        "name": name,
        "description": description,
        "qualities": [float(quality) for quality in qualities],
        "results": _lists(columns, keys),
        "per_image": {
            file_name: _lists([[one] for one in row], keys)
            for file_name, row in measurements.items()
        },
    }
    exact = exact_pictures(evaluation)
    if exact and len(exact) < len(measurements):
        # The same pictures at every quality, so that the curve rises.
        rest = results_without(evaluation, exact)
        evaluation["results"] |= {key: rest[key] for key in rest if key in PSNRS}
    return evaluation


def _lists(columns: Sequence[Sequence[Measurement]], keys: Sequence[str]) -> Lists:
    """The lists of `keys`, an entry for each column of measurements (a picture's own, or all)."""
    means = [_means(column) for column in columns]
    return {key: [mean[key] for mean in means] for key in keys}


def _means(column: Sequence[Measurement]) -> dict[str, float | None]:
    """What a column of measurements comes to, for every key."""
    similarity = _mean([one.ms_ssim for one in column])
    return {
        "bpp": _mean([one.bpp for one in column]),
        "psnr-rgb": _mean([one.psnr for one in column]),
        "ms-ssim-rgb": similarity,
        "ms-ssim-db-rgb": None if similarity is None else finite(ms_ssim_db(similarity)),
        "encoding_time": _mean([one.encoding_time for one in column]),
        "decoding_time": _mean([one.decoding_time for one in column]),
        SSIMULACRA2: _mean([one.ssimulacra2 for one in column]),
        PSNR_YUV: _mean([one.psnr_yuv for one in column]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return finite(math.fsum(known) / len(known)) if known else None


def exact_pictures(evaluation: Evaluation) -> set[str]:
    """The pictures that came back exact at some quality, and have no PSNR there."""
    pictures = evaluation["per_image"].items()
    return {name for name, lists in pictures if any(None in lists.get(k, ()) for k in PSNRS)}


def results_without(evaluation: Evaluation, left_out: Collection[str]) -> Lists:
    """Rates and PSNR of a curve as means over the other pictures."""
    kept = [lists for name, lists in evaluation["per_image"].items() if name not in left_out]
    return {
        key: [_mean(values) for values in zip(*(lists[key] for lists in kept), strict=True)]
        for key in ("bpp", *PSNRS)
        if key in evaluation["results"]
    }


def finite(value: float, digits: int = 6) -> float | None:
    """A number as it is written into JSON, which knows neither infinity nor NaN."""
    return round(value, digits) if math.isfinite(value) else None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as JSON, a list of numbers a line; the file appears whole or not at all."""
    with atomic_write(path) as file:
        file.write(_layout(value).encode(errors="backslashreplace") + b"\n")


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

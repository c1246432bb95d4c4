"""Compression against what was stored: `python -m benchmarks.compression [--store]`.

Bytes at equal quality of the bundled weights, as a ratio to the curves in expected.json beside this
file, a line each: over the Kodak pictures, and of three videos in groups of 12. Weights for MSE are
judged by PSNR, those for MS-SSIM by that. Ends with status 1 where more than 1 % is lost.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.curves import (
    Bundled,
    Curve,
    bundled,
    mean,
    opened,
    picture_curve,
    rate_ratio,
    video_curve,
)
from flowcodec.evaluation.results import write_json
from flowcodec.evaluation.run import rgb_pixels
from flowcodec.evaluation.video.sequences import read_sequence
from flowcodec.media.picture import read_picture

EXPECTED = Path(__file__).with_name("expected.json")
DATA = Path(__file__).parents[2] / "shared" / "data" / "eval"
QUALITIES = (1.5, 3.0, 4.5, 6.0, 7.5)
VIDEO_QUALITIES = (2.0, 3.5, 5.0, 6.5)
VIDEOS = ("BasketballPass_416x240_50", "carturn_416x240_30", "penalty_416x240_24")
FRAMES, GOP = 33, 12
LIMIT = 0.01
STORE = "python -m benchmarks.compression --store"


class Work(NamedTuple):
    """A picture or a video that one process codes with one set of weights; `name` is of the curve
    that it is part of."""

    name: str
    path: Path
    of: Bundled
    qualities: tuple[float, ...]


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DATA,
    help="A folder with the folders kodak and video. Default: ../shared/data/eval.",
)
@click.option("--jobs", default=os.cpu_count(), help="Processes, of one thread each.")
@click.option("--store", is_flag=True, help="What is found is what is expected from now on.")
def main(data: Path, jobs: int, store: bool) -> None:
    """Measure, compare, and store if told to."""
    work = works(data)
    if not work:
        print(f"compression: {data} has neither the Kodak pictures nor the videos to compare")
        return
    stored = json.loads(EXPECTED.read_text("utf-8")) if EXPECTED.exists() else {}
    lost = False
    for key, entry in measured(work, jobs):
        ratio, told = judged(entry, stored.get(key))
        print(f"{key}: {told}", flush=True)
        lost = lost or ratio > 1 + LIMIT
        if store:
            stored[key] = entry
            write_json(EXPECTED, stored)
    if lost and not store:
        sys.exit(1)


def works(data: Path) -> list[Work]:
    """All that is there to be coded, curve by curve; the Kodak pictures are all there, or none."""
    kodak = [data / "kodak" / f"kodim{number:02}.png" for number in range(1, 25)]
    if not all(path.exists() for path in kodak):
        kodak = []
    videos = [path for name in VIDEOS if (path := data / "video" / f"{name}.mkv").exists()]
    sources = {
        "picture": [("kodak", path, QUALITIES) for path in kodak],
        "inter": [(path.stem, path, VIDEO_QUALITIES) for path in videos],
        "flow": [],
    }
    return [
        Work(name, path, of, qualities)
        for of in bundled()
        for name, path, qualities in sources[of.kind]
    ]


def measured(work: list[Work], jobs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is stored of each curve, and the key to it."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        pairs = zip(work, pool.map(curve_of, work), strict=True)
        for (name, of), some in groupby(pairs, lambda pair: (pair[0].name, pair[0].of)):
            curve = mean([one for _, one in some])
            entry = {"metric": of.metric, "weights": of.weights, **curve}
            yield f"{name}, {of.model}, {of.metric}", entry


def curve_of(work: Work) -> Curve:
    """Code and decode at all qualities."""
    codec = opened(work.of.model, work.of.metric)
    if work.of.kind == "picture":
        return picture_curve(codec, rgb_pixels(read_picture(work.path)), work.qualities)
    return video_curve(codec, read_sequence(work.path, FRAMES), work.qualities, GOP)


def judged(found: dict[str, Any], stored: dict[str, Any] | None) -> tuple[float, str]:
    """The ratio of bytes at equal quality, 1 where nothing is stored, and a line about it."""
    if stored is None:
        return 1, f"nothing is stored: {STORE}"
    ratio = rate_ratio(found, stored, found["metric"])  # type: ignore[arg-type]
    told = f"{ratio:.4f} of the bytes at equal quality"
    if stored["weights"] != found["weights"]:
        told += f", by other weights ({stored['weights']} before)"
    if abs(ratio - 1) > LIMIT:
        told += ": lost" if ratio > 1 else f": gained; keep it with {STORE}"
    return ratio, told


if __name__ == "__main__":
    main()

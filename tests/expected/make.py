"""Stores what the bundled weights reach now: `python -m tests.expected.make`.

figures.json beside this script then holds, for each set of weights, its hash (and the hashes of
those that its files are made with as well), and what it makes of the same few inputs: bytes, PSNR
and MS-SSIM of squares of three photographs that scikit-image brings along, and of a rendered clip,
at a low, a middle and a high quality; the end-point error of motion in rendered pairs. What changed
by more than the tests allow is printed.
"""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curves import Bundled, bundled, opened, picture_curve, video_curve
from flowcodec.evaluation.demo import find_photographs
from flowcodec.evaluation.metrics import Pixels
from flowcodec.evaluation.results import write_json
from flowcodec.evaluation.run import rgb_pixels
from flowcodec.evaluation.video.sequences import Sequence420
from flowcodec.media.picture import read_picture
from flowcodec.media.video.format import usual_format
from tests.expected.compare import changes
from tests.expected.scene import Scene

FIGURES = Path(__file__).with_name("figures.json")
QUALITIES = (1.5, 4.0, 7.0)
SIDE = 256
FRAMES, HEIGHT, WIDTH = 5, 176, 192  # of the clip, one group
PAIRS, PAIR_HEIGHT, PAIR_WIDTH = 3, 192, 256


def key(weights: Bundled) -> str:
    """What figures are filed under."""
    return f"{weights.model}, {weights.metric}"


def measured(weights: Bundled) -> dict[str, Any]:
    """What is stored of a set of weights."""
    codec = opened(weights.model, weights.metric)
    made: dict[str, Any] = {"weights": weights.weights}
    if weights.kind == "picture":
        for name, pixels in photographs().items():
            made[name] = picture_curve(codec, square(pixels), QUALITIES)
    elif weights.kind == "inter":
        made["clip"] = video_curve(codec, clip(), QUALITIES, FRAMES)
    else:
        made["pairs"] = {"epe": round(end_point_error(codec), 4)}
    return made


@cache
def photographs() -> dict[str, Pixels]:
    """uint8 (H, W, 3), by name."""
    return {path.stem: rgb_pixels(read_picture(path)) for path in find_photographs()}


def square(pixels: Pixels) -> Pixels:
    """SIDE pixels from the middle."""
    top, left = ((length - SIDE) // 2 for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def clip() -> Sequence420:
    """A few frames, coded as RGB."""
    some = photographs()
    scene = Scene(some["coffee"], some["astronaut"], HEIGHT, WIDTH)
    frames = [scene.frame(number) for number in range(FRAMES)]
    return Sequence420("clip", usual_format(WIDTH, HEIGHT, Fraction(25)), frames, [], native=False)


def end_point_error(estimator: Any) -> float:
    """The mean over all pixels that the second frame of a pair shows."""
    some = photographs()
    scene = Scene(some["astronaut"], some["coffee"], PAIR_HEIGHT, PAIR_WIDTH)
    errors = []
    for number in range(0, 2 * PAIRS, 2):
        flow, seen = scene.motion(number)
        found = estimator.flow(scene.frame(number), scene.frame(number + 1))
        errors.append(np.linalg.norm(found - flow, axis=2)[seen])
    return float(np.concatenate(errors).mean())


def main() -> None:
    stored = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    made = {key(weights): measured(weights) for weights in bundled()}
    for name, figures in made.items():
        for line in changes(figures, stored.get(name, {}), name):
            print(line)
    write_json(FIGURES, made)


if __name__ == "__main__":
    main()

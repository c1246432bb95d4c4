"""Steps at the borders of blocks against those inside, where pictures are smooth.

    python -m experiments.borders --data PICTURES --weights NEW.safetensors

Skies and dark gradients are where blocks are seen, once stretched: here a rendered one of each, and
the smooth parts of the pictures that trainings hold out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.ndimage import uniform_filter

import flowcodec
from experiments.held_out import comparing, held_out_of
from flowcodec.codecs.picture import PictureCodec
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import Pixels
from flowcodec.nn.patches import BLOCK, PATCH

QUALITIES = (2.0, 3.0, 4.0)
SIDE = 512  # of what is rendered
GRAIN = 0.7  # of that, in 255ths
AROUND, SMOOTH = 9, 3.0  # smooth: a window so wide has a standard deviation of at most this
Bools = NDArray[np.bool_]


@click.command()
@comparing
def main(data: Path, weights: Path, against: Path) -> None:
    """Print the steps at borders, in those inside, for both weights."""
    scenes = {
        "sky": [sky()],
        "dark": [dark()],
        "held out": held_out_of(data),
    }
    codecs = [flowcodec.load(weights=path) for path in (weights, against)]
    table = Table(
        "scene",
        "quality",
        *(f"{at} {c.weights.hash[:4].hex()}" for at in ("16", "8") for c in codecs),
    )
    for name, pictures in scenes.items():
        for quality in QUALITIES:
            ratios = [border_steps(codec, pictures, quality) for codec in codecs]
            cells = [f"{ratio[at]:.3f}" for at in (0, 1) for ratio in ratios]
            table.add_row(name, f"{quality:g}", *cells)
    Console().print(table)


def border_steps(
    codec: PictureCodec, pictures: list[Pixels], quality: float
) -> tuple[float, float]:
    """Mean step between neighbours in smooth parts of decoded pictures (H, W, 3), at borders of
    patches of 16, and at those of blocks of 8 inside them, over that of all other neighbours."""
    sums, counts = np.zeros(3), np.zeros(3)
    for picture in pictures:
        shown = codec.encode(picture, quality, kinds=["learned"]).reconstruction
        for decoded, original in ((shown, picture), (shown.swapaxes(0, 1), picture.swapaxes(0, 1))):
            found = steps(decoded.mean(2), original.mean(2))
            sums += found[0]
            counts += found[1]
    means = sums / counts
    return float(means[0] / means[2]), float(means[1] / means[2])


def steps(
    decoded: NDArray[np.floating], original: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Sums and counts of steps along rows (H, W), where the original is smooth: at borders of
    patches, at those of blocks, and elsewhere."""
    step = np.abs(np.diff(decoded, axis=1))
    smooth = smooth_parts(original)
    smooth = smooth[:, 1:] & smooth[:, :-1]
    at = np.arange(1, decoded.shape[1])
    patch, block = at % PATCH == 0, at % PATCH == BLOCK
    places = [smooth & where for where in (patch, block, ~(patch | block))]
    sums, counts = ([f(place) for place in places] for f in (lambda p: step[p].sum(), np.sum))
    return np.array(sums), np.array(counts, float)


def smooth_parts(picture: NDArray[np.floating]) -> Bools:
    """Where a window of (H, W) varies little."""
    mean = uniform_filter(picture, AROUND)
    variance = uniform_filter(np.square(picture), AROUND) - np.square(mean)
    found: Bools = variance <= SMOOTH**2
    return found


def sky() -> Pixels:
    """Blue that grows lighter downwards and to one side."""
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    share = (down + 0.3 * across)[..., None] / 1.3
    return _rendered((1 - share) * [95, 150, 225] + share * [205, 225, 245])


def dark() -> Pixels:
    """A faint light in the dark."""
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    light = np.exp(-6 * (np.square(down) + np.square(across - 0.1)))[..., None]
    return _rendered(light * [38, 34, 44] + 6)


def _rendered(scene: NDArray[np.floating]) -> Pixels:
    """With some grain, in 8 bits."""
    grain = np.random.default_rng(1).normal(0, GRAIN, (*scene.shape[:2], 1))
    return np.rint(scene + grain).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"borders: error: {error}")

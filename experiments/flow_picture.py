"""The picture of docs/flow.md: `python -m experiments.flow_picture docs/images/flow.png`.

Scenes made of photographs that scikit-image brings along: frame, arrows, flow, and the true flow.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

import flowcodec
from flowcodec.evaluation.demo import find_photographs
from flowcodec.evaluation.run import rgb_pixels
from flowcodec.media.files import atomic_write
from flowcodec.media.flow_view import arrows, colors, largest_length, with_key
from flowcodec.media.picture import read_picture
from flowcodec.training.data.scenes import Scenes

SCENES = (20, 28)
HEIGHT, WIDTH = 192, 256


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def main(target: Path) -> None:
    """Draw two scenes, a row each."""
    photographs = []
    for path in find_photographs():
        pixels = rgb_pixels(read_picture(path))
        small = Image.fromarray(pixels).reduce(1 + (min(pixels.shape[:2]) >= 500))
        photographs.append(torch.from_numpy(np.array(small).transpose(2, 0, 1).copy()))
    estimator = flowcodec.load("flow-deeppynet")
    rows = []
    for number in SCENES:
        scene = Scenes(photographs, 7).scene(number, HEIGHT, WIDTH)
        first, second = (
            (x[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            for x in (scene.first, scene.second)
        )
        truth = scene.flow[0].permute(1, 2, 0).numpy()
        largest = largest_length(truth)
        found = estimator.flow(first, second)
        cells = [
            first,
            arrows(first, found, step=16),
            with_key(colors(found, largest=largest), largest),
            colors(truth, largest=largest),
        ]
        rows.append(np.concatenate(cells, 1))
    with atomic_write(target) as file:  # as small as PNG gets: it lies in the repository
        Image.fromarray(np.concatenate(rows)).save(file, "PNG", optimize=True)


if __name__ == "__main__":
    main()

"""Flow of generated scenes, from photographs that no training saw: ours beside OpenCV's.

    python -m experiments.flow_scenes --data PHOTOGRAPHS [--json OUT]

PHOTOGRAPHS is the folder that a recipe of flow-deeppynet trains on: of its pictures those are taken
that the training holds out. 200 pairs of 384x512, always the same, of objects and as many of
furniture; then a still pair with noise of 2/255 made of each of the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console

import flowcodec
from flowcodec.cli.measuring import print_table, progress_bar
from flowcodec.evaluation.flow.methods import ZERO, FlowMethod, flow_peer, our_method
from flowcodec.evaluation.flow.metrics import FlowErrors, errors_over, flow_errors
from flowcodec.evaluation.results import write_json
from flowcodec.evaluation.tables import Table
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.data.scenes import Scenes
from flowcodec.training.flow_deeppynet.training import SMALLEST

SEED = 2026
HEIGHT, WIDTH = 384, 512
NOISE = 2.0  # of 255
KINDS = {"objects": 0.0, "furniture": 1.0}  # how many scenes are furnished


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True
)
@click.option("--count", default=200, show_default=True, help="Pairs of each kind.")
@click.option("--held-out", default=12, show_default=True, help="As in the recipe.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--threads", default=2, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False))
def main(
    data: Path,
    count: int,
    held_out: int,
    weights: Path | None,
    threads: int,
    json_path: Path | None,
) -> None:
    """Measure end-point errors on generated scenes."""
    estimator = flowcodec.load("flow-deeppynet", weights=weights, threads=threads)
    methods = [
        our_method("flow-deeppynet", "", estimator),
        *(flow_peer(name, threads) for name in ("dis-ultrafast", "dis-medium", "farneback")),
        ZERO,
    ]
    pictures = hold_out(load_pictures(data, SMALLEST), held_out)[1]
    found = {kind: {method.name: list[FlowErrors]() for method in methods} for kind in KINDS}
    with progress_bar(count * len(KINDS), "pairs") as advance:
        for kind, furnished in KINDS.items():
            for first, second, flow, occluded in pairs(pictures, count, furnished):
                for method in methods:
                    errors = flow_errors(
                        method.flow(first, second), flow, np.ones_like(occluded), occluded
                    )
                    found[kind][method.name].append(errors)
                advance()
    means = {k: {n: errors_over(e) for n, e in by.items()} for k, by in found.items()}
    for kind, by_method in means.items():
        rows = []
        for name, mean in by_method.items():
            epes = [None if part is None else part.epe for part in mean.parts.values()]
            rows.append([name, *("-" if v is None else f"{v:.3f}" for v in epes)])
        headings = ["method", *next(iter(by_method.values())).parts]
        print_table(
            Console(), f"{count} generated pairs, {kind}, pixels", Table(headings, rows, [])
        )
    still = {method.name: still_length(method, pictures) for method in methods}
    still_rows = [[name, f"{length:.3f}"] for name, length in still.items()]
    print_table(Console(), "still pairs, pixels", Table(["method", "length"], still_rows, []))
    if json_path is not None:
        figures = {k: {n: m.as_json() for n, m in by.items()} for k, by in means.items()}
        write_json(json_path, {"pairs": count, "seed": SEED, **figures, "still": still})


def pairs(
    pictures: list[np.ndarray], count: int, furnished: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Both pictures (H, W, 3), flow (H, W, 2) and occlusion (H, W)."""
    tensors = [torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1))) for p in pictures]
    scenes = Scenes(tensors, SEED, furnished)
    for index in range(count):
        scene = scenes.scene(index, HEIGHT, WIDTH)
        first, second = (
            (x[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            for x in (scene.first, scene.second)
        )
        yield first, second, scene.flow[0].permute(1, 2, 0).numpy(), scene.occluded[0].numpy()


def still_length(method: FlowMethod, pictures: list[np.ndarray]) -> float:
    """Mean length of the flow between a picture and itself, each with noise of its own."""
    rng = np.random.default_rng(SEED)
    lengths = []
    for picture in pictures:
        first, second = (
            (picture + rng.normal(0, NOISE, picture.shape)).round().clip(0, 255).astype(np.uint8)
            for _ in range(2)
        )
        lengths.append(float(np.linalg.norm(method.flow(first, second), axis=2).mean()))
    return float(np.mean(lengths))


if __name__ == "__main__":
    main()

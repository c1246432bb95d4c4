"""The KLT start against random weights, at equal cost.

    python -m experiments.klt_start --data PICTURES --seconds 600 --seeds 2 --json klt-start.json

Both trainings have the same network, pictures, small crops, qualities and number of steps: as
many as fit into the seconds by a measurement of the first ones. The learning rate is that of the
recipe's last stage of everything, so that it has come down at the end of either. Judged on squares
of pictures held out of both.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import flowcodec
from experiments.curves import SIDE, curve_of, gain, in_words, middle
from experiments.trials import seconds_a_step
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.results import write_json
from flowcodec.training.data.crops import Crops
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.image_cnn.recipe import ImageRecipe
from flowcodec.training.image_cnn.training import ImageTraining
from flowcodec.training.recipe import find_recipe, load_recipe

STARTS = ("klt", "random")
POINTS = 5  # of the curve, after step 0
CROP, BATCH, WARM_UP = 128, 4, 50  # small steps, of which minutes hold many


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of pictures.")
@click.option("--seconds", type=float, required=True, help="Training time of each run.")
@click.option("--seeds", default=2, show_default=True, help="Runs of each start.")
@click.option("--recipe", "name", default="image-cnn-mse", show_default=True, help="All else.")
@click.option("--threads", type=int, help="CPU threads. Default: torch's.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
def main(
    data: Path,
    seconds: float,
    seeds: int,
    name: str,
    threads: int | None,
    device: str,
    json_path: Path,
) -> None:
    """Train from both starts, print and write curves and BD-rates."""
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_recipe(find_recipe(name))
    training, held_out = hold_out(load_pictures(data, SIDE), recipe.held_out)
    squares = [middle(picture) for picture in held_out]
    figures = compare(recipe, training, squares, seconds, seeds, device)
    write_json(json_path, figures)
    show(figures)


def compare(
    recipe: ImageRecipe,
    pictures: list[np.ndarray],
    held_out: list[np.ndarray],
    seconds: float,
    seeds: int,
    device: str = "cpu",
) -> dict[str, Any]:
    """Curves of every start and seed, and the BD-rate of KLT against random by seed.

    `held_out` must hold pictures: UsageError else.
    """
    if not held_out:
        raise UsageError("no pictures are held out: give a folder with more of them")
    spare = ImageTraining(one_stage(recipe, "random", 0, 1000), Path(), device)
    crops = Crops(pictures, 0, recipe.halve)
    spare.start(crops)
    each = seconds_a_step(spare, crops)
    steps = max(POINTS, round(seconds / each))
    runs = [
        run(recipe, start, seed, steps, pictures, held_out, device)
        for seed in range(1, seeds + 1)
        for start in STARTS
    ]
    return {
        "name": "KLT start against random weights",
        "description": f"flowcodec {flowcodec.__version__}, preset {recipe.preset},"
        f" {len(pictures)} pictures, {len(held_out)} held out, {device},"
        f" {torch.get_num_threads()} threads; rate is estimated",
        "budget_seconds": seconds,
        "seconds_a_step": round(each, 4),
        "steps": steps,
        "klt_against_random": [
            {"seed": klt["seed"], **gain(klt["curve"][-1], other["curve"][-1])}
            for klt, other in zip(runs[::2], runs[1::2], strict=True)
        ],
        "runs": runs,
    }


def one_stage(recipe: ImageRecipe, start: str, seed: int, steps: int) -> ImageRecipe:
    """The recipe's last stage that trains everything, alone, from one start.

    Gains are learned, and bits have no price: from a prior that knows nothing all would be zeros.
    """
    stage = [stage for stage in recipe.stages if stage.part == "all"][-1]
    stage = msgspec.structs.replace(stage, steps=steps, crop=CROP, batch=BATCH, calibrate=False)
    changes = {"stages": [stage], "start": start, "seed": seed, "init": None}
    return msgspec.structs.replace(recipe, **changes, price=0.0, warm_up=WARM_UP)


def run(
    recipe: ImageRecipe,
    start: str,
    seed: int,
    steps: int,
    pictures: list[np.ndarray],
    held_out: list[np.ndarray],
    device: str,
) -> dict[str, Any]:
    """One training; evaluations are not counted as its seconds."""
    begin = time.perf_counter()
    training = ImageTraining(one_stage(recipe, start, seed, steps), Path(), device)
    crops = Crops(pictures, seed, recipe.halve)
    training.start(crops)
    ready = time.perf_counter() - begin
    curve = [curve_of(training, held_out)]
    spent = 0.0
    stops = [round(steps * index / POINTS) for index in range(1, POINTS + 1)]
    for stop in stops:
        begin = time.perf_counter()
        while training.step < stop:
            training.train_step(crops)
        spent += time.perf_counter() - begin
        curve.append(curve_of(training, held_out))
    return {
        "start": start,
        "seed": seed,
        "start_seconds": round(ready, 2),
        "training_seconds": round(spent, 1),
        "curve": curve,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the curves at three qualities, and the BD-rates."""
    console = Console()
    console.print(figures["description"], highlight=False)
    table = Table(title=f"{figures['steps']} steps in {figures['budget_seconds']:g} s: bpp / dB")
    for title in ("start", "seed", "step", "q 1", "q 4", "q 8"):
        table.add_column(title, justify="right")
    for one in figures["runs"]:
        for at in one["curve"]:
            cells = [f"{at['bpp'][i]:.3f} / {at['psnr'][i]:.2f}" for i in (0, 3, 7)]
            table.add_row(one["start"], str(one["seed"]), str(at["step"]), *cells)
    console.print(table)
    for found in figures["klt_against_random"]:
        decibels, rate = in_words(found)
        console.print(
            f"seed {found['seed']}: gain of the KLT start at equal rate {decibels}, BD-rate {rate}",
            highlight=False,
        )


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"klt_start: error: {error}")

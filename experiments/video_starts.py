"""First weights and phases of video-mofnet, compared at equal cost.

    python -m experiments.video_starts --data CLIPS --json video-starts.json \\
        --markdown video-starts.md

"three phases" is paper P's way (section IV.B): convolutions with random weights, no flow from
elsewhere and no loss on it; alpha is at first 1 on one half and 0 on the other, then MOFNet and
CodecNet take turns, then all learn. "together" is the same network without the phases. "flow and
KLT" is the start of the bundled weights: an estimated flow in blocks, and the KLT of what it
leaves. Every training gets the same seconds of one core, its start among them, of which it makes as
many steps as its first ones tell. Judged by estimated rates and PSNR of P-frames of scenes held
out. The JSON is written after every training; a command that was killed goes on with those that are
missing.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
import numpy as np
import torch

import flowcodec
from benchmarks.machine import cpu_name
from experiments.curves import Curve, gain, in_words
from experiments.flow_ablations import seed_list
from experiments.trials import begun, publish, seconds_a_step, still_missing, table
from experiments.video_ablations import (
    BATCH,
    CROP,
    FRAMES,
    PRICE,
    PRIOR_STEPS,
    RATE,
    SIZES,
    judged,
    learn,
)
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.results import write_json
from flowcodec.training.engine import flushed_denormals
from flowcodec.training.video_mofnet.recipe import VideoRecipe, VideoStage
from flowcodec.training.video_mofnet.training import VideoTraining

STARTS = ("three phases", "together", "flow and KLT")
OURS = STARTS[-1]
Phase = Literal["halves", "alternate", "all", "prior"]
# Epochs of the paper's phases; learning rate at the beginning and at the end, as parts of RATE.
PAPER: dict[Phase, tuple[int, float, float]] = {
    "halves": (5, 1.0, 1.0),
    "alternate": (45, 1.0, 0.2),
    "all": (20, 0.2, 0.0),
}
ALL_EPOCHS = sum(epochs for epochs, _, _ in PAPER.values())
SHOWN = (0, 2, 4)  # of the qualities


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Folder of clips.")
@click.option("--seconds", type=click.FloatRange(min=0), default=600, show_default=True)
@click.option("--held-out", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--seeds", default="1,2", show_default=True, callback=seed_list)
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the table here as well.")
def main(
    data: Path | None,
    seconds: float,
    held_out: int,
    seeds: list[int],
    json_path: Path,
    markdown: Path | None,
) -> None:
    """Train from every start and seed, print and write the table."""
    torch.set_num_threads(1)
    figures = begun(json_path, fresh(seconds, held_out))
    done = [(run["start"], run["seed"]) for run in figures["runs"]]
    for start, seed in still_missing(done, STARTS, seeds):
        if data is None:
            raise UsageError(f"{start} of seed {seed} is missing: give --data to train it")
        figures["runs"].append(trained(data, start, seed, seconds, held_out))
        write_json(json_path, figures)
    figures["gains"] = gains([run for run in figures["runs"] if run["seed"] in seeds])
    write_json(json_path, figures)
    publish(as_markdown(figures), markdown)


def recipe(start: str, seed: int, steps: int, held_out: int) -> VideoRecipe:
    """How a start is trained for so many steps.

    From random weights bits have no price and rounding is noise, as in the paper: all latents would
    be zeros.
    """
    ours = start == OURS
    phases: dict[Phase, tuple[int, float, float]] = {"all": (steps, 1.0, 0.0)}
    if ours:
        phases = {
            "prior": (PRIOR_STEPS, 1.0, 1.0),
            "all": (max(1, steps - PRIOR_STEPS), 1.0, 0.0),
        }
    if start == "three phases":
        phases = {
            phase: (max(1, round(steps * epochs / ALL_EPOCHS)), high, low)
            for phase, (epochs, high, low) in PAPER.items()
        }
    stages = [
        VideoStage(
            phase=phase,
            steps=count,
            lr=RATE * high,
            lr_end=RATE * low,
            crop=CROP,
            batch=BATCH,
            frames=FRAMES,
        )
        for phase, (count, high, low) in phases.items()
    ]
    return VideoRecipe(
        preset="compact",
        switches=SIZES if ours else {**SIZES, "transform": "strided"},
        stages=stages,
        rate="rounded" if ours else "noise",
        price=PRICE if ours else 0.0,
        seed=seed,
        warm_up=20,
        average=0.98,
        held_out=held_out,
    )


def fresh(seconds: float, held_out: int) -> dict[str, Any]:
    """Figures without a run, with the budget that every run gets."""
    return {
        "name": "Starts of video-mofnet at equal cost",
        "description": f"flowcodec {flowcodec.__version__}, {cpu_name()}, one thread",
        "budget": {"seconds": seconds, "held_out": held_out, "switches": SIZES},
        "runs": [],
    }


def trained(data: Path, start: str, seed: int, seconds: float, held_out: int) -> dict[str, Any]:
    """A training of so many seconds of a core: its curves at its start, middle and end."""
    with tempfile.TemporaryDirectory() as folder, flushed_denormals():
        spare = VideoTraining(recipe(start, seed, 1000, held_out), Path(folder))
        source, clips = spare.load(data, None)
        begin = time.process_time()
        spare.start(source)
        ready = time.process_time() - begin
        each = seconds_a_step(spare, source, time.process_time)
        steps = max(2, round((seconds - ready) / each))
        training = VideoTraining(recipe(start, seed, steps, held_out), Path(folder))
        training.start(source)
        curves = [curve_of(training, clips)]
        spent = ready
        for stop in (steps // 2, training.recipe.total_steps):
            begin = time.process_time()
            learn(training, source, stop)
            spent += time.process_time() - begin
            curves.append(curve_of(training, clips))
            click.echo(f"{start}, seed {seed}: {curves[-1]}", err=True)
    return {
        "start": start,
        "seed": seed,
        "start_seconds": round(ready, 1),
        "seconds": round(spent, 1),
        "curves": curves,
    }


def curve_of(training: VideoTraining, clips: Sequence[np.ndarray]) -> Curve:
    """Where a training stands, with latents rounded as an encoder rounds them."""
    own = training.recipe
    training.recipe = msgspec.structs.replace(own, rate="rounded", price=PRICE)
    found = judged(training, clips)
    training.recipe = own
    return {"step": training.step, "bpp": found["bpp"], "psnr": found["psnr"]}


def gains(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What "flow and KLT" is worth over each other start of its seed, and the phases over none."""
    ends = {(run["start"], run["seed"]): run["curves"][-1] for run in runs}
    pairs = [(OURS, "three phases"), (OURS, "together"), ("three phases", "together")]
    return [
        {"start": ours, "over": other, "seed": seed, **gain(ends[ours, seed], ends[other, seed])}
        for seed in sorted({seed for _, seed in ends})
        for ours, other in pairs
    ]


def as_markdown(figures: Mapping[str, Any]) -> str:
    """The budget, all curves at a few qualities, and what a start is worth."""
    rows, worth = [], []
    for run in figures["runs"]:
        for curve in run["curves"]:
            points = [f"{curve['bpp'][i]:.4f} / {curve['psnr'][i]:.2f}" for i in SHOWN]
            rows.append([run["start"], str(run["seed"]), str(curve["step"]), *points])
    for found in figures["gains"]:
        worth.append([found["start"], found["over"], str(found["seed"]), *in_words(found)])
    spent = statistics.mean(run["seconds"] for run in figures["runs"])
    plan = figures["budget"]
    text = (
        f"{figures['description']}. {plan['seconds']:g} seconds of a core for every training"
        f" ({spent:.0f} in the mean), its start among them: {BATCH} sequences of {FRAMES} P-frames"
        f" of {CROP}x{CROP} a step, learning rate {RATE:g} falling to 0, MSE, preset and widths of"
        " [the ablations](video-ablations.md). The phases have the paper's shares of the steps."
        f" Judged on P-frames of {plan['held_out']} scenes held out, rates estimated."
    )
    titles = ["start", "seed", "step", "lowest rate: bpp / dB", "middle", "highest"]
    gained = table(["start", "over", "seed", "PSNR at equal rate", "BD-rate"], worth)
    return f"{text}\n\n{table(titles, rows)}\n\n{gained}"


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"video_starts: error: {error}")

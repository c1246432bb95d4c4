"""Figure 4 of paper P at one small budget: what skip and conditional coding bring.

    python -m experiments.video_ablations --data CLIPS --json video-ablations.json \\
        --markdown video-ablations.md

A small video-mofnet is trained, then four go on from it for the same number of steps: the complete
system, one that codes the difference to the prediction (residual), CodecNet alone (alpha = 1) and
skip alone (alpha = 0); the paper too retrains its incomplete systems from the complete one. Judged
by estimated rates and PSNR of P-frames of scenes held out. The JSON is written after every seed; a
command that was killed goes on with the seeds that are missing.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import click
import msgspec
import numpy as np
import torch

import flowcodec
from benchmarks.machine import cpu_name
from experiments.flow_ablations import seed_list
from experiments.trials import begun, publish, table
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.bd_rate import bd_rate
from flowcodec.evaluation.results import write_json
from flowcodec.training.data.sequences import Sequences
from flowcodec.training.engine import flushed_denormals
from flowcodec.training.video_mofnet.recipe import VideoRecipe, VideoStage
from flowcodec.training.video_mofnet.training import VideoTraining

# The compact preset at less than half its widths.
SIZES: dict[str, Any] = {
    "motion_width": 32,
    "motion_latent": 16,
    "motion_slices": [8, 8],
    "motion_hyper": 8,
    "motion_features": 32,
    "motion_hidden": [32, 32],
    "motion_blocks": [1, 1],
    "width": 48,
    "latent": 96,
    "slices": [8, 24, 64],
    "hyper": 16,
    "features": 48,
    "hidden": [48, 48],
    "blocks": [1, 2],
}
SYSTEMS: dict[str, dict[str, Any]] = {
    "complete": {},
    "residual + skip": {"conditional": False},
    "CodecNet only": {"modes": "coded"},
    "skip only": {"modes": "skipped"},
}
PRINTED = {"residual + skip": "+32 %", "CodecNet only": "+53 %", "skip only": "saturates"}
CROP, BATCH, FRAMES = 128, 4, 2
PRIOR_STEPS = 60
RATE = 1e-3
PRICE = 0.12  # of a bit, when latents are rounded
QUALITIES = (1.5, 3.0, 4.5, 6.0, 7.5)
JUDGED = 3  # P-frames of each scene


class Run(TypedDict):
    """All systems of a seed: means of bpp and of PSNR in dB by quality, by system."""

    seed: int
    seconds: float
    curves: dict[str, dict[str, list[float]]]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Folder of clips.")
@click.option("--steps", type=click.IntRange(min=2), default=220, show_default=True)
@click.option("--more", type=click.IntRange(min=2), default=110, show_default=True)
@click.option("--held-out", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--seeds", default="1,2", show_default=True, callback=seed_list)
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the table here as well.")
def main(
    data: Path | None,
    steps: int,
    more: int,
    held_out: int,
    seeds: list[int],
    json_path: Path,
    markdown: Path | None,
) -> None:
    """Train all systems from every seed, print and write the table."""
    torch.set_num_threads(1)
    figures = begun(json_path, fresh(steps, more, held_out))
    for seed in seeds:
        if seed not in (run["seed"] for run in figures["runs"]):
            if data is None:
                raise UsageError(f"the runs of seed {seed} are missing: give --data to train them")
            figures["runs"].append(trained(data, steps, more, held_out, seed))
            write_json(json_path, figures)
    figures["gains"] = gains([run for run in figures["runs"] if run["seed"] in seeds])
    write_json(json_path, figures)
    publish(as_markdown(figures), markdown)


def recipe(
    system: str, seed: int, steps: int, held_out: int, init: Path | None = None
) -> VideoRecipe:
    """How a system is trained: from the start, or from the weights of a complete one."""
    crops: dict[str, Any] = {"crop": CROP, "batch": BATCH, "frames": FRAMES, "lr": RATE}
    stage = VideoStage(steps=steps, lr_end=RATE if init is None else 0.0, **crops)
    prior = VideoStage(phase="prior", steps=PRIOR_STEPS, lr_end=RATE, **crops)
    return VideoRecipe(
        preset="compact",
        switches={**SIZES, **SYSTEMS[system]},
        stages=[stage] if init else [prior, stage],
        init=None if init is None else str(init),
        price=PRICE,
        seed=seed,
        warm_up=20,
        average=0.98,
        held_out=held_out,
    )


def fresh(steps: int, more: int, held_out: int) -> dict[str, Any]:
    """Figures without a run, with the budget that every run gets."""
    plan = msgspec.to_builtins(recipe("complete", 1, steps, held_out))
    keys = ("preset", "switches", "optimiser", "price", "warm_up", "average", "stages", "held_out")
    budget = {key: plan[key] for key in keys} | {"more": more, "judged_frames": JUDGED}
    return {
        "name": "Figure 4 of paper P at an equal small budget",
        "description": f"flowcodec {flowcodec.__version__}, {cpu_name()}, one thread",
        "budget": budget,
        "runs": [],
    }


def trained(data: Path, steps: int, more: int, held_out: int, seed: int) -> Run:
    """All systems of a seed, from the first step to their curves."""
    begin = time.monotonic()
    curves = {}
    with tempfile.TemporaryDirectory() as folder, flushed_denormals():
        start = VideoTraining(recipe("complete", seed, steps, held_out), Path(folder))
        source, clips = start.load(data, None)
        start.start(source)
        learn(start, source, start.recipe.total_steps)
        init = Path(folder, "complete.safetensors")
        start.export(init)
        for system in SYSTEMS:
            training = VideoTraining(recipe(system, seed, more, held_out, init), Path(folder))
            training.start(source)
            learn(training, source, training.recipe.total_steps)
            curves[system] = judged(training, clips)
            click.echo(f"seed {seed}, {system}: {curves[system]}", err=True)
    return {"seed": seed, "seconds": round(time.monotonic() - begin), "curves": curves}


def learn(training: VideoTraining, source: Sequences, stop: int) -> None:
    """All steps of a training before `stop`."""
    while training.step < stop:
        training.train_step(source)


def judged(training: VideoTraining, clips: Sequence[np.ndarray]) -> dict[str, list[float]]:
    """Mean bpp and PSNR of P-frames of the averaged network at QUALITIES."""
    found = training.measured(clips, QUALITIES, JUDGED)
    return {
        name: [round(value, digits) for value in found[name]]
        for name, digits in (("bpp", 5), ("psnr", 3))
    }


def gains(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """BD-rate of each system against the complete one of its seed, percent: mean and spread.

    Over the quality that both curves span; None where they span none together.
    """
    found = {}
    for system in list(SYSTEMS)[1:]:
        each = [against(run["curves"][system], run["curves"]["complete"]) for run in runs]
        known = [value for value in each if value is not None]
        whole = len(known) == len(each)
        found[system] = {
            "by_seed": each,
            "mean": round(statistics.mean(known), 2) if whole else None,
            "spread": round(max(known) - min(known), 2) if whole else None,
        }
    return found


def against(curve: Mapping[str, list[float]], complete: Mapping[str, list[float]]) -> float | None:
    """BD-rate in percent by PSNR."""
    low = max(min(curve["psnr"]), min(complete["psnr"]))
    high = min(max(curve["psnr"]), max(complete["psnr"]))
    rising = all(a < b for a, b in zip(curve["psnr"], curve["psnr"][1:], strict=False))
    if not rising or high - low < 1:
        return None
    ours, theirs = ((c["bpp"], c["psnr"]) for c in (curve, complete))
    return round(bd_rate(*ours, *theirs, low, high), 2)


def as_markdown(figures: Mapping[str, Any]) -> str:
    """The table with its budget, and what the paper printed beside ours."""
    plan, runs = figures["budget"], figures["runs"]
    rows = []
    for system in SYSTEMS:
        curves = [run["curves"][system] for run in runs]
        points = [
            f"{statistics.mean(c['bpp'][i] for c in curves):.4f} /"
            f" {statistics.mean(c['psnr'][i] for c in curves):.2f}"
            for i in range(len(QUALITIES))
        ]
        gain = figures["gains"].get(system)
        shown = ["-", "-"]
        if gain is not None:
            by = ", ".join("-" if v is None else f"{v:+.1f} %" for v in gain["by_seed"])
            mean = "-" if gain["mean"] is None else f"{gain['mean']:+.1f} % ({gain['spread']:.1f})"
            shown = [by, mean]
        rows.append([system, *shown, PRINTED.get(system, ""), *points])
    stage, prior = plan["stages"][-1], plan["stages"][0]
    text = (
        f"{figures['description']}. For each seed the complete system: {prior['steps']} steps of"
        f" the priors alone and {stage['steps']} of everything; from it {plan['more']} further"
        f" steps for each system, the complete one too. {stage['batch']} sequences of"
        f" {stage['frames']} P-frames of {stage['crop']}x{stage['crop']} a step, learning rate"
        f" {stage['lr']:g}, falling to 0 in the further steps; preset {plan['preset']} with"
        f" {', '.join(f'{key} {value}' for key, value in plan['switches'].items())}. Judged on"
        f" {plan['judged_frames']} P-frames of {plan['held_out']} scenes held out, MSE, rates"
        " estimated. Unlike the paper's: the transform is a KLT with corrections that codes an"
        " estimated flow, the distortion is MSE, the budget is minutes."
    )
    titles = ["system", "BD-rate by seed", "mean (spread)", "paper"]
    titles += [f"q {quality:g}: bpp / dB" for quality in QUALITIES]
    return f"{text}\n\n{table(titles, rows)}"


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"video_ablations: error: {error}")

"""Tables 7.5 and 7.6 of the thesis at one small budget: what AAB, GMB and DIRB bring.

    python -m experiments.ablations --data PICTURES --crops 20000 --seeds 2 --json ablations.json

Every configuration is the thesis's network, narrow, with one hyperprior, all qualities in one
model and random weights at the start; of one seed, all see the same crops at the same qualities
for the same number of steps. Judged on pictures held out of all. The JSON is written after every
run; a command that was killed goes on with the runs that are missing, and one that finds them all
prints its tables without pictures.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypedDict

import click
import msgspec
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import flowcodec
from benchmarks.machine import cpu_name
from experiments import trials
from experiments.curves import SIDE, Curve, common, curve_of, middle, psnr_gain, rate_change
from experiments.trials import note_pictures, publish, still_missing, table, verdict
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.results import write_json
from flowcodec.evaluation.work import work_of
from flowcodec.training.data.crops import Crops
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.engine import flushed_denormals
from flowcodec.training.image_cnn.recipe import ImageRecipe, ImageStage
from flowcodec.training.image_cnn.training import ImageTraining, build

SIZES = {
    "width": 16,
    "latent": 32,
    "hyper": 16,
    "features": 32,
    "hidden": [64, 64],
    "slices": [32],
}
COMPONENTS = 3  # Gaussians of GMB
HELD_OUT = 24  # pictures
CROP, BATCH = 64, 32
LARGE_CROP, LARGE_BATCH = 128, 8  # at the end: now the latents fill an attention's window
LARGE_SHARE = 25  # every 25th crop
JUDGED = 5  # qualities, from 1 on: above, networks so new spend 40 % more bits for 0.1 dB
SHOWN = 3  # index of the quality that stands in the tables

PRINTED_7_5 = {  # PSNR and bpp on Kodak at lambda 2.41 and 8.31
    "none": ((27.23, 0.201), (27.51, 0.657)),
    "cheng": ((31.89, 0.211), (33.87, 0.678)),
    "nlam": ((32.21, 0.202), (34.01, 0.651)),
    "aab": ((32.98, 0.208), (35.67, 0.591)),
}
PRINTED_7_6 = {  # PSNR and MS-SSIM (dB) on Kodak; no rate is printed
    "none": (26.27, 18.71),
    "aab": (27.95, 19.95),
    "gmb": (26.89, 18.78),
    "dirb": (30.33, 20.32),
    "aab+gmb": (32.51, 23.41),
    "gmb+dirb": (31.23, 21.87),
    "aab+dirb": (33.96, 24.45),
    "aab+gmb+dirb": (35.89, 26.01),
}
BLOCKS = ("aab", "gmb", "dirb")
GAIN_TITLES = ["gain, dB", "spread", "", "BD-rate, %"]


class Run(TypedDict):
    """One training; seconds are the median of its steps."""

    blocks: str
    seed: int
    seconds_a_step: float
    curve: Curve


class Comparison(TypedDict):
    """Gain in PSNR at equal rate by seed, its mean and spread; BD-rates where there is one."""

    of: str
    against: str
    gain_db: list[float]
    mean_db: float
    spread_db: float
    bd_rate_percent: list[float] | None
    verdict: str


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder of pictures.")
@click.option("--crops", type=click.IntRange(min=100), default=20_000, show_default=True)
@click.option("--seeds", type=click.IntRange(min=2), default=2, show_default=True)
@click.option("--threads", type=int, help="CPU threads. Default: torch's.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the tables here as well.")
def main(
    data: Path | None,
    crops: int,
    seeds: int,
    threads: int | None,
    json_path: Path,
    markdown: Path | None,
) -> None:
    """Train every configuration from every seed, print and write the tables."""
    if threads is not None:
        torch.set_num_threads(threads)
    figures = begun(json_path, crops)
    names = configurations()
    train_missing(figures, json_path, data, names, seeds, lambda *one: recipe(*one, crops))
    figures["tables"] = tables(figures["runs"], seeds)
    write_json(json_path, figures)
    publish(as_markdown(figures), markdown)


def train_missing(
    figures: dict[str, Any],
    path: Path,
    data: Path | None,
    names: Collection[str],
    seeds: int,
    plan_of: Callable[[str, int], ImageRecipe],
    judge: Callable[[ImageTraining, list[np.ndarray]], Curve] = curve_of,
) -> None:
    """Train what the figures lack of all names and seeds; they are written to the path after each
    run. UsageError where something is missing and there are no pictures."""
    done = ((run["blocks"], run["seed"]) for run in figures["runs"])
    missing = still_missing(done, names, range(1, seeds + 1))
    if not missing:
        return
    if data is None:
        raise UsageError(f"{len(missing)} runs are missing: give --data to train them")
    training, held_out = hold_out(load_pictures(data, SIDE), HELD_OUT)
    note_pictures(figures, counted(training, held_out))
    squares = [middle(picture) for picture in held_out]
    with shown_progress(len(missing), plan_of(*missing[0]).total_steps) as progress:
        for name, seed in missing:
            progress.begin(f"{name}, seed {seed}")
            run = train(name, plan_of(name, seed), training, squares, progress.step, judge)
            figures["runs"].append(run)
            write_json(path, figures)
            progress.end(run)


def configurations() -> list[str]:
    """The ten of both tables: AAB, GMB and DIRB in every combination, then other attentions."""
    combinations = product((False, True), repeat=len(BLOCKS))
    names = ["+".join(b for b, on in zip(BLOCKS, c, strict=True) if on) for c in combinations]
    return [name or "none" for name in names] + ["cheng", "nlam"]


def recipe(name: str, seed: int, crops: int) -> ImageRecipe:
    """How one configuration is trained: all of them alike but for the blocks in its name."""
    parts = set(name.split("+")) - {"none"}
    attention = parts - {"gmb", "dirb"}
    large = max(1, crops // LARGE_SHARE // LARGE_BATCH)
    small = math.ceil((crops - large * LARGE_BATCH) / BATCH)
    return ImageRecipe(
        preset="paper",
        switches={
            **SIZES,
            "attention": attention.pop() if attention else "none",
            "components": COMPONENTS if "gmb" in parts else 1,
            "refinement": "dirb" in parts,
        },
        stages=[
            ImageStage(steps=small, crop=CROP, batch=BATCH, lr=2e-3, lr_end=2e-4),
            ImageStage(steps=large, crop=LARGE_CROP, batch=LARGE_BATCH, lr=2e-4, lr_end=2e-5),
        ],
        start="random",
        seed=seed,
        warm_up=50,
        average=0.98,
        held_out=HELD_OUT,
    )


def budget(crops: int) -> dict[str, Any]:
    """What every run gets, to stand beside the results."""
    one = recipe("none", 1, crops)
    plan = msgspec.to_builtins(one)
    shared = {
        key: plan[key] for key in ("preset", "optimiser", "rate", "balance", "halve", "average")
    }
    return {"crops": crops, "steps": one.total_steps, "stages": plan["stages"], **SIZES, **shared}


def begun(path: Path, crops: int) -> dict[str, Any]:
    """The figures in the file so far, or none. UsageError if they are of another budget."""
    fresh = {
        "name": "Tables 7.5 and 7.6 of the thesis at an equal small budget",
        "description": f"flowcodec {flowcodec.__version__}, {cpu_name()},"
        f" {torch.get_num_threads()} threads; rate is estimated",
        "budget": budget(crops),
        "pictures": None,
        "runs": [],
    }
    return trials.begun(path, fresh)


def counted(training: list[np.ndarray], held_out: list[np.ndarray]) -> dict[str, int]:
    """What is trained and judged on, to be noted."""
    return {
        "training": len(training),
        "pixels": sum(picture.shape[0] * picture.shape[1] for picture in training),
        "held_out": len(held_out),
        "held_out_side": SIDE,
    }


@dataclass(frozen=True)
class Shown:
    """What is told while runs go on: the start of one, each step, its end."""

    begin: Callable[[str], None]
    step: Callable[[], None]
    end: Callable[[Run], None]


@contextmanager
def shown_progress(runs: int, steps: int) -> Iterator[Shown]:
    """A bar over all runs on stderr, and a line with the time left after each."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("steps,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    started = time.monotonic()
    done = 0

    def end(run: Run) -> None:
        nonlocal done
        done += 1
        left = (time.monotonic() - started) / done * (runs - done)
        console.print(
            f"{run['blocks']}, seed {run['seed']}: {point(run['curve'])}; {done} of {runs} runs,"
            f" about {left / 60:.0f} min left",
            highlight=False,
        )

    with Progress(
        *columns, console=console, disable=not console.is_terminal, speed_estimate_period=600
    ) as progress:
        task = progress.add_task("", total=runs * steps)
        yield Shown(
            begin=lambda what: progress.update(task, description=what),
            step=lambda: progress.advance(task),
            end=end,
        )


def train(
    name: str,
    plan: ImageRecipe,
    pictures: list[np.ndarray],
    held_out: list[np.ndarray],
    on_step: Callable[[], None] = lambda: None,
    judge: Callable[[ImageTraining, list[np.ndarray]], Curve] = curve_of,
) -> Run:
    """One training from its first step to its curve on the held-out pictures."""
    cut = Crops(pictures, plan.seed, plan.halve)
    seconds = []
    with tempfile.TemporaryDirectory() as folder, flushed_denormals():
        training = ImageTraining(plan, Path(folder))
        training.start(cut)
        while training.step < plan.total_steps:
            begin = time.perf_counter()
            training.train_step(cut)
            seconds.append(time.perf_counter() - begin)
            on_step()
        curve = judge(training, held_out)
    return {
        "blocks": name,
        "seed": plan.seed,
        "seconds_a_step": round(statistics.median(seconds), 4),
        "curve": curve,
    }


def tables(runs: Sequence[Run], seeds: int) -> dict[str, Any]:
    """Both tables, and what the eight combinations together say of each block.

    All gains are over the one range of rates that every run reaches at the judged qualities; a
    BD-rate is over the range of PSNR of its two curves.
    """
    runs = [run for run in runs if run["seed"] <= seeds]
    curves = {(run["blocks"], run["seed"]): judged_part(run["curve"]) for run in runs}
    rates = common(list(curves.values()), "bpp")
    numbers = range(1, seeds + 1)

    def gains(name: str, against: str) -> list[float]:
        return [psnr_gain(curves[name, n], curves[against, n], *rates) for n in numbers]

    def with_rates(name: str, against: str) -> Comparison:
        both = [(curves[name, n], curves[against, n]) for n in numbers]
        found = None
        with suppress(UsageError):  # no PSNR is reached by both
            found = [rate_change(*pair, *common(pair, "psnr")) for pair in both]
        return compared(name, against, gains(name, against), found)

    pairs = [with_rates(name, "none") for name in configurations() if name != "none"]
    pairs += [with_rates("aab", other) for other in ("cheng", "nlam")]
    return {
        "seeds": seeds,
        "bpp_range": rates,
        "mean_spread_db": round(mean_spread(pairs), 3),
        "pairs": judged(pairs),
        "blocks": judged([block_gain(block, gains, seeds) for block in BLOCKS]),
        "configurations": [facts(name, recipe(name, 1, 100), runs) for name in configurations()],
    }


def judged_part(curve: Curve) -> Curve:
    """A curve's lower qualities, at which rate and PSNR both move."""
    return {**curve, "bpp": curve["bpp"][:JUDGED], "psnr": curve["psnr"][:JUDGED]}


def block_gain(block: str, gains: Callable[[str, str], list[float]], seeds: int) -> Comparison:
    """What a block adds, on the mean of the four combinations of the two others."""
    pairs = [(name, without(name, block)) for name in configurations() if block in name.split("+")]
    found = [gains(*pair) for pair in pairs]
    means = [round(statistics.mean(of[seed] for of in found), 3) for seed in range(seeds)]
    return compared(block, "the same without it", means, None)


def without(name: str, block: str) -> str:
    """The configuration that lacks one block of `name`."""
    return "+".join(part for part in name.split("+") if part != block) or "none"


def compared(of: str, against: str, gain: list[float], rates: list[float] | None) -> Comparison:
    """A comparison that has no verdict yet."""
    return {
        "of": of,
        "against": against,
        "gain_db": gain,
        "mean_db": round(statistics.mean(gain), 3),
        "spread_db": round(max(gain) - min(gain), 3),
        "bd_rate_percent": rates,
        "verdict": "",
    }


def judged(comparisons: list[Comparison]) -> list[Comparison]:
    """With verdicts, by their own spread and the mean of all."""
    usual = mean_spread(comparisons)
    for one in comparisons:
        one["verdict"] = verdict(one["mean_db"], one["spread_db"], usual)
    return comparisons


def mean_spread(comparisons: list[Comparison]) -> float:
    """Of the gains over the seeds, in dB."""
    return statistics.mean(one["spread_db"] for one in comparisons)


def facts(name: str, plan: ImageRecipe, runs: Sequence[Run]) -> dict[str, Any]:
    """What a configuration costs, and where it stands at one quality, on the mean of its runs."""
    mine = [run for run in runs if run["blocks"] == name]
    work = work_of(plan.system, build(plan).config).as_json()
    curve = {key: np.mean([run["curve"][key] for run in mine], 0) for key in ("bpp", "psnr")}
    return {
        "of": name,
        **work,
        "seconds_a_step": round(statistics.mean(run["seconds_a_step"] for run in mine), 4),
        "bpp": round(float(curve["bpp"][SHOWN]), 3),
        "psnr": round(float(curve["psnr"][SHOWN]), 2),
    }


def as_markdown(figures: Mapping[str, Any]) -> str:
    """Both tables with their budget, and what the thesis printed beside ours."""
    found = figures["tables"]
    pairs = {(pair["of"], pair["against"]): pair for pair in found["pairs"]}
    facts_of = {one["of"]: one for one in found["configurations"]}

    def cells(name: str) -> list[str]:
        one = facts_of[name]
        work = one["kmac_per_pixel"]
        gain = ["", "", "", ""] if name == "none" else gain_cells(pairs[name, "none"])
        return [
            name,
            *gain,
            f"{one['bpp']:.3f} / {one['psnr']:.2f}",
            f"{one['parameters'] / 1000:.0f}",
            f"{work['encode']:.2f} / {work['decode']:.2f}",
            f"{1000 * one['seconds_a_step']:.0f}",
        ]

    ours = ["blocks", *GAIN_TITLES, "bpp / dB at quality 4"]
    ours += ["parameters, thousands", "kMAC a pixel, encode / decode", "ms a step"]
    printed_7_5 = [
        [f"{psnr:.2f} at {bpp:.3f}" for psnr, bpp in PRINTED_7_5[name]] for name in PRINTED_7_5
    ]
    printed_7_6 = [[f"{value:.2f}" for value in PRINTED_7_6[name]] for name in PRINTED_7_6]
    attentions = [("aab", "cheng"), ("aab", "nlam")]
    return "\n\n".join(
        [
            about(figures),
            "Table 7.5: attention, without GMB and DIRB",
            table(
                [*ours, "thesis, dB at bpp, lambda 2.41", "lambda 8.31"],
                [cells(n) + more for n, more in zip(PRINTED_7_5, printed_7_5, strict=True)],
            ),
            table(
                ["attention", *GAIN_TITLES],
                [[f"{a} against {b}", *gain_cells(pairs[a, b])] for a, b in attentions],
            ),
            "Table 7.6: AAB x GMB x DIRB (the thesis names no rate)",
            table(
                [*ours, "thesis, PSNR dB", "MS-SSIM dB"],
                [cells(n) + more for n, more in zip(PRINTED_7_6, printed_7_6, strict=True)],
            ),
            "What a block adds, mean over the four combinations of the two others",
            table(
                ["block", *GAIN_TITLES[:3]],
                [[one["of"], *gain_cells(one)[:3]] for one in found["blocks"]],
            ),
        ]
    )


def about(figures: Mapping[str, Any]) -> str:
    """The budget in words, and how to read the tables."""
    plan, pictures = figures["budget"], figures["pictures"]
    stages = " and then ".join(
        f"{stage['steps']} steps of {stage['batch']} crops of {stage['crop']}x{stage['crop']}"
        for stage in plan["stages"]
    )
    found = figures["tables"]
    low, high = found["bpp_range"]
    return (
        f"{figures['description']}. Each run: {plan['crops']} crops ({stages}) of"
        f" {pictures['training']} pictures; width {plan['width']}, {plan['latent']} latent"
        f" channels, all qualities in one model, {plan['optimiser']}, random weights at the start."
        f" {found['seeds']} seeds. Judged on squares of {pictures['held_out_side']} pixels from"
        f" {pictures['held_out']} pictures held out. Gain: PSNR at equal rate from {low:.2f} to"
        f" {high:.2f} bpp (qualities 1 to {JUDGED}), mean over the seeds, each against the run of"
        " the same seed; spread: largest less smallest. A tie is a gain within its spread or the"
        f" mean spread ({found['mean_spread_db']:.2f} dB), whichever is larger."
    )


def gain_cells(one: Mapping[str, Any]) -> list[str]:
    """Gain, spread, verdict and BD-rate of a comparison."""
    rates = one["bd_rate_percent"]
    rate = "" if rates is None else f"{statistics.mean(rates):+.1f}"
    return [f"{one['mean_db']:+.2f}", f"{one['spread_db']:.2f}", one["verdict"], rate]


def point(curve: Curve) -> str:
    """A curve at one quality, in words."""
    return f"{curve['bpp'][SHOWN]:.3f} bpp {curve['psnr'][SHOWN]:.2f} dB at quality {SHOWN + 1}"


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"ablations: error: {error}")

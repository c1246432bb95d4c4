"""Tables 7.8 and 7.9 of the thesis at one small budget: what pyramids, MAF and ABF bring.

    python -m experiments.flow_ablations --data PHOTOS --steps 600 --seeds 1,2 --jobs 2 \\
        --json flow-ablations.json --markdown flow-ablations.md

Every row is flow-deeppynet from random weights; of one seed, all see the same generated scenes for
the same number of steps, each in a process of one thread. Judged on scenes from photographs held
out of all. The JSON is written after every run; a command that was killed goes on with the runs
that are missing, and one that finds them all prints its tables without photographs.
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, TypedDict

import click
import msgspec
import numpy as np
import torch

import flowcodec
from benchmarks.machine import cpu_name
from experiments.trials import begun, note_pictures, publish, still_missing, table, verdict
from flowcodec.cli.measuring import names_in
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.results import write_json
from flowcodec.evaluation.work import work_of
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.data.scenes import Scene, Scenes
from flowcodec.training.engine import flushed_denormals
from flowcodec.training.flow_deeppynet.recipe import FlowRecipe, FlowStage
from flowcodec.training.flow_deeppynet.training import HELD_OUT_SEED, SMALLEST, FlowTraining, Source

# The compact preset at three quarters of its pyramids' widths, which are what is compared, and half
# of the matching's and the decoder's, which all rows share and which take most of a step: 600 steps
# in 2 to 3 minutes. Without Lucas-Kanade, which would repair what a network misses, without the
# updates at 1/32, which the thesis has not, and without the third at 1/16.
SIZES = {
    "channels": [12, 18, 30, 42],
    "embedding": [16, 16, 12],
    "groups": [2, 2, 1],
    "updates": [2, 2, 1],
    "cost": 24,
    "features": 16,
    "decoder": [32, 32, 32, 24, 16],
    "polish": 0,
    "pooled": 0,
}
HEIGHT, WIDTH, BATCH = 96, 128, 4
RATE = 1.5e-3  # a third of it learns less in so few steps, twice as much gains nothing
HELD_OUT = 12  # photographs
JUDGED = 60  # scenes of the size that is trained on: no network has learned longer motions
SLOW = 3.0  # pixels: the true flow of slow pixels is shorter
PIXELS = ("all", "visible", "slow")

PYRAMIDS = {1: "left", 2: "left+middle", 3: "left+middle+right"}
MODULATIONS = ("none", "maf", "abf", "both")
TESTS = ("Chairs", "Sintel clean", "Sintel final")


@dataclass(frozen=True)
class Row:
    """A network of the tables: how many pyramids, and what one hands to the next at which levels.

    Without modulation that is nothing: the last pyramid then stands alone.
    """

    pyramids: int
    modulation: str
    levels: tuple[int, ...] = (2, 3, 4)

    @property
    def name(self) -> str:
        """In words, as it stands in the JSON."""
        handed = "" if self.modulation == "none" else f", {self.modulation} at {self.at}"
        return PYRAMIDS[self.pyramids] + handed

    @property
    def at(self) -> str:
        """The levels, as the thesis writes them."""
        return "+".join(map(str, self.levels))


LEFT, FULL = Row(1, "none"), Row(3, "both")
TABLE_7_8 = [LEFT, *(Row(count, kind) for count in (2, 3) for kind in MODULATIONS)]
LEVELS = [(1,), (2,), (3,), (4,), (1, 2), (1, 2, 3), (1, 2, 3, 4), (2, 3, 4)]
TABLE_7_9 = [Row(3, "both", levels) for levels in LEVELS]
ROWS = list(dict.fromkeys([*TABLE_7_8, *TABLE_7_9]))

# EPE of the thesis, by TESTS. Two rows of its table 7.8 are called "Left, Middle and Right pyramid,
# MAF, and ABF"; by its place, the first of them is the one without.
PRINTED_7_8 = {
    Row(2, "none"): (0.80, 3.11, 4.50),
    Row(2, "both"): (0.78, 2.67, 3.67),
    Row(3, "none"): (0.75, 2.73, 3.20),
    Row(3, "both"): (0.71, 2.16, 3.10),
}
PRINTED_7_9 = {
    Row(3, "both", (1,)): (0.76, 2.11, 3.50),
    Row(3, "both", (2,)): (0.75, 1.87, 3.11),
    Row(3, "both", (3,)): (0.78, 1.73, 2.78),
    Row(3, "both", (4,)): (0.79, 2.14, 3.15),
    Row(3, "both", (1, 2)): (0.72, 2.16, 3.10),
    Row(3, "both", (1, 2, 3)): (0.81, 1.97, 2.87),
    Row(3, "both", (1, 2, 3, 4)): (0.83, 1.31, 2.32),
    Row(3, "both", (2, 3, 4)): (0.70, 1.30, 2.10),
}


class Run(TypedDict):
    """One training; seconds are the median of its steps, errors in pixels by PIXELS."""

    row: str
    seed: int
    seconds_a_step: float
    epe: dict[str, float]


class Comparison(TypedDict):
    """By how many pixels EPE of all pixels is lower than another row's: by seed, mean, spread."""

    of: str
    against: str
    gain: list[float]
    mean: float
    spread: float
    verdict: str


def seed_list(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    """The numbers of `1,2`, two or more: one has no spread."""
    try:
        seeds = [int(word) for word in names_in(text)]
    except ValueError:
        seeds = []
    if len(seeds) < 2 or min(seeds) < 0:
        raise click.BadParameter(f"{text!r}: give two numbers from 0 up, or more, such as 1,2")
    return seeds


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder of photographs.")
@click.option("--steps", type=click.IntRange(min=1), default=600, show_default=True)
@click.option("--seeds", default="1,2", show_default=True, callback=seed_list)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at a time."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the tables here as well.")
def main(
    data: Path | None,
    steps: int,
    seeds: list[int],
    jobs: int,
    json_path: Path,
    markdown: Path | None,
) -> None:
    """Train every row from every seed, print and write the tables."""
    figures = begun(json_path, fresh(steps))
    done = ((run["row"], run["seed"]) for run in figures["runs"])
    missing = still_missing(done, [row.name for row in ROWS], seeds)
    if missing:
        if data is None:
            raise UsageError(f"{len(missing)} runs are missing: give --data to train them")
        with workers(min(jobs, len(missing))) as pool:
            note_pictures(figures, pool.submit(counted, data).result())
            for run in finished(pool, missing, steps, data):
                figures["runs"].append(run)
                write_json(json_path, figures)
    figures["tables"] = tables(figures["runs"], seeds)
    write_json(json_path, figures)
    publish(as_markdown(figures), markdown)


def recipe(row: Row, seed: int, steps: int) -> FlowRecipe:
    """How a row is trained: all of them alike but for its switches."""
    return FlowRecipe(
        preset="compact",
        switches={
            **SIZES,
            "pyramids": row.pyramids,
            "modulation": row.modulation,
            "modulated": list(row.levels),
        },
        stages=[
            FlowStage(steps=steps, height=HEIGHT, width=WIDTH, batch=BATCH, lr=RATE, lr_end=0.0)
        ],
        power=0.7,
        occluded=0.4,
        seed=seed,
        warm_up=50,
        held_out=HELD_OUT,
    )


def fresh(steps: int) -> dict[str, Any]:
    """Figures without a run: the budget that every run gets, to stand beside the results."""
    plan = msgspec.to_builtins(recipe(FULL, 1, steps))
    keys = ("preset", "optimiser", "decay", "power", "occluded", "warm_up", "average", "stages")
    return {
        "name": "Tables 7.8 and 7.9 of the thesis at an equal small budget",
        "description": f"flowcodec {flowcodec.__version__}, {cpu_name()}, one thread a run",
        "budget": {key: plan[key] for key in keys} | SIZES | {"judged_scenes": JUDGED},
        "pictures": None,
        "runs": [],
    }


@contextmanager
def workers(jobs: int) -> Iterator[Executor]:
    """Processes of one thread, each on a core of its own where the system can pin them."""
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's locks as they stand
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    queue: SimpleQueue[int | None] = context.SimpleQueue()
    for place in range(jobs):
        queue.put(cores[place % len(cores)] if cores else None)
    pool = ProcessPoolExecutor(jobs, context, initializer=settle, initargs=(queue,))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise FlowcodecError(
            "a training process was killed: the same command goes on with the runs that are missing"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def settle(cores: SimpleQueue[int | None]) -> None:
    """Make this process a worker: one thread, one core, and no longer life than its parent's."""
    core = cores.get()
    if core is not None:
        os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def finished(
    pool: Executor, missing: Sequence[tuple[str, int]], steps: int, data: Path
) -> Iterator[Run]:
    """Every missing run as it ends, told on stderr with the time left."""
    started = time.monotonic()
    futures = [pool.submit(train, name, seed, steps, data) for name, seed in missing]
    for done, future in enumerate(as_completed(futures), 1):
        run = future.result()
        left = (time.monotonic() - started) / done * (len(missing) - done)
        click.echo(
            f"{run['row']}, seed {run['seed']}: EPE {run['epe']['all']:.3f}; {done} of"
            f" {len(missing)} runs, about {left / 60:.0f} min left",
            err=True,
        )
        yield run


@dataclass(frozen=True)
class Material:
    """What a process trains and judges on."""

    photographs: list[torch.Tensor]
    held_out: list[torch.Tensor]
    scenes: list[Scene]


@functools.cache
def material(data: Path) -> Material:
    """The photographs of a folder and the judged scenes, once in a process."""
    tensors = [
        torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        for picture in load_pictures(data, SMALLEST)
    ]
    photographs, held_out = hold_out(tensors, HELD_OUT)
    generated = Scenes(held_out, HELD_OUT_SEED)
    count = JUDGED if held_out else 0
    return Material(
        photographs, held_out, [generated.scene(index, HEIGHT, WIDTH) for index in range(count)]
    )


def counted(data: Path) -> dict[str, int]:
    """What is trained and judged on, to be noted."""
    found = material(data)
    return {
        "training": len(found.photographs),
        "pixels": sum(math.prod(photograph.shape[1:]) for photograph in found.photographs),
        "held_out": len(found.held_out),
    }


def train(name: str, seed: int, steps: int, data: Path) -> Run:
    """One training of the row of this name, from its first step to its errors."""
    row = next(row for row in ROWS if row.name == name)
    found = material(data)
    source = Source(Scenes(found.photographs, seed))
    seconds = []
    with tempfile.TemporaryDirectory() as folder, flushed_denormals():
        training = FlowTraining(recipe(row, seed, steps), Path(folder))
        training.start(source)
        while training.step < steps:
            begin = time.perf_counter()
            training.train_step(source)
            seconds.append(time.perf_counter() - begin)
        epe = errors(training, found.scenes)
    return {
        "row": name,
        "seed": seed,
        "seconds_a_step": round(statistics.median(seconds), 4),
        "epe": epe,
    }


@torch.no_grad()
def errors(training: FlowTraining, scenes: Sequence[Scene]) -> dict[str, float]:
    """Mean end-point error of the averaged network over the pixels of all scenes, by PIXELS."""
    found = []
    for scene in scenes:
        flow = training.flow(scene.first, scene.second)
        error = torch.linalg.vector_norm(flow - scene.flow, dim=1)
        slow = torch.linalg.vector_norm(scene.flow, dim=1) < SLOW
        found.append(torch.stack([error, ~scene.occluded, slow]).double())
    error, *masks = torch.cat(found, 1)
    weights = zip(PIXELS, (torch.ones_like(error), *masks), strict=True)
    return {name: round(float((error * of).sum() / of.sum()), 4) for name, of in weights}


def tables(runs: Sequence[Run], seeds: Sequence[int]) -> dict[str, Any]:
    """Facts of every row, and which rows differ by more than the spread over the seeds."""
    by = {(run["row"], run["seed"]): run["epe"]["all"] for run in runs}

    def compared(pairs: Sequence[tuple[Row, Row]]) -> list[Comparison]:
        found = [
            compare(of.name, against.name, [by[against.name, s] - by[of.name, s] for s in seeds])
            for of, against in pairs
        ]
        usual = usual_spread(found)
        for one in found:
            one["verdict"] = verdict(one["mean"], one["spread"], usual)
        return found

    return {
        "seeds": list(seeds),
        "rows": [facts(row, [run for run in runs if run["seed"] in seeds]) for row in ROWS],
        "7.8": compared([(row, before(row)) for row in TABLE_7_8 if row != LEFT]),
        "7.9": compared(list(combinations(TABLE_7_9, 2))),
    }


def before(row: Row) -> Row:
    """What a row of table 7.8 is compared with: the same pyramids without modulation; if it has
    none, the left alone; and the last row with both of two pyramids."""
    if row == FULL:
        return Row(2, "both")
    return LEFT if row.modulation == "none" else Row(row.pyramids, "none")


def compare(of: str, against: str, gain: list[float]) -> Comparison:
    """A comparison that has no verdict yet."""
    return {
        "of": of,
        "against": against,
        "gain": [round(value, 4) for value in gain],
        "mean": round(statistics.mean(gain), 4),
        "spread": round(max(gain) - min(gain), 4),
        "verdict": "",
    }


def usual_spread(comparisons: Sequence[Mapping[str, Any]]) -> float:
    """The mean of the spreads over the seeds, in pixels."""
    return statistics.mean(one["spread"] for one in comparisons)


def facts(row: Row, runs: Sequence[Run]) -> dict[str, Any]:
    """What a row costs, and its errors: mean and spread over the seeds."""
    mine = [run for run in runs if run["row"] == row.name]
    parameters, kmac = work(row)
    epe = {name: [run["epe"][name] for run in mine] for name in PIXELS}
    return {
        "row": row.name,
        "parameters": parameters,
        "kmac_per_pixel": round(kmac, 2),
        "seconds_a_step": round(statistics.mean(run["seconds_a_step"] for run in mine), 4),
        "epe": {name: round(statistics.mean(values), 4) for name, values in epe.items()},
        "spread": {name: round(max(values) - min(values), 4) for name, values in epe.items()},
    }


@functools.cache
def work(row: Row) -> tuple[int, float]:
    """Parameters, and thousands of multiply-adds per pixel."""
    work = work_of("flow-deeppynet", FlowTraining(recipe(row, 1, 1), Path()).model.config)
    return work.parameters, work.kmac["flow"]


def as_markdown(figures: Mapping[str, Any]) -> str:
    """Both tables with their budget, and what the thesis printed beside ours."""
    found = figures["tables"]
    facts_of = {one["row"]: one for one in found["rows"]}

    def cells(row: Row, printed: Mapping[Row, Sequence[float]]) -> list[str]:
        one = facts_of[row.name]
        return [
            *(f"{one['epe'][name]:.3f} ({one['spread'][name]:.3f})" for name in PIXELS),
            f"{one['parameters'] / 1000:.0f}",
            f"{one['kmac_per_pixel']:.2f}",
            f"{1000 * one['seconds_a_step']:.0f}",
            " / ".join(f"{epe:.2f}" for epe in printed.get(row, ())),
        ]

    titles = [f"EPE, {name} (spread)" for name in PIXELS]
    titles += ["parameters, thousands", "kMAC a pixel", "ms a step"]
    titles += [f"thesis, {' / '.join(TESTS)}"]
    return "\n\n".join(
        [
            about(figures),
            "Table 7.8: pyramids, with and without MAF and ABF (at levels 2+3+4)",
            table(
                ["pyramids", "modulation", *titles],
                [
                    [PYRAMIDS[row.pyramids], row.modulation, *cells(row, PRINTED_7_8)]
                    for row in TABLE_7_8
                ],
            ),
            beyond(found["7.8"], usual_spread(found["7.8"]), {row.name: row.name for row in ROWS}),
            "Without modulation nothing leads from one pyramid to the next: the last stands alone,"
            " and what the others cost is in vain. So the right one without is the left one again,"
            " from other random weights: what lies between these two rows is chance. The thesis"
            " gives two of its rows one label; by its place, the first is the three without.",
            "Table 7.9: levels that MAF and ABF modulate, three pyramids",
            table(["levels", *titles], [[row.at, *cells(row, PRINTED_7_9)] for row in TABLE_7_9]),
            beyond(
                [one for one in found["7.9"] if one["against"] == FULL.name],
                usual_spread(found["7.9"]),
                {row.name: row.at for row in TABLE_7_9},
            )
            + " "
            + agreement(found["7.9"]),
        ]
    )


def about(figures: Mapping[str, Any]) -> str:
    """The budget in words, and how to read the tables."""
    plan, pictures, found = figures["budget"], figures["pictures"], figures["tables"]
    stage = plan["stages"][0]
    seeds = ", ".join(map(str, found["seeds"]))
    return (
        f"{figures['description']}. Each run: {stage['steps']} steps of {stage['batch']} generated"
        f" scenes of {stage['width']}x{stage['height']} from {pictures['training']} photographs,"
        f" preset {plan['preset']} at channels {plan['channels']} and decoder {plan['decoder']},"
        f" {plan['optimiser']}, learning rate {stage['lr']:g} falling to {stage['lr_end']:g},"
        f" random weights at the start; seeds {seeds}. EPE: pixels, mean over the pixels of"
        f" {plan['judged_scenes']} scenes of the same size from {pictures['held_out']} photographs"
        f" held out; visible: not occluded; slow: true flow under {SLOW:g} pixels. Spread: largest"
        " less smallest of the seeds. A difference of two rows, each seed against itself, is beyond"
        " the spread if it is more than its own and more than the mean spread of its table."
    )


def beyond(
    comparisons: Sequence[Mapping[str, Any]], usual: float, labels: Mapping[str, str]
) -> str:
    """Which differences are beyond the spread, in a line; `usual` in pixels, labels by row."""
    sure = [one for one in comparisons if one["verdict"] != "tie"]
    said = "; ".join(
        f"{labels[one['of']]} is {one['verdict']} than {labels[one['against']]} by"
        f" {abs(one['mean']):.3f}"
        for one in sure
    )
    return (
        f"Beyond the spread (on the mean {usual:.3f} pixels), {len(sure)} of {len(comparisons)}"
        f" differences: {said or 'none'}."
    )


def agreement(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """How many of the differences beyond the spread have the sign of those of the thesis."""
    printed = {row.name: epe for row, epe in PRINTED_7_9.items()}
    sure = [one for one in comparisons if one["verdict"] != "tie"]
    counts = []
    for place, test in enumerate(TESTS):
        gains = [printed[one["against"]][place] - printed[one["of"]][place] for one in sure]
        same = sum(gain * one["mean"] > 0 for gain, one in zip(gains, sure, strict=True))
        counts.append(f"{same} on {test}")
    return (
        f"Of all {len(comparisons)} pairs of rows {len(sure)} differ beyond the spread. Of these"
        f" the thesis has in the same order: {', '.join(counts)}."
    )


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"flow_ablations: error: {error}")

"""`flowcodec train`: from a recipe and a folder of pictures or videos to weights."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import flowcodec
from flowcodec.cli.encode import Size
from flowcodec.cli.measuring import Number
from flowcodec.errors import UsageError
from flowcodec.media.names import printable
from flowcodec.media.outputs import check_folder, check_output, plain_file

if TYPE_CHECKING:
    from flowcodec.training.engine import AnyTraining
    from flowcodec.training.recipe import Recipe

RECIPES = Path(flowcodec.__file__).parent / "training" / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))
EXAMPLES = f"""\b
Examples:
  flowcodec train my.toml --data photos/ --out runs/mine --minutes 60
  flowcodec train my.toml --data photos/ --bundle train.tar
  tar xf train.tar && sh flowcodec-training/train.sh     # on the other machine

\b
Recipes that come along:
  {f"{chr(10)}  ".join(NAMES)}
"""


@click.command(epilog=EXAMPLES)
@click.argument("recipe")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of what the recipe learns from: pictures and videos at any depth, data sets of"
    " known flow. Not needed to export alone.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for checkpoint, log and weights. Default: runs/ and the recipe's name.",
)
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: cuda where there is one, else cpu.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads. Default: torch's.")
@click.option("--minutes", type=Number(0, min_open=True), help="End this run after that.")
@click.option(
    "--export",
    "weights",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the weights to this file, even before the last step."
    " Default: weights.safetensors in the folder, after the last step.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Train nothing: pack recipe, package and pictures (and videos, where a recipe of flow has"
    " clips) into this tar file, to train elsewhere.",
)
@click.option(
    "--limit", type=Size(), default="60M", show_default=True, help="Largest size of the bundle."
)
def command(
    recipe: str,
    data: Path | None,
    folder: Path | None,
    device: str | None,
    threads: int | None,
    minutes: float | None,
    weights: Path | None,
    bundle: Path | None,
    limit: int,
) -> None:
    """Train a model as RECIPE says: a .toml file, or the name of one that comes along.

    Interrupted or killed, the same command goes on from the last checkpoint.
    """
    from flowcodec.training.recipe import find_recipe, load_recipe

    path = find_recipe(recipe)
    loaded = load_recipe(path)
    if bundle is not None:
        _bundle(path, data, bundle, limit)
        return
    folder = folder or Path("runs", path.stem)
    check_folder(folder)
    if weights is not None:
        check_output(weights, makes_folders=True)
        if plain_file(weights) is None:
            raise UsageError(
                f"{weights}: weights are read again when they are written: name a file"
            )
    if data is None and not (folder / "checkpoint.pt").exists():
        raise UsageError("give the folder to learn from: --data DIR")

    import torch

    from flowcodec.training.devices import device_called

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device_called(device)
    if threads is not None:
        torch.set_num_threads(threads)
    if data is None:
        training = _resumed(loaded, folder)
        if weights is None and training.step < loaded.total_steps:
            raise UsageError(
                f"{folder} stands at step {training.step} of {loaded.total_steps}: give --data to"
                " go on, or --export FILE for the weights so far"
            )
    else:
        from flowcodec.training.systems import open_training

        training = open_training(loaded, folder, device)
        _train(training, data, math.inf if minutes is None else 60 * minutes)
    finished = training.step == loaded.total_steps
    if not finished:
        steps = f"{training.step} of {loaded.total_steps}"
        print(f"Stopped at step {steps}; {printable(folder)} is saved.")
        print("The same command goes on from there.")
    if finished or weights is not None:
        _export(training, weights or folder / "weights.safetensors")


def _bundle(recipe: Path, data: Path | None, target: Path, limit: int) -> None:
    if data is None:
        raise UsageError("a bundle needs the folder to learn from: --data DIR")
    from flowcodec.training.bundle import FOLDER, pack_bundle

    check_output(target, makes_folders=True)

    made = pack_bundle(recipe, data, target, limit)
    print(
        f"{printable(target)}: {made.size:,} bytes with {made.packed} of {made.pictures} pictures"
        f" (limit {limit:,} bytes)"
    )
    print(f"On the other machine: tar xf {printable(target.name)} && sh {FOLDER}/train.sh")


def _resumed(recipe: Recipe, folder: Path) -> AnyTraining:
    from flowcodec.training.engine import RECIPE, note_recipe
    from flowcodec.training.systems import open_training

    note_recipe(recipe, folder / RECIPE)
    training: AnyTraining = open_training(recipe, folder)
    training.resume()
    return training


def _export(training: AnyTraining, target: Path) -> None:
    import json

    from flowcodec.codecs.systems import SYSTEMS
    from flowcodec.evaluation.work import card_of
    from flowcodec.media.files import atomic_write

    target.parent.mkdir(parents=True, exist_ok=True)
    digest = training.export(target)
    card = card_of(target, training.recipe.preset, getattr(training.recipe, "quality", None))
    with atomic_write(target.with_suffix(".json")) as file:
        file.write(json.dumps(card, indent=2).encode() + b"\n")
    print(f"{printable(target)}: weights {digest[:4].hex()}, after step {training.step}")
    example = {
        "picture": "encode photo.png --weights",
        "flow": "flow first.png second.png -o motion.flo --weights",
        "inter": "encode clip.mp4 --weights",
    }[SYSTEMS[card["model"]].kind]
    print(f"Use them: flowcodec {example} {printable(target)}")


def _train(training: AnyTraining, data: Path, seconds: float) -> None:
    """Train with a bar on stderr, or a line for each evaluation where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from flowcodec.training.engine import train

    console = Console(stderr=True, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with (
        _interruptible() as interrupted,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        reading = progress.add_task("reading", total=None, state="")
        total = training.recipe.total_steps
        steps = progress.add_task("training", total=total, state="", visible=False)
        usual: float | None = None

        def on_loading(done: int, total: int) -> None:
            progress.update(reading, completed=done, total=total, visible=done < total)

        def on_step(training: AnyTraining, loss: float) -> None:
            nonlocal usual
            if usual is None:
                progress.reset(steps, total=total, completed=training.step)
            usual = loss if usual is None else 0.98 * usual + 0.02 * loss
            speed = progress.tasks[steps].speed
            rate = f"{speed:.2f} steps/s  " if speed else ""
            progress.update(
                steps,
                completed=training.step,
                visible=True,
                state=f"{rate}loss {usual:.4f}",
            )

        def on_evaluation(training: AnyTraining, result: dict[str, list[float]]) -> None:
            text = f"step {training.step} of {total}: {training.describe(result)}"
            console.print(text, highlight=False)

        train(
            training,
            data,
            seconds=seconds,
            stop=interrupted,
            on_loading=on_loading,
            on_step=on_step,
            on_evaluation=on_evaluation,
        )


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """A function that says whether the run was asked to end.

    The first interruption is kept until the step in progress is whole; another one ends at once.
    """
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("Ending after this step; once more to end at once.", file=sys.stderr)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

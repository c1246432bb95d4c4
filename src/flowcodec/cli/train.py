"""`flowcodec train`: from a recipe and a folder of pictures to weights."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowcodec.cli.encode import Size
from flowcodec.errors import UsageError

if TYPE_CHECKING:
    from flowcodec.training.engine import Training
    from flowcodec.training.recipe import Recipe

EXAMPLES = """\b
Examples:
  flowcodec train image-cnn-mse --data photos/
  flowcodec train my.toml --data photos/ --out runs/mine --minutes 60
  flowcodec train image-cnn-mse --data photos/ --bundle train.tar
  tar xf train.tar && sh flowcodec-training/train.sh     # on the other machine
"""


@click.command(epilog=EXAMPLES)
@click.argument("recipe")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of pictures, sub-folders included. Not needed to export alone.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for checkpoint, log and weights. Default: runs/ and the recipe's name.",
)
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: cuda where there is one, else cpu.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads. Default: torch's.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="End this run after that.")
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
    help="Train nothing: pack recipe, pictures and package into this tar file, to train elsewhere.",
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
    if data is None and not (folder / "checkpoint.pt").exists():
        raise UsageError("give the folder of pictures to train on: --data DIR")

    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("no CUDA device is available; use --device cpu")
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
        seconds = math.inf if minutes is None else 60 * minutes
        training = _train(loaded, data, folder, device, seconds)
    finished = training.step == loaded.total_steps
    if not finished:
        print(f"Stopped at step {training.step} of {loaded.total_steps}; {folder} is saved.")
        print("The same command goes on from there.")
    if finished or weights is not None:
        _export(training, weights or folder / "weights.safetensors")


def _bundle(recipe: Path, data: Path | None, target: Path, limit: int) -> None:
    if data is None:
        raise UsageError("a bundle needs the folder of pictures to train on: --data DIR")
    from flowcodec.training.bundle import FOLDER, pack_bundle

    made = pack_bundle(recipe, data, target, limit)
    print(
        f"{target}: {made.size:,} bytes with {made.packed} of {made.pictures} pictures"
        f" (limit {limit:,} bytes)"
    )
    print(f"On the other machine: tar xf {target.name} && sh {FOLDER}/train.sh")


def _resumed(recipe: Recipe, folder: Path) -> Training:
    from flowcodec.training.engine import RECIPE, Training, note_recipe

    note_recipe(recipe, folder / RECIPE)
    training = Training(recipe, folder)
    training.resume()
    return training


def _export(training: Training, target: Path) -> None:
    from flowcodec.training.export import export

    target.parent.mkdir(parents=True, exist_ok=True)
    digest = export(training.average, training.recipe.metric, target)
    _write_card(training.recipe, target)
    print(f"{target}: weights {digest[:4].hex()}, after step {training.step}")
    print(f"Use them: flowcodec encode photo.png --weights {target}")


def _write_card(recipe: Recipe, target: Path) -> None:
    """The facts that `flowcodec models` shows, as JSON beside the weights."""
    import json

    from flowcodec.codecs.weights import load_weights
    from flowcodec.evaluation.work import work_of
    from flowcodec.media.files import atomic_write

    weights = load_weights(target)
    single = recipe.quality
    card = {
        "model": weights.model,
        "metric": weights.metric,
        "preset": recipe.preset,
        "file": target.name,
        "prior_hash": weights.exact_prior().hash[:4].hex(),
        "weights_hash": weights.hash[:4].hex(),
        **work_of(weights.config).as_json(),
        "qualities": [1, 8] if single is None else [single, single],
    }
    with atomic_write(target.with_suffix(".json")) as file:
        file.write(json.dumps(card, indent=2).encode() + b"\n")


def _train(recipe: Recipe, data: Path, folder: Path, device: str, seconds: float) -> Training:
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
        steps = progress.add_task("training", total=recipe.total_steps, state="", visible=False)
        usual: float | None = None

        def on_loading(done: int, total: int) -> None:
            progress.update(reading, completed=done, total=total, visible=done < total)

        def on_step(training: Training, loss: float) -> None:
            nonlocal usual
            if usual is None:
                progress.reset(steps, total=recipe.total_steps, completed=training.step)
            usual = loss if usual is None else 0.98 * usual + 0.02 * loss
            speed = progress.tasks[steps].speed
            rate = f"{speed:.2f} steps/s  " if speed else ""
            progress.update(
                steps,
                completed=training.step,
                visible=True,
                state=f"{rate}loss {usual:.4f}",
            )

        def on_evaluation(training: Training, result: dict[str, list[float]]) -> None:
            text = f"step {training.step} of {recipe.total_steps}: {summary(result)}"
            console.print(text, highlight=False)

        return train(
            recipe,
            data,
            folder,
            device=device,
            seconds=seconds,
            stop=interrupted,
            on_loading=on_loading,
            on_step=on_step,
            on_evaluation=on_evaluation,
        )


def summary(result: dict[str, list[float]]) -> str:
    """An evaluation in one line: rate and PSNR at the lowest, a middle and the highest quality."""
    points = list(zip(result["quality"], result["bpp"], result["psnr"], strict=True))
    shown = sorted({0, len(points) // 2, len(points) - 1})
    return "; ".join(
        f"q {quality:g} {bpp:.3f} bpp {psnr:.2f} dB"
        for quality, bpp, psnr in (points[index] for index in shown)
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

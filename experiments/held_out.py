"""Picture weights against others, by real files of the pictures that a training holds out.

    python -m experiments.held_out --data PICTURES --weights NEW.safetensors --json FILE

The pictures are those that recipes with the default of `held_out` and crops of 192 hold out. Two
sides of a trade are told: the objective of training, at some qualities, and bytes at equal PSNR.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TypedDict

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.weights import BUNDLED, load_weights
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.bd_rate import bd_rate
from flowcodec.evaluation.metrics import psnr
from flowcodec.evaluation.results import write_json
from flowcodec.quality import lambdas_of
from flowcodec.training.data.pictures import hold_out, load_pictures

CROP, COUNT = 192, 12  # of the bundled recipes
QUALITIES = range(1, 9)
OBJECTIVES = (2, 4, 6)  # qualities
RANGES = {"all": (27.5, 36.0), "low": (27.5, 30.0), "mid": (30.0, 33.5), "high": (33.5, 36.0)}


class Measured(TypedDict):
    """Of one set of weights: means over the pictures at each quality."""

    weights: str
    quality: list[int]
    bpp: list[float]
    psnr: list[float]
    objective: list[float]


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of pictures.")
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="To be judged.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    default=BUNDLED / "image-cnn-mse.safetensors",
    help="Default: the bundled MSE weights.",
)
@click.option("--threads", type=int, help="CPU threads. Default: torch's.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
def main(data: Path, weights: Path, against: Path, threads: int | None, json_path: Path) -> None:
    """Code what is held out with both, print and write objectives and BD-rates."""
    _, pictures = hold_out(load_pictures(data, CROP), COUNT)
    both = [measure(codec_of(path, threads), pictures) for path in (weights, against)]
    figures = compare(*both)
    write_json(json_path, figures)
    show(figures)


def codec_of(path: Path, threads: int | None) -> PictureCodec:
    """UsageError for weights whose objective is not the squared error."""
    weights = load_weights(path).of("image-cnn")
    if weights.metric != "mse":
        raise UsageError(f"{path}: weights for {weights.metric}; give those for mse")
    return PictureCodec(weights, threads=threads)


def measure(codec: PictureCodec, pictures: list[np.ndarray]) -> Measured:
    """Whole files of pictures (H, W, 3), at all qualities."""
    found: Measured = {
        "weights": codec.weights.hash[:4].hex(),
        "quality": list(QUALITIES),
        "bpp": [],
        "psnr": [],
        "objective": [],
    }
    for quality, weight in zip(QUALITIES, lambdas_of("mse"), strict=True):
        rates, decibels, errors = [], [], []
        for picture in pictures:
            coded = codec.encode(picture, quality)
            rates.append(8 * len(coded.data) / picture[:, :, 0].size)
            decibels.append(psnr(picture, coded.reconstruction))
            errors.append(np.square((coded.reconstruction.astype(float) - picture) / 255).mean())
        found["bpp"].append(float(np.mean(rates)))
        found["psnr"].append(float(np.mean(decibels)))
        found["objective"].append(float(np.mean(rates) + weight * np.mean(errors)))
    return found


def compare(ours: Measured, theirs: Measured) -> dict[str, Any]:
    """Both, and the BD-rate of the first against the second in percent, by range of PSNR."""
    curves = (ours["bpp"], ours["psnr"], theirs["bpp"], theirs["psnr"])
    rates: dict[str, float | str] = {}
    for name, (low, high) in RANGES.items():
        try:
            rates[name] = round(bd_rate(*curves, low, high), 2)
        except UsageError as error:
            rates[name] = f"none: {error}"
    return {"name": "Held-out pictures", "ranges": RANGES, "bd_rate": rates, "runs": [ours, theirs]}


def show(figures: dict[str, Any]) -> None:
    """Objectives, then BD-rates."""
    ours, theirs = figures["runs"]
    table = Table("quality", f"objective, {ours['weights']}", theirs["weights"])
    for quality in OBJECTIVES:
        at = ours["quality"].index(quality)
        table.add_row(f"{quality}", *(f"{run['objective'][at]:.4f}" for run in (ours, theirs)))
    console = Console()
    console.print(table)
    for name, rate in figures["bd_rate"].items():
        low, high = RANGES[name]
        told = rate if isinstance(rate, str) else f"{rate:+.2f} %"
        console.print(f"BD-rate, {name} ({low:g} to {high:g} dB): {told}")


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"held_out: error: {error}")

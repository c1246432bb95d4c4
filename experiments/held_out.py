"""Picture weights against others, by real files of the pictures that a training holds out.

    python -m experiments.held_out --data PICTURES --weights NEW.safetensors --json FILE

The pictures are those that recipes with the default of `held_out` and crops of 192 hold out. Two
sides of a trade are told: the objective of training, at some qualities, and bytes at equal PSNR.
Weights for 4:2:0 are judged, and whatever they are held against, by the planes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from flowcodec import yuv
from flowcodec.codecs.fidelity import error_by
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.systems import names_of
from flowcodec.codecs.weights import BUNDLED, load_weights
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.bd_rate import bd_rate
from flowcodec.evaluation.metrics import psnr, psnr_yuv
from flowcodec.evaluation.results import write_json
from flowcodec.quality import lambdas_of
from flowcodec.training.data.pictures import hold_out, load_pictures

CROP, COUNT = 192, 12  # of the bundled recipes
QUALITIES = range(1, 9)
OBJECTIVES = (2, 4, 6)  # qualities
Command = Callable[..., None]
RANGES = {  # of PSNR, by metric
    "mse": {"all": (27.5, 36.0), "low": (27.5, 30.0), "mid": (30.0, 33.5), "high": (33.5, 36.0)},
    "yuv": {"all": (31.0, 39.0), "low": (31.0, 33.0), "mid": (33.0, 36.5), "high": (36.5, 39.0)},
}


class Measured(TypedDict):
    """Of one set of weights: means over the pictures at each quality."""

    weights: str
    quality: list[int]
    bpp: list[float]
    psnr: list[float]
    objective: list[float]


def comparing(command: Command) -> Command:
    """Options of those who judge weights: the folder, these weights and the others."""
    for option in (
        click.option(
            "--against",
            type=click.Path(path_type=Path),
            default=BUNDLED / "image-cnn-mse.safetensors",
            help="Default: the bundled MSE weights.",
        ),
        click.option(
            "--weights", type=click.Path(path_type=Path), required=True, help="To be judged."
        ),
        click.option(
            "--data", type=click.Path(path_type=Path), required=True, help="Folder of pictures."
        ),
    ):
        command = option(command)
    return command


def held_out_of(data: Path) -> list[np.ndarray]:
    """The pictures (H, W, 3) of a folder that trainings hold out."""
    return hold_out(load_pictures(data, CROP), COUNT)[1]


@click.command()
@comparing
@click.option("--threads", type=int, help="CPU threads. Default: torch's.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True)
def main(data: Path, weights: Path, against: Path, threads: int | None, json_path: Path) -> None:
    """Code what is held out with both, print and write objectives and BD-rates."""
    pictures = held_out_of(data)
    codecs = [codec_of(path, threads) for path in (weights, against)]
    metric = codecs[0].weights.metric
    figures = compare(*(measure(codec, pictures, metric) for codec in codecs), metric)
    write_json(json_path, figures)
    show(figures)


def codec_of(path: Path, threads: int | None) -> PictureCodec:
    """UsageError for weights whose objective is not the squared error."""
    weights = load_weights(path)
    if weights.model not in names_of("picture"):
        raise UsageError(f"{path}: weights of {weights.model}, which codes no pictures")
    if weights.metric not in RANGES:
        raise UsageError(f"{path}: weights for {weights.metric}; give those for mse or yuv")
    return PictureCodec(weights, threads=threads)


def measure(codec: PictureCodec, pictures: list[np.ndarray], metric: str) -> Measured:
    """Whole files of pictures (H, W, 3), at all qualities, judged by RGB ("mse") or its planes."""
    found: Measured = {
        "weights": codec.weights.hash[:4].hex(),
        "quality": list(QUALITIES),
        "bpp": [],
        "psnr": [],
        "objective": [],
    }
    for quality, weight in zip(QUALITIES, lambdas_of(metric), strict=True):
        rates, decibels, errors = [], [], []
        for picture in pictures:
            coded = codec.encode(picture, quality)
            rates.append(8 * len(coded.data) / picture[:, :, 0].size)
            shown = coded.reconstruction
            if metric == "yuv":
                decibels.append(psnr_yuv(picture, yuv.eight_bits(shown)))
            else:
                decibels.append(psnr(picture, shown))
            error = error_by(metric, picture, shown)
            errors.append(error / (255**2 * picture[:, :, 0].size))
        found["bpp"].append(float(np.mean(rates)))
        found["psnr"].append(float(np.mean(decibels)))
        found["objective"].append(float(np.mean(rates) + weight * np.mean(errors)))
    return found


def compare(ours: Measured, theirs: Measured, metric: str) -> dict[str, Any]:
    """Both, and the BD-rate of the first against the second in percent, by range of PSNR."""
    curves = (ours["bpp"], ours["psnr"], theirs["bpp"], theirs["psnr"])
    rates: dict[str, float | str] = {}
    ranges = RANGES[metric]
    for name, (low, high) in ranges.items():
        try:
            rates[name] = round(bd_rate(*curves, low, high), 2)
        except UsageError as error:
            rates[name] = f"none: {error}"
    return {"name": "Held-out pictures", "ranges": ranges, "bd_rate": rates, "runs": [ours, theirs]}


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
        low, high = figures["ranges"][name]
        told = rate if isinstance(rate, str) else f"{rate:+.2f} %"
        console.print(f"BD-rate, {name} ({low:g} to {high:g} dB): {told}")


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"held_out: error: {error}")

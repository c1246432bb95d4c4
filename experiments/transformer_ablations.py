"""Table 7.7 of the thesis at one small budget: MHSRSA or MHSA, CGAM or a masked context, five
transformer blocks or six.

    python -m experiments.transformer_ablations --data PICTURES --json transformer-ablations.json

Every configuration has the chapter's stages, narrow, all qualities in one model and random weights
at the start; of one seed, all see the same crops at the same qualities for the same number of
steps. Judged on pictures held out of all, in PSNR and MS-SSIM at equal rate. The JSON is written
after every run; a command that was killed goes on with the runs that are missing, and one that
finds them all prints its tables without pictures.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

import flowcodec
from benchmarks.machine import cpu_name
from experiments import trials
from experiments.ablations import (
    HELD_OUT,
    Comparison,
    Run,
    compared,
    facts,
    gain_cells,
    judged,
    mean_spread,
    train_missing,
)
from experiments.curves import Curve, common, curve_of, psnr_gain
from experiments.trials import publish, table
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.results import write_json
from flowcodec.nn.distortion import distortion
from flowcodec.quality import ANCHORS
from flowcodec.training.image_cnn.recipe import ImageStage
from flowcodec.training.image_cnn.training import ImageTraining
from flowcodec.training.image_transformer.recipe import ImageTransformerRecipe

SIZES = {
    "stages": [16, 32, 48, 64, 96],
    "heads": [1, 2, 3, 4, 6],
    "latent": 48,
    "hyper": 16,
    "features": 48,
    "hidden": [64, 64],
}
CROP, BATCH = 128, 8  # a window of attention
FACTORS = {"CGAM": "masked", "MHSRSA": "MHSA", "6": "5"}
"""What is judged, and what it is judged against."""

PLAIN = "masked, MHSA, 5"

PRINTED = {  # FLOPs (10^9), parameters (10^6), PSNR and MS-SSIM (dB) on Kodak; no rate is printed
    "CGAM, MHSRSA, 5": (16.7, 27.3, 40.72, 27.41),
    "masked, MHSRSA, 5": (14.3, 25.6, 33.91, 22.53),
    "CGAM, MHSA, 5": (19.4, 37.1, 36.53, 24.81),
    "masked, MHSA, 5": (18.6, 35.7, 31.41, 21.14),
    "CGAM, MHSRSA, 6": (19.1, 34.3, 40.75, 27.42),
    "masked, MHSRSA, 6": (17.6, 31.8, 30.44, 20.31),
    "CGAM, MHSA, 6": (22.9, 41.5, 33.33, 21.81),
    "masked, MHSA, 6": (20.5, 39.2, 29.01, 19.65),
}


class Judged(Curve):
    """A curve with MS-SSIM, in dB of the mean."""

    ms_ssim_db: list[float]


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder of pictures.")
@click.option("--crops", type=click.IntRange(min=80), default=8_000, show_default=True)
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
    train_missing(figures, json_path, data, PRINTED, seeds, lambda *one: recipe(*one, crops), judge)
    figures["tables"] = tables(figures["runs"], seeds)
    write_json(json_path, figures)
    publish(as_markdown(figures), markdown)


def recipe(name: str, seed: int, crops: int) -> ImageTransformerRecipe:
    """How one configuration is trained: all of them alike but for what its name says."""
    context, attention, blocks = name.split(", ")
    half = int(SIZES["latent"]) // 2  # type: ignore[call-overload]
    return ImageTransformerRecipe(
        preset="paper",
        switches={
            **SIZES,
            "slices": [half, half] if context == "CGAM" else [2 * half],
            "first_half": 1 if context == "CGAM" else 0,
            "reduction": attention == "MHSRSA",
            "blocks_at_16": int(blocks) - 4,
        },
        stages=[
            ImageStage(steps=math.ceil(crops / BATCH), crop=CROP, batch=BATCH, lr=1e-3, lr_end=2e-5)
        ],
        start="random",
        seed=seed,
        warm_up=50,
        average=0.98,
        held_out=HELD_OUT,
    )


@torch.no_grad()
def judge(training: ImageTraining, held_out: list[np.ndarray]) -> Judged:
    """The averaged network on squares (H, W, 3)."""
    found = []
    for quality in range(1, ANCHORS + 1):
        distances = []
        for picture in held_out:
            x = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].float() / 255
            out = training.average(x, torch.tensor([float(quality)]), price=training.recipe.price)
            distances.append(float(distortion("ms-ssim", x, out.x_hat.clamp(0, 1))))
        found.append(round(-10 * math.log10(statistics.mean(distances)), 3))
    return {**curve_of(training, held_out), "ms_ssim_db": found}


def begun(path: Path, crops: int) -> dict[str, Any]:
    """The figures in the file so far, or none. UsageError if they are of another budget."""
    fresh = {
        "name": "Table 7.7 of the thesis at an equal small budget",
        "description": f"flowcodec {flowcodec.__version__}, {cpu_name()},"
        f" {torch.get_num_threads()} threads; rate is estimated",
        "budget": {"crops": crops, "crop": CROP, "batch": BATCH, **SIZES},
        "pictures": None,
        "runs": [],
    }
    return trials.begun(path, fresh)


def tables(runs: Sequence[Run], seeds: int) -> dict[str, Any]:
    """Every configuration against the plain one, and what each factor is worth on the mean of its
    four pairs; all over the rates that every run reaches."""
    runs = [run for run in runs if run["seed"] <= seeds]
    found: dict[str, Any] = {"seeds": seeds}
    for measure, key in (("psnr", "psnr"), ("ms_ssim", "ms_ssim_db")):
        curves: dict[tuple[str, int], Curve] = {
            (run["blocks"], run["seed"]): {**run["curve"], "psnr": run["curve"][key]}  # type: ignore[literal-required, typeddict-item]
            for run in runs
        }
        rates = common(list(curves.values()), "bpp")
        pairs = [(factor, FACTORS[factor], pairs_of(factor)) for factor in FACTORS]
        pairs += [(name, PLAIN, [(name, PLAIN)]) for name in PRINTED if name != PLAIN]
        comparisons = [comparison(*pair, curves, rates, seeds) for pair in pairs]
        found[measure] = judged(comparisons)
        found[f"{measure}_spread_db"] = round(mean_spread(comparisons), 3)
        found["bpp_range"] = rates
    found["configurations"] = [facts(name, recipe(name, 1, 80), runs) for name in PRINTED]
    return found


def comparison(
    of: str,
    against: str,
    pairs: Sequence[tuple[str, str]],
    curves: Mapping[tuple[str, int], Curve],
    rates: tuple[float, float],
    seeds: int,
) -> Comparison:
    """The mean gain of pairs of configurations, by seed."""
    means = [
        statistics.mean(psnr_gain(curves[a, seed], curves[b, seed], *rates) for a, b in pairs)
        for seed in range(1, seeds + 1)
    ]
    return compared(of, against, [round(mean, 3) for mean in means], None)


def pairs_of(factor: str) -> list[tuple[str, str]]:
    """The four combinations of the two others, with a factor and without."""
    return [
        (", ".join(parts), ", ".join(FACTORS[p] if p == factor else p for p in parts))
        for parts in product(*FACTORS.items())
        if factor in parts
    ]


def as_markdown(figures: Mapping[str, Any]) -> str:
    """The table with its budget, and what the thesis printed beside ours."""
    found, plan = figures["tables"], figures["budget"]
    facts_of = {one["of"]: one for one in found["configurations"]}
    gains = {measure: {one["of"]: one for one in found[measure]} for measure in ("psnr", "ms_ssim")}
    rows = []
    for name, (flops, parameters, psnr, similarity) in PRINTED.items():
        one = facts_of[name]
        work = one["kmac_per_pixel"]
        cells = [gain_cells(of[name])[:3] if name in of else ["", "", ""] for of in gains.values()]
        rows.append(
            [
                name,
                *cells[0],
                *cells[1],
                f"{one['bpp']:.3f} / {one['psnr']:.2f}",
                f"{one['parameters'] / 1000:.0f}",
                f"{work['encode']:.2f} / {work['decode']:.2f}",
                f"{1000 * one['seconds_a_step']:.0f}",
                f"{flops:g} / {parameters:g}",
                f"{psnr:.2f} / {similarity:.2f}",
            ]
        )
    low, high = found["bpp_range"]
    pictures = figures["pictures"]
    about = (
        f"{figures['description']}. Each run: {plan['crops']} crops of"
        f" {plan['crop']}x{plan['crop']} in batches of {plan['batch']}, of"
        f" {pictures['training']} pictures; stages of"
        f" {', '.join(map(str, plan['stages']))} channels, all qualities in one model, random"
        f" weights at the start. {found['seeds']} seeds. Judged on squares of"
        f" {pictures['held_out_side']} pixels from {pictures['held_out']} pictures held out. Gains"
        f" at equal rate from {low:.2f} to {high:.2f} bpp, mean over the seeds; spread: largest"
        " less smallest. A tie is a gain within its spread or the mean spread"
        f" ({found['psnr_spread_db']:.2f} dB of PSNR, {found['ms_ssim_spread_db']:.2f} of MS-SSIM),"
        " whichever is larger."
    )
    ours = ["configuration", "PSNR, dB", "spread", "", "MS-SSIM, dB", "spread", ""]
    ours += ["bpp / dB at quality 4", "parameters, thousands", "kMAC a pixel, encode / decode"]
    ours += ["ms a step", "thesis, 10^9 FLOPs / 10^6 parameters", "PSNR / MS-SSIM, dB"]
    effects = [
        [f"{factor} against {FACTORS[factor]}"]
        + [cell for of in gains.values() for cell in gain_cells(of[factor])[:3]]
        for factor in FACTORS
    ]
    return "\n\n".join(
        [
            about,
            "Table 7.7: gains over masked context, MHSA, five blocks (the thesis names no rate)",
            table(ours, rows),
            "What each adds, mean over the four combinations of the two others",
            table(["", *ours[1:7]], effects),
        ]
    )


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"transformer_ablations: error: {error}")

"""What the terminal and the report show as tables: means of a codec, and BD-rates."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from flowcodec.evaluation.bd_rate import MEASURES, Rates, Results
from flowcodec.evaluation.results import PSNRS, Evaluation, exact_pictures

_COLUMNS = {
    "bpp": ("bpp", 4),
    "psnr-rgb": ("PSNR dB", 2),
    "psnr-yuv": ("PSNR 4:2:0 dB", 2),
    "ms-ssim-rgb": ("MS-SSIM", 5),
    "ms-ssim-db-rgb": ("MS-SSIM dB", 2),
    "ssimulacra2": ("SSIMULACRA2", 2),
    "encoding_time": ("encode s", 3),
    "decoding_time": ("decode s", 3),
}

MISSING = dict.fromkeys(PSNRS, "exact")  # what a missing value means


@dataclass(frozen=True)
class Table:
    """Text by row and column, and what has to be said below it."""

    headings: list[str]
    rows: list[list[str]]
    notes: list[str]


def table_of_means(evaluation: Evaluation) -> Table:
    """The means of an evaluation, a row a quality."""
    points = table_of_points(evaluation["results"])
    qualities = [f"{quality:g}" for quality in evaluation["qualities"]]
    small = [lists for lists in evaluation["per_image"].values() if None in lists["ms-ssim-rgb"]]
    note = f"MS-SSIM needs sides of 161 pixels: {len(small)} smaller pictures are not in its mean."
    notes = [note] if small else []
    if exact := exact_pictures(evaluation):
        share = f"{len(exact)} of {len(evaluation['per_image'])}"
        notes.append(f"Pictures that came back exact, {share}, are not in the mean PSNR.")
    return Table(
        ["quality", *points.headings],
        [[quality, *row] for quality, row in zip(qualities, points.rows, strict=True)],
        notes,
    )


def table_of_points(results: Results) -> Table:
    """The lists of a curve side by side, as far as it has them, a row a point."""
    columns = {key: column for key, column in _COLUMNS.items() if key in results}
    lists = [
        [_number(value, digits, MISSING.get(key, "-")) for value in results[key]]
        for key, (_, digits) in columns.items()
    ]
    headings = [heading for heading, _ in columns.values()]
    return Table(headings, [list(row) for row in zip(*lists, strict=True)], [])


def table_of_rates(rates: Mapping[str, Rates]) -> Table:
    """BD-rates, a row for each codec that was compared with; notes say why one is missing."""
    rows, missing = [], defaultdict[str, list[str]](list)
    measures = {
        name: what
        for name, what in MEASURES.items()
        if any(name in rate for rate in rates.values())
    }
    for peer, rate in rates.items():
        means = [rate.get(measure, {}).get("mean") for measure in measures]
        rows.append([peer, *("-" if mean is None else f"{mean:+.1f} %" for mean in means)])
        for measure, mean in zip(measures, means, strict=True):
            if mean is None and measure in rate:
                missing[f"{measure}: {rate[measure]['reason']}."].append(peer)
    headings = [f"{what.title} {what.low:g}-{what.high:g}{what.unit}" for what in measures.values()]
    notes = [f"{', '.join(peers)}, {reason}" for reason, peers in missing.items()]
    for peer, rate in rates.items():
        for measure in rate:
            if without := rate[measure].get("without"):
                exact = f"without pictures that came back exact ({len(without)})"
                notes.append(f"{peer}, {measure}: {exact}.")
    return Table(["against", *headings], rows, notes)


def decibels(psnr: float) -> str:
    """A PSNR; "exact" where it is infinite."""
    return f"{psnr:.2f}" if math.isfinite(psnr) else "exact"


def _number(value: float | None, digits: int, missing: str) -> str:
    """A number with that many decimals; `missing` where there is none."""
    return missing if value is None else f"{value:.{digits}f}"

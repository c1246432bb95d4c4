"""`make bench`: how fast the codec is here, how much memory it takes, beside AVIF and WebP.

Seconds depend on the machine; the ratios and shares that stand beside them travel better.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import flowcodec
from benchmarks.machine import cpu_name
from flowcodec.errors import FlowcodecError


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="A picture, or a folder whose first one is taken. Default: a photograph of scikit-image.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Weights of your own (.safetensors). Default: the bundled ones.",
)
@click.option("--quality", default=4.0, show_default=True, help="Ours, from 1 to 8.")
@click.option("--threads", default=2, show_default=True, help="CPU threads of our codec.")
@click.option("--repeat", default=5, show_default=True, help="Runs; the fastest counts.")
@click.option("--large", is_flag=True, help="Code a picture of 50 megapixels as well (minutes).")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all figures to this file.",
)
def main(
    data: Path | None,
    weights: Path | None,
    quality: float,
    threads: int,
    repeat: int,
    large: bool,
    json_path: Path | None,
) -> None:
    """Measure speed and memory on one picture."""
    from benchmarks.coding import stage_shares, time_ours, time_peer
    from benchmarks.pictures import picture
    from benchmarks.processes import measure_large, time_start_up
    from flowcodec.evaluation.results import write_json

    name, pixels = picture(data)
    codec = flowcodec.load(weights=weights, threads=threads)
    ours = time_ours(codec, pixels, quality, repeat)
    timings = [ours, *(time_peer(a, pixels, ours["bytes"], repeat) for a in ("avif", "webp"))]
    options = ["--threads", str(threads)]
    options += ["--weights", str(weights.resolve())] if weights else []
    with tempfile.TemporaryDirectory() as folder:
        processes = time_start_up(pixels, options, quality, Path(folder), repeat)
        if large:
            processes += measure_large(pixels, options, quality, Path(folder))
    figures: dict[str, Any] = {
        "flowcodec": flowcodec.__version__,
        "machine": {
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "picture": {"name": name, "height": pixels.shape[0], "width": pixels.shape[1]},
        "quality": quality,
        "threads": threads,
        "coding": [
            {
                **timing,
                "bpp": 8 * timing["bytes"] / (pixels.shape[0] * pixels.shape[1]),
                "encode_ratio": ours["encode_seconds"] / timing["encode_seconds"],
                "decode_ratio": ours["decode_seconds"] / timing["decode_seconds"],
            }
            for timing in timings
        ],
        "shares": stage_shares(codec, pixels, quality, repeat),
        "processes": processes,
    }
    show(figures)
    if json_path is not None:
        write_json(json_path, figures)


def show(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    console = Console()
    about = figures["picture"]
    console.print(
        f"{about['name']}, {about['width']}x{about['height']}, quality {figures['quality']:g},"
        f" {figures['threads']} threads, {figures['machine']['cpu']}",
        highlight=False,
    )
    table = Table(title="Warm process; ratio: our seconds over theirs")
    for title in ("codec", "bytes", "bpp", "PSNR dB", "encode s", "ratio", "decode s", "ratio"):
        table.add_column(title, justify="left" if title == "codec" else "right")
    for row in figures["coding"]:
        table.add_row(
            row["codec"],
            str(row["bytes"]),
            f"{row['bpp']:.3f}",
            f"{row['psnr']:.2f}",
            f"{row['encode_seconds']:.3f}",
            f"{row['encode_ratio']:.2f}",
            f"{row['decode_seconds']:.3f}",
            f"{row['decode_ratio']:.2f}",
        )
    console.print(table)
    table = Table(title="Where our time goes")
    for title in ("stage", "encode", "decode"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    encode, decode = figures["shares"]["encode"], figures["shares"]["decode"]
    for stage in encode:
        table.add_row(stage, f"{encode[stage]:.1%}", f"{decode[stage]:.1%}")
    console.print(table)
    table = Table(title="Whole processes")
    for title in ("command", "seconds", "peak MB"):
        table.add_column(title, justify="left" if title == "command" else "right")
    for row in figures["processes"]:
        table.add_row(row["command"], f"{row['seconds']:.2f}", f"{row['peak_bytes'] / 1e6:.0f}")
    console.print(table)


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"benchmarks: error: {error}")

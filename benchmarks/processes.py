"""The installed command as whole processes: seconds and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from PIL import Image

from benchmarks.pictures import mosaic
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import Pixels

ROOT = Path(__file__).parents[1]
LARGE = (6144, 8192)  # 50.3 megapixels


class Process(TypedDict):
    """A command, the least of its seconds over some runs, and the largest of its peaks."""

    command: str
    seconds: float
    peak_bytes: int


def run_measured(name: str, words: Sequence[str], repeat: int) -> Process:
    """Run `flowcodec WORDS` `repeat` times. FlowcodecError when it fails."""
    command = [sys.executable, "-m", "flowcodec", *words]
    runs = []
    for _ in range(repeat):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.measured", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise FlowcodecError(f"flowcodec {' '.join(words)} failed: {run.stderr.strip()}")
        runs.append(json.loads(run.stdout))
    return {
        "command": name,
        "seconds": min(run["seconds"] for run in runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
    }


def time_start_up(
    pixels: Pixels, options: Sequence[str], quality: float, folder: Path, repeat: int
) -> list[Process]:
    """--help, info and a whole decode of a picture. `options`: --weights and --threads."""
    source, coded, decoded = (folder / name for name in ("in.ppm", "in.fci", "out.ppm"))
    Image.fromarray(pixels).save(source)
    run_measured("encode", encode_words(source, coded, quality, options), 1)
    return [
        run_measured("flowcodec --help", ["--help"], repeat),
        run_measured("flowcodec info", ["info", str(coded)], repeat),
        run_measured("flowcodec decode", decode_words(coded, decoded, options), repeat),
    ]


def measure_large(
    pixels: Pixels, options: Sequence[str], quality: float, folder: Path
) -> list[Process]:
    """Encode and decode a picture of 50 megapixels, once."""
    source, coded, decoded = (folder / name for name in ("large.ppm", "large.fci", "large.out.ppm"))
    Image.fromarray(mosaic(pixels, *LARGE)).save(source)
    size = f"{LARGE[0] * LARGE[1] / 1e6:.0f} megapixels"
    return [
        run_measured(f"encode {size}", encode_words(source, coded, quality, options), 1),
        run_measured(f"decode {size}", decode_words(coded, decoded, options), 1),
    ]


def encode_words(source: Path, coded: Path, quality: float, options: Sequence[str]) -> list[str]:
    """Arguments of `flowcodec` that encode."""
    return ["encode", str(source), "-o", str(coded), "-q", str(quality), "--quiet", *options]


def decode_words(coded: Path, decoded: Path, options: Sequence[str]) -> list[str]:
    """Arguments of `flowcodec` that decode."""
    return ["decode", str(coded), "-o", str(decoded), "--quiet", *options]

"""Whether another decoder sees what the encoder saw: `python -m experiments.video_exact --data V`.

A video is played to and fro for an I-frame and 95 P-frames in one group, coded here with two
threads, and decoded by another process: one thread, networks without kernels and fusions for this
processor, matrix products by SSE4.1. Its latents must be those of the hashes, or it fails; told is
by how many dB any frame of it is better or worse.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

import click
import numpy as np

import flowcodec
from benchmarks.machine import cpu_name
from benchmarks.otherwise import OPENBLAS
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.media.video import open_video

FRAMES = 96


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--metric", default="mse", show_default=True)
@click.option("--quality", default=4.0, show_default=True)
def main(data: Path, weights: Path | None, metric: str, quality: float) -> None:
    """Code, decode in another way, compare."""
    with open_video(data) as video:
        some = list(islice(video.frames, FRAMES // 2))
        format = video.format
    frames = list(islice(cycle([*some, *some[-2:0:-1]]), FRAMES))
    codec = flowcodec.load("video-mofnet", metric=metric, weights=weights, threads=2)
    with tempfile.TemporaryDirectory() as folder:
        coded, decoded = Path(folder, "a.fcv"), Path(folder, "b.y4m")
        with coded.open("wb") as stream:
            codec.write(enumerate(frames), format, stream, quality, gop=FRAMES)
        with coded.open("rb") as stream:
            here = [frame for _, frame in codec.read(stream)]
        words = ["decode", str(coded), "-o", str(decoded.with_suffix("")), "--threads", "1"]
        words += ["--weights", str(weights)] if weights else []
        command = [sys.executable, "-m", "benchmarks.otherwise", *words]
        run = subprocess.run(
            command, env={**os.environ, **OPENBLAS}, capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise FlowcodecError(f"the other decoder failed: {run.stderr.strip()}")
        with open_video(decoded.with_suffix("")) as video:
            there = list(video.frames)
    if len(there) != FRAMES:
        raise FlowcodecError(f"{FRAMES} frames were coded, {len(there)} came back")
    apart = [abs(psnr(f, a) - psnr(f, b)) for f, a, b in zip(frames, here, there, strict=True)]
    print(f"{cpu_name()}; {FRAMES} frames, quality {quality:g}: latents as hashed in every frame")
    print(f"largest difference {max(apart):.4f} dB; samples that differ: {share(here, there):.2e}")


def share(one: list[Pixels], two: list[Pixels]) -> float:
    """Of samples that are not equal."""
    return float(np.mean([np.mean(a != b) for a, b in zip(one, two, strict=True)]))


if __name__ == "__main__":
    main()

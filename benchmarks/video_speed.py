"""Speed, memory and overhead of video: `python -m benchmarks.video_speed [--data PHOTOGRAPH]`.

A window that moves over a photograph, inside it another one that moves the other way, and noise: no
frame is its prediction. P-frames of 416x240 a second, coded and decoded; bytes of a file in groups
of 12 beside the code of its frames; what is resident after 30 and after 150 frames of 1280x720, and
the most that was until then.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

import flowcodec
from benchmarks.machine import cpu_name
from benchmarks.pictures import mosaic, picture
from benchmarks.processes import ROOT
from flowcodec.bitstream.video_file import read_groups
from flowcodec.codecs.settings import thousandths
from flowcodec.codecs.video import VideoCodec
from flowcodec.evaluation.metrics import Pixels
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video

SMALL, LARGE = (240, 416), (720, 1280)
STEP = 3  # pixels a frame, in both directions
NOISE = 2.0  # of 255
GOP = 12
FPS = Fraction(25)
LENGTHS = (30, 150)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A picture or a folder.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--quality", default=4.0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--memory/--no-memory", default=True, show_default=True, help="The long part.")
def main(
    data: Path | None, weights: Path | None, quality: float, threads: int, memory: bool
) -> None:
    """Measure frames a second, bytes and memory."""
    _, pixels = picture(data)
    codec = flowcodec.load("video-mofnet", weights=weights, threads=threads)
    print(f"{cpu_name()}, {threads} threads, quality {quality:g}")
    frames = moving(pixels, *SMALL, 2 * GOP)
    encode, decode = rates(codec, frames, thousandths(quality))
    size = f"{SMALL[1]}x{SMALL[0]}"
    print(f"P-frames of {size} a second: {encode:.2f} coded, {decode:.2f} decoded")
    print(f"file overhead: {overhead(codec, frames, quality):.1f} bytes a frame, groups of {GOP}")
    if not memory:
        return
    with tempfile.TemporaryDirectory() as folder:
        source, coded, decoded = (Path(folder, name) for name in ("a.y4m", "a.fcv", "b.y4m"))
        with create_video(source, usual_format(LARGE[1], LARGE[0], FPS)) as video:
            for frame in moving(pixels, *LARGE, max(LENGTHS)):
                video.write(frame)
        for what, paths in (("encode", (source, coded)), ("decode", (coded, decoded))):
            words = [what, *map(str, paths), "--gop", str(GOP), "--threads", str(threads)]
            words += ["--weights", str(weights)] if weights else []
            print(f"{what} {LARGE[1]}x{LARGE[0]}: {memory_of(words)}")


def memory_of(words: list[str]) -> str:
    """What `benchmarks.resident` finds, called with these words, in a line."""
    command = [sys.executable, "-m", "benchmarks.resident", *words]
    for length in LENGTHS:
        command += ["--after", str(length)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found = json.loads(run.stdout)
    parts = []
    for what in ("resident", "peak"):
        first, last = (found[str(length)][f"{what}_bytes"] for length in LENGTHS)
        parts.append(f"{what} {first / 1e9:.4f} and {last / 1e9:.4f} GB ({last / first - 1:+.2%})")
    return f"after {LENGTHS[0]} and {LENGTHS[1]} frames {', '.join(parts)}"


def moving(pixels: Pixels, height: int, width: int, count: int) -> list[Pixels]:
    """Frames (height, width, 3): two windows that move over the picture, mirrored where it ends."""
    far = STEP * count
    large = mosaic(pixels, height + far, width + far)
    rng = np.random.default_rng(0)
    top, left = height // 3, width // 3
    frames = []
    for s in range(0, far, STEP):
        frame = rng.normal(0, NOISE, (height, width, 3))
        frame += large[s : s + height, s : s + width]
        inner = large[far - s :, far - s :][:top, :left]
        frame[top : 2 * top, left : 2 * left] = inner
        frames.append(frame.round().clip(0, 255).astype(np.uint8))
    return frames


def rates(codec: VideoCodec, frames: list[Pixels], quality: int) -> tuple[float, float]:
    """P-frames coded and decoded a second, after a first one of either."""
    start = codec.inter.start(codec.intra.encode(frames[0], quality / 1000).reconstruction)
    coded, state, seconds = [], start, []
    for frame in frames[1:]:
        begin = time.perf_counter()
        found, state = codec.inter.encode(frame, state, quality)
        seconds.append(time.perf_counter() - begin)
        coded.append(found)
    state, decoding = start, []
    for found in coded:
        begin = time.perf_counter()
        state = codec.inter.decode(found.data, found.hash, state, quality)
        decoding.append(time.perf_counter() - begin)
    count = len(coded) - 1
    return count / sum(seconds[1:]), count / sum(decoding[1:])


def overhead(codec: VideoCodec, frames: list[Pixels], quality: float) -> float:
    """Bytes a frame of a file that are not the code of its latents."""
    stream = io.BytesIO()
    codec.write(enumerate(frames), usual_format(SMALL[1], SMALL[0], FPS), stream, quality, gop=GOP)
    size = len(stream.getvalue())
    stream.seek(0)
    code = sum(frame.code_bytes for group in read_groups(stream)[1] for frame in group.frames)
    return (size - code) / len(frames)


if __name__ == "__main__":
    main()

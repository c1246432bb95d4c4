"""Speed and memory of flow: `python -m benchmarks.flow_speed [--data PHOTOGRAPHS]`.

Parameters and work of the presets; seconds of a 1024x436 pair, warm, beside OpenCV's DIS and
Farneback; the peak of a whole process for a pair of 3840x2160; scenes generated a second by two
processes of one thread.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

import flowcodec
from benchmarks.machine import cpu_name
from benchmarks.pictures import mosaic, picture
from benchmarks.processes import run_measured
from flowcodec.codecs.memory import keeping_freed_memory
from flowcodec.evaluation.flow.methods import flow_peer, our_method
from flowcodec.evaluation.metrics import Pixels
from flowcodec.evaluation.work import work_of
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.training.data.scenes import Scenes

PAIR = (436, 1024)
LARGE = (2160, 3840)
SHIFT = 8
SCENES, HEIGHT, WIDTH = 60, 384, 512


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A picture or a folder.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--threads", default=2, show_default=True)
@click.option("--repeat", default=5, show_default=True, help="Runs; the fastest counts.")
def main(data: Path | None, weights: Path | None, threads: int, repeat: int) -> None:
    """Measure seconds, memory and scenes a second."""
    _, pixels = picture(data)
    for preset in ("compact", "paper"):
        work = work_of("flow-deeppynet", PRESETS[preset])
        parameters, kmac = work.parameters, work.kmac["flow"]
        print(f"preset {preset}: {parameters / 1e6:.2f} M parameters, {kmac:.1f} kMAC a pixel")
    print(f"{cpu_name()}, {threads} threads")
    estimator = flowcodec.load("flow-deeppynet", weights=weights, threads=threads)
    methods = [our_method("flow-deeppynet", "", estimator)]
    methods += [flow_peer(name, threads) for name in ("dis-medium", "farneback")]
    first, second = shifted(pixels, *PAIR)
    for method in methods:
        seconds = min(timed(method.flow, first, second) for _ in range(repeat + 1))
        print(f"{method.name}: {seconds:.3f} s for {PAIR[1]}x{PAIR[0]}")
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder, name) for name in ("a.ppm", "b.ppm", "out.flo")]
        for pair_member, name in zip(shifted(pixels, *LARGE), names, strict=False):
            Image.fromarray(pair_member).save(name)
        words = ["flow", str(names[0]), str(names[1]), "-o", str(names[2])]
        words += ["--threads", str(threads)] + (["--weights", str(weights)] if weights else [])
        run = run_measured("flow", words, 1)
    print(f"{LARGE[1]}x{LARGE[0]}: {run['seconds']:.1f} s, {run['peak_bytes'] / 1e9:.2f} GB")
    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        spent = list(pool.map(generate, [pixels, pixels], [0, SCENES]))
    print(
        f"{sum(SCENES / seconds for seconds in spent):.1f} scenes of {WIDTH}x{HEIGHT} a second, two"
        f" processes ({time.perf_counter() - start:.1f} s with their start)"
    )


def shifted(pixels: Pixels, height: int, width: int) -> tuple[Pixels, Pixels]:
    """A pair of that size: the picture mirrored until it fills it, and moved by `SHIFT`."""
    large = mosaic(pixels, height + SHIFT, width + SHIFT)
    return large[:height, :width].copy(), large[SHIFT:, SHIFT:].copy()


def timed(flow: object, first: Pixels, second: Pixels) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    flow(first, second)  # type: ignore[operator]
    return time.perf_counter() - start


def generate(pixels: Pixels, begin: int) -> float:
    """Seconds of scenes on one thread, after a first one; memory is kept as in training."""
    torch.set_num_threads(1)
    photograph = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    scenes = Scenes([photograph], 1)
    with keeping_freed_memory():
        scenes.scene(begin, HEIGHT, WIDTH)
        start = time.perf_counter()
        for index in range(begin, begin + SCENES):
            scenes.scene(index, HEIGHT, WIDTH)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()

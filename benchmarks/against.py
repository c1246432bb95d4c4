"""Speed beside another checkout: `python -m benchmarks.against ../other [--data PICTURE]`.

Both do the same work in turn, so that what else the machine does meets both alike: a picture of
768x512 in warm processes of two threads, whole commands, and a video of 416x240 in groups of 12
with `-j 2`, or with two threads where a checkout has no `-j` for videos. Frames a second are of the
second half of the video: start-up is left out. Told are medians, and the median of the ratios.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import click
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.machine import cpu_name
from benchmarks.pictures import picture
from benchmarks.processes import ROOT
from benchmarks.video_speed import FPS, GOP, SMALL, moving
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import Pixels
from flowcodec.evaluation.results import write_json
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video

QUALITY, CORES = 4.0, 2
EACH = 5  # rounds of pictures to one of the video
LENGTHS = 2 * GOP, 4 * GOP  # frames: as many groups as cores, and twice as many


class Checkout:
    """A tree of this project whose code is run with this Python."""

    def __init__(self, root: Path, folder: Path):
        """`folder` is made, and takes what its commands write."""
        self.source, self.folder = (root / "src").resolve(), folder
        if not (self.source / "flowcodec").is_dir():
            raise FlowcodecError(f"{root} is no checkout of flowcodec: it has no src/flowcodec")
        folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        self.environment = {**kept, "PYTHONPATH": f"{self.source}{os.pathsep}{ROOT}"}

    def run(self, *words: str | Path) -> float:
        """Seconds of `flowcodec WORDS`; FlowcodecError where it fails."""
        command = [sys.executable, "-m", "flowcodec", *map(str, words)]
        start = time.perf_counter()
        run = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if run.returncode:
            raise FlowcodecError(f"{' '.join(command)} failed: {run.stderr.strip()}")
        return seconds

    @contextmanager
    def warm(self, path: Path) -> Iterator[Callable[[str], float]]:
        """A process that tells the seconds of "encode" and of "decode"."""
        words = [str(path), str(QUALITY), str(CORES)]
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.warm", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin and process.stdout
            ask, answer = process.stdin, process.stdout
            if not answer.readline().startswith(str(self.source)):
                raise FlowcodecError(f"the flowcodec that was started is not that of {self.source}")

            def seconds(what: str) -> float:
                print(what, file=ask, flush=True)
                return float(answer.readline())

            yield seconds
            ask.close()


Figures = dict[str, float]
Pairs = list[tuple[float, float]]
"""A figure of this checkout and of the other one, taken one after the other."""


@click.command()
@click.argument("other", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="A picture, or a folder whose first one is taken. Default: a photograph of scikit-image.",
)
@click.option("--rounds", default=3, show_default=True, help="Of the video.")
@click.option("--video/--no-video", default=True, show_default=True, help="The long part.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False))
def main(other: Path, data: Path | None, rounds: int, video: bool, json_path: Path | None) -> None:
    """Time this checkout and OTHER in turn, and print ratios."""
    name, pixels = picture(data)
    console = Console()
    console.print(f"{name}, quality {QUALITY:g}, {cpu_name()}", highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        trees = Checkout(ROOT, Path(folder, "this")), Checkout(other, Path(folder, "other"))
        pairs = {**warm(trees, pixels, EACH * rounds), **commands(trees, pixels, EACH * rounds)}
        if video:
            pairs.update(videos(trees, pixels, rounds))
    found = {what: summary(some) for what, some in pairs.items()}
    table = Table(title=f"This checkout against {other}")
    for title in ("what", "this", "other", "ratio"):
        table.add_column(title, justify="left" if title == "what" else "right")
    for what, row in found.items():
        table.add_row(what, *(f"{row[key]:.3f}" for key in ("this", "other", "ratio")))
    console.print(table)
    if json_path is not None:
        write_json(json_path, found)


def summary(pairs: Pairs) -> Figures:
    """Medians, of either and of the ratios."""
    ours, others = zip(*pairs, strict=True)
    ratios = [mine / theirs for mine, theirs in pairs]
    return {"this": median(ours), "other": median(others), "ratio": median(ratios)}


def in_turn(
    trees: tuple[Checkout, Checkout], work: Callable[[Checkout], Figures], count: int
) -> dict[str, Pairs]:
    """The figures of `work`, each `count` times; either checkout is first every other time."""
    pairs: dict[str, Pairs] = {}
    for number in range(count):
        found = {tree: work(tree) for tree in trees[:: (-1) ** number]}
        ours, others = (found[tree] for tree in trees)
        for what in ours:
            pairs.setdefault(what, []).append((ours[what], others[what]))
    return pairs


def warm(trees: tuple[Checkout, Checkout], pixels: Pixels, count: int) -> dict[str, Pairs]:
    """A picture in processes that run already."""
    path = trees[0].folder / "warm.png"
    Image.fromarray(pixels).save(path)
    with ExitStack() as stack:
        ask = {tree: stack.enter_context(tree.warm(path)) for tree in trees}

        def work(tree: Checkout) -> Figures:
            return {f"{what} a picture, warm, s": ask[tree](what) for what in ("encode", "decode")}

        return in_turn(trees, work, count)


def commands(trees: tuple[Checkout, Checkout], pixels: Pixels, count: int) -> dict[str, Pairs]:
    """Whole commands."""
    threads = ["--threads", str(CORES)]
    for tree in trees:
        Image.fromarray(pixels).save(tree.folder / "in.ppm")
        tree.run("encode", "in.ppm", "-o", "in.fci", "-q", str(QUALITY), "--quiet", *threads)

    def work(tree: Checkout) -> Figures:
        decode = tree.run("decode", "in.fci", "-o", "out.ppm", "--quiet", *threads)
        return {"flowcodec decode, s": decode, "flowcodec --help, s": tree.run("--help")}

    return in_turn(trees, work, count)


def videos(trees: tuple[Checkout, Checkout], pixels: Pixels, count: int) -> dict[str, Pairs]:
    """A video, as a whole and without what does not grow with it."""
    short, long = LENGTHS
    frames = moving(pixels, *SMALL, long)
    for tree in trees:
        for length in LENGTHS:
            path = tree.folder / f"{length}.y4m"
            with create_video(path, usual_format(SMALL[1], SMALL[0], FPS)) as video:
                for frame in frames[:length]:
                    video.write(frame)
    words = {
        "encode": ["-q", str(QUALITY), "--gop", str(GOP), "--quiet"],
        "decode": ["--quiet"],
    }
    names = {"encode": ("{}.y4m", "{}.fcv"), "decode": ("{}.fcv", "{}.out.y4m")}

    def seconds(tree: Checkout, what: str, length: int, options: Sequence[str]) -> float:
        source, target = (name.format(length) for name in names[what])
        return tree.run(what, source, "-o", target, *words[what], *options)

    options = {}
    for tree in trees:
        for what in names:
            options[tree, what] = ["-j", str(CORES)]
            try:
                seconds(tree, what, short, options[tree, what])
            except FlowcodecError:
                options[tree, what] = ["--threads", str(CORES)]
                seconds(tree, what, short, options[tree, what])

    def work(tree: Checkout) -> Figures:
        found = {}
        for what in names:
            few, many = (seconds(tree, what, length, options[tree, what]) for length in LENGTHS)
            found[f"{what} a video, frames a second"] = (long - short) / (many - few)
            found[f"{what} {long} frames, s"] = many
        return found

    return in_turn(trees, work, count)


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"against: error: {error}")

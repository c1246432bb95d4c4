"""`flowcodec flow`: motion between two pictures or over a video, as data or to look at."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowcodec.cli.flow_files import (
    BACKWARD,
    FORMATS,
    FORWARD,
    OCCLUDED,
    Put,
    Source,
    Target,
    frames_of_video,
    target_of,
    two_pictures,
)
from flowcodec.cli.measuring import Number, device_options, progress_bar, refuse_given
from flowcodec.cli.raw_planes import FrameRate
from flowcodec.cli.sources import refuse_coded, standard
from flowcodec.cli.streams import PIPE, note, report, warn
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from fractions import Fraction

    from flowcodec.cli.flow_files import Pixels, Vectors
    from flowcodec.codecs.flow import FlowEstimator

EXAMPLES = """\b
Examples:
  flowcodec flow a.png b.png -o flow.flo
  flowcodec flow a.png b.png -o flow.png --view colors --key
  flowcodec flow clip.mp4 -o flow --backward --consistency
  flowcodec flow clip.mp4 -o flow.mp4 --view overlay
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | flowcodec flow - -o - | ffplay -
"""


@dataclass(frozen=True)
class Facts:
    """What is told of a pair.

    mean, largest: lengths of the forward vectors, pixels. full_colour: the length drawn at full
    strength, or None. occluded: the hidden share of frame 1, or None. seconds: for the estimates.
    """

    name: str
    frames: tuple[int, int] | tuple[str, str]
    mean: float
    largest: float
    full_colour: float | None
    occluded: float | None
    seconds: float


@dataclass
class Total:
    """What is told of all pairs together."""

    pairs: int = 0
    largest: float = 0
    full_colour: float | None = None
    occluded: float = 0
    seconds: float = 0

    def add(self, facts: Facts) -> None:
        """Count one more pair."""
        self.pairs += 1
        self.largest = max(self.largest, facts.largest)
        self.full_colour = facts.full_colour
        self.occluded += facts.occluded or 0
        self.seconds += facts.seconds


@click.command(epilog=EXAMPLES)
@click.argument("inputs", nargs=-1, required=True, metavar="A B | VIDEO")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    help="A file for two pictures; a folder, .mp4 or .mkv for a video; - is y4m on standard"
    " output.",
)
@click.option(
    "--view",
    type=click.Choice(["colors", "overlay", "arrows"]),
    help="Draw the flow: in Middlebury's colours, these over the frame, or as arrows on it."
    " [default for OUT.mp4, OUT.mkv and -: colors]",
)
@click.option(
    "--largest",
    type=Number(0, min_open=True),
    metavar="PX",
    help="Length that --view draws in full colour. Default: what all but the fastest 0.5 % of"
    " some frame so far stay below, at least 1.",
)
@click.option(
    "--key", is_flag=True, help="Draw the key of the colours, and its length, into the corner."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([suffix[1:] for suffix in FORMATS]),
    help="How a folder holds flow. [default: flo]",
)
@click.option("--backward", is_flag=True, help="Write the flow from frame 2 to frame 1, too.")
@click.option(
    "--consistency",
    is_flag=True,
    help="Write a mask, too: 255 where a pixel of frame 1 is hidden in frame 2.",
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    metavar="N",
    help="Take every N-th frame of a video. [default: 1]",
)
@click.option(
    "--fps",
    type=FrameRate(),
    help="Frames a second of a folder, or of a raw stream such as .h264. [default: 25]",
)
@click.option(
    "--stream",
    type=click.IntRange(0),
    metavar="N",
    help="Which stream of a video file, as ffprobe counts them. [default: as ffmpeg]",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Weights of your own (.safetensors). Default: the bundled ones.",
)
@click.option("--model", metavar="NAME", help="Model of flow. Default: that of the weights.")
@device_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a pair, one a line.")
def command(
    inputs: tuple[str, ...],
    output: str,
    view: str | None,
    largest: float | None,
    key: bool,
    format_: str | None,
    backward: bool,
    consistency: bool,
    stride: int | None,
    fps: Fraction | None,
    stream: int | None,
    weights: Path | None,
    model: str | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Estimate motion between pictures or over a video.

    A and B are pictures of one size, from 16x16 pixels. VIDEO is a video file, a folder of
    pictures, or - for y4m on standard input. Flow maps pixels of frame 1 to frame 2: x to the
    right, y down, in pixels.

    For two pictures, OUT is flow (.flo, .npy, .npz, or .png, which then is 16-bit as KITTI has
    it) or, with --view, a picture. A folder gets a file a pair, named by the number of its first
    frame, from 000000. Backward flow and masks lie beside: in OUT-backward and OUT-occluded, or
    in folders backward and occluded. Outputs that exist are replaced.
    """
    if len(inputs) > 2:
        raise UsageError(f"give two pictures or one video, not {len(inputs)} inputs")
    inputs, output = tuple(standard(name, 0) for name in inputs), standard(output, 1)
    two = len(inputs) == 2
    if two:
        refuse_given("is for videos, not for two pictures", "stride", "fps", "stream")
    target = target_of(output, two, view, format_)
    if target.view in (None, "arrows"):
        for asked, told in ((largest is not None, "--largest sets"), (key, "--key tells")):
            if asked:
                raise UsageError(f"{told} the colours of a view; add --view colors or overlay")
    wanted = {FORWARD: True, BACKWARD: backward, OCCLUDED: consistency}
    layers = [layer for layer, asked in wanted.items() if asked]
    target.check(inputs, layers)
    if output == PIPE and as_json:
        raise UsageError("--json and the video cannot both go to standard output; give -o FILE")

    for name in inputs:
        if not os.path.isdir(name):
            refuse_coded(name)
    with ExitStack() as stack:
        if two:
            source = two_pictures(*inputs)
        else:
            source = stack.enter_context(frames_of_video(inputs[0], stride or 1, stream, fps))
        look = source.look
        from flowcodec.codecs.loading import flow_estimator

        estimator = flow_estimator(model, weights=weights, device=device, threads=threads)
        if min(look.width, look.height) < (least := estimator.model.smallest):
            raise UsageError(
                f"{source.name} is {look.width}x{look.height}; flow needs at least "
                f"{least}x{least} pixels"
            )
        put = stack.enter_context(target.open(source))
        # Where nobody knows how long the video is, the bar has no total.
        bar = progress_bar(source.count, "flow")
        advance = stack.enter_context(nullcontext(lambda: None) if two else bar)
        total = Total()
        for facts in _work(estimator, source, layers, Drawing(target.view, largest, key), put):
            total.add(facts)
            if as_json:
                print(json.dumps(dataclasses.asdict(facts)), flush=True)
            advance()
        if not total.pairs:
            apart = f" {stride} apart" if stride else ""
            raise UsageError(f"{source.name} has no two frames{apart}: there is no motion to see")
    for text in source.found.notes:
        note(source.name, text)
    for wrong in source.found.damage:
        warn(source.name, wrong)
    if not as_json:
        report(_summary(total, target, layers), to_stderr=output == PIPE)
    if source.found.damage:
        raise FlowcodecError(f"{source.name} is damaged; flow of {total.pairs} pairs was estimated")


def _work(
    estimator: FlowEstimator, source: Source, layers: list[str], drawing: Drawing, put: Put
) -> Iterator[Facts]:
    """Estimate and write every pair, and tell of each."""
    import numpy as np

    from flowcodec.media.flow_check import consistency

    second = None
    for pair in source.pairs:  # each begins with the frame that the one before ended with
        started = time.perf_counter()
        first = estimator.features(pair.first) if second is None else second
        second = estimator.features(pair.second)
        forward = estimator.flow_between(first, second)
        backward = estimator.flow_between(second, first) if len(layers) > 1 else None
        seconds = time.perf_counter() - started
        name = put(FORWARD, pair, drawing.of(pair.first, forward))
        hidden = None
        if backward is not None and BACKWARD in layers:
            put(BACKWARD, pair, drawing.of(pair.second, backward))
        if backward is not None and OCCLUDED in layers:
            hidden = consistency(forward, backward)
            put(OCCLUDED, pair, hidden[..., np.newaxis] * np.uint8(255))
        lengths = np.hypot(forward[..., 0], forward[..., 1])
        yield Facts(
            name=name,
            frames=pair.names,
            mean=round(float(lengths.mean()), 4),
            largest=round(float(lengths.max()), 4),
            full_colour=drawing.full_colour,
            occluded=None if hidden is None else round(float(hidden.mean()), 6),
            seconds=round(seconds, 4),
        )


class Drawing:
    """Turns the vectors of a frame into what is written: themselves, or a picture.

    Full colour stands for --largest, or for the greatest `largest_length` of all flow drawn so
    far: it only grows, so that nothing flickers and frames can be compared.
    """

    def __init__(self, view: str | None, largest: float | None, key: bool):
        self.view, self.largest, self.key = view, largest, key
        self.full_colour = largest

    def of(self, frame: Pixels, vectors: Vectors) -> Pixels | Vectors:
        """The picture, uint8 (H, W, 3), or `vectors` where nothing is to be drawn."""
        from flowcodec.media.flow_view import arrows, colors, largest_length, overlay, with_key

        if self.view is None:
            return vectors
        if self.view == "arrows":
            return arrows(frame, vectors)
        if self.largest is None:
            self.full_colour = max(self.full_colour or 0, round(largest_length(vectors), 4))
        full = self.full_colour
        assert full is not None
        overlaid = self.view == "overlay"
        drawn = overlay(frame, vectors, largest=full) if overlaid else colors(vectors, largest=full)
        return with_key(drawn, full) if self.key else drawn


def _summary(total: Total, target: Target, layers: list[str]) -> str:
    """One line on what was written where."""
    pairs = "" if target.kind == "file" else f" of {total.pairs} pair{'s' * (total.pairs > 1)}"
    facts = [f"flow{pairs} as {target.what}", f"up to {total.largest:.1f} px"]
    if total.full_colour is not None:
        facts.append(f"full colour at {total.full_colour:.3g} px")
    if OCCLUDED in layers:
        facts.append(f"{100 * total.occluded / total.pairs:.1f} % occluded")
    if target.kind != "file" and total.seconds > 0:
        facts.append(f"{total.pairs / total.seconds:.2f} pairs/s")
    hint = "; for a picture of it add --view colors" if target.what == FORMATS[".png"] else ""
    name = "standard output" if target.output == PIPE else printable(target.output)
    return f"{name}: {', '.join(facts)}{hint}"

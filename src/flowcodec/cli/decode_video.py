"""`flowcodec decode` of a `.fcv` file: frames to a video, a folder, or a pipe."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from flowcodec.bitstream.header import LOSSLESS_PSNR
from flowcodec.cli.encode_video import FCV, PART
from flowcodec.cli.measuring import progress_bar
from flowcodec.cli.streams import (
    PIPE,
    check_standard_output,
    printable,
    standard_input,
    standard_output,
)
from flowcodec.errors import FlowcodecError, FormatError, UsageError

if TYPE_CHECKING:
    from flowcodec.bitstream.video_file import Damage, Group, VideoHeader, VideoIndex
    from flowcodec.media.video import Frame, Video

FILE_SUFFIX = ".mp4"  # of the video beside a file, when no output is named


@dataclass(frozen=True)
class Options:
    """What to decode, and how."""

    weights: Path | None
    device: str
    threads: int | None
    start: float
    frames: int | None
    lossless: bool
    verify: Path | None
    as_json: bool
    quiet: bool


@dataclass
class Done:
    """What was decoded, and what was wrong with the file."""

    frames: int = 0
    damage: list[Damage] = field(default_factory=list)
    verified: int = 0  # groups


def is_video(source: str) -> bool:
    """Whether a file is a video of ours, by its name."""
    return source.lower().endswith((FCV, FCV + PART))


def decode(source: str, output: str | None, options: Options) -> None:
    """Decode one file; what is damaged is told, and the rest decodes."""
    from flowcodec.bitstream.video_file import open_index, read_groups
    from flowcodec.codecs.video import load_for_video, source_of
    from flowcodec.media.video import open_video
    from flowcodec.media.video_writing import create_video

    target = output or str(Path(source.removesuffix(PART)).with_suffix(FILE_SUFFIX))
    if output is None and Path(target).exists():
        raise UsageError(f"{target} is there already; name the output with -o")
    if target == PIPE:
        check_standard_output("a video")
    if target == PIPE and options.as_json:
        raise UsageError("--json and the video cannot both go to standard output; give -o FILE")
    started = time.perf_counter()
    done = Done()
    with ExitStack() as stack:
        stream = standard_input() if source == PIPE else stack.enter_context(open(source, "rb"))
        groups: Iterator[Group]
        if source == PIPE or not options.start:
            header, groups = read_groups(stream, done.damage.append)
            total = options.frames
        else:
            index = open_index(stream, done.damage.append)
            header, total = index.header, options.frames
            groups = from_time(index, options.start)
        codec = load_for_video(
            header, weights=options.weights, device=options.device, threads=options.threads
        )
        original = None
        if options.verify is not None:
            original = stack.enter_context(open_video(options.verify))
        opened: Path | BinaryIO = standard_output() if target == PIPE else Path(target)
        writer = stack.enter_context(
            create_video(opened, source_of(header), lossless=options.lossless)
        )
        bar = nullcontext(lambda: None) if options.quiet else progress_bar(total, "decoding")
        advance = stack.enter_context(bar)
        first = round(options.start / header.time_base)
        for group in groups:
            shown: list[Frame] | None = [] if original is not None else None
            for tick, frame in codec.decode(header, group, done.damage.append):
                if tick < first:
                    continue
                if options.frames is not None and done.frames == options.frames:
                    break
                writer.write(frame, tick)
                done.frames += 1
                advance()
                if shown is not None:
                    shown.append(frame)
            if shown is not None and original is not None and len(shown) == group.header.count:
                check(group, shown, original)
                done.verified += 1
            if options.frames is not None and done.frames == options.frames:
                break
        if not done.frames:
            what = "; ".join(map(str, done.damage)) or "there are no frames in that range"
            raise FormatError(f"{source}: nothing could be decoded: {what}")
    for damage in done.damage:
        print(f"flowcodec: warning: {printable(source)}: {damage}", file=sys.stderr)
    if not options.quiet:
        _tell(source, target, done, header, time.perf_counter() - started, options.as_json)
    if done.damage:
        raise FlowcodecError(f"{source} is damaged; {done.frames} frames were decoded")


def from_time(index: VideoIndex, seconds: float) -> Iterator[Group]:
    """The groups from the one that shows this time on."""
    start = index.group_at_time(round(seconds / index.header.time_base))
    for number in range(start, len(index.places)):
        yield index.read_group(number)


def check(group: Group, shown: list[Frame], original: Video) -> None:
    """FormatError unless a group is as near to the original as its encoder measured."""
    from flowcodec.codecs.video import VERIFY_DB, psnr_of, squared_error

    error = 0.0
    for frame in shown:
        reference = next(original.frames, None)
        if reference is None or reference.shape != frame.shape:
            raise FlowcodecError(f"{original.name} is not the original: it has other frames")
        error += squared_error(reference, frame)
    found = psnr_of(error, shown[0].size * len(shown))
    stored = group.header.psnr
    expected = math.inf if stored == LOSSLESS_PSNR else stored / 100
    if not np.isclose(found, expected, rtol=0, atol=VERIFY_DB):
        raise FormatError(
            f"group {group.header.number} has {found:.2f} dB, its encoder measured"
            f" {expected:.2f} dB"
        )


def _tell(
    source: str, target: str, done: Done, header: VideoHeader, seconds: float, as_json: bool
) -> None:
    out = sys.stderr if target == PIPE else sys.stdout
    if as_json:
        found = {
            "input": source,
            "output": target,
            "width": header.width,
            "height": header.height,
            "frames": done.frames,
            "seconds": round(seconds, 3),
            "damage": [str(damage) for damage in done.damage],
            "verified_groups": done.verified,
        }
        print(json.dumps(found), file=out, flush=True)
        return
    verified = f"  {done.verified} groups verified" if done.verified else ""
    print(
        f"{printable(source)} -> {printable(target)}  {header.width}x{header.height}"
        f"  {done.frames} frames  {done.frames / seconds:.1f} frames/s{verified}",
        file=out,
        flush=True,
    )

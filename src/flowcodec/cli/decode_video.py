"""`flowcodec decode` of a `.fcv` file: frames to a video, a folder, or a pipe."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flowcodec.cli.jobs import naming
from flowcodec.cli.measuring import progress_bar
from flowcodec.cli.planning import FCV, PART
from flowcodec.cli.sources import check_not_input, coded_kind, open_source
from flowcodec.cli.streams import PIPE, check_standard_output, note, report, standard_output, warn
from flowcodec.cli.verify_video import verification_by
from flowcodec.errors import FlowcodecError, FormatError, UsageError
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from flowcodec.bitstream.video_file import Damage, Group, VideoHeader, VideoIndex
    from flowcodec.bitstream.video_groups import Colour

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
    stream: int | None  # of the original
    as_json: bool
    quiet: bool


@dataclass
class Done:
    """What was decoded, and what was wrong with the file."""

    frames: int = 0
    groups: int = 0
    damage: list[Damage] = field(default_factory=list)
    verified: int | None = None  # groups, where that was asked for


def is_video(source: str) -> bool:
    """Whether a file is a video of ours: by its first bytes, or where they do not tell, by name."""
    if os.path.isdir(source):
        return False
    try:
        kind = coded_kind(source)
    except (FlowcodecError, OSError):  # whoever reads it will tell
        kind = None
    return kind == "video" or (kind is None and source.lower().endswith((FCV, FCV + PART)))


def decode(source: str, output: str | None, options: Options) -> None:
    """Decode one file; what is damaged is told, and the rest decodes."""
    from flowcodec.codecs.video import load_for_video, source_of
    from flowcodec.media.video.writing import create_video

    target = output or (PIPE if source == PIPE else beside(source))
    if output is None and target != PIPE and Path(target).exists():
        raise UsageError(f"{target} is there already; name the output with -o")
    if target == PIPE:
        check_standard_output("a video")
    if target == PIPE and options.as_json:
        raise UsageError("--json and the video cannot both go to standard output; give -o FILE")
    inputs = [source] if options.verify is None else [source, str(options.verify)]
    check_not_input(target, inputs)
    started = time.perf_counter()
    done = Done()
    with ExitStack() as stack:
        with naming(source):
            part = part_of(stack.enter_context(open_source(source)), options.start, done.damage)
        header, look = part.header, source_of(part.header, part.colour)
        opened: str | BinaryIO = standard_output() if target == PIPE else target
        writer = stack.enter_context(create_video(opened, look, lossless=options.lossless))
        verification = None
        if options.verify is not None:
            comparing = verification_by(options.verify, look, options.stream)
            verification = stack.enter_context(comparing)
        codec = load_for_video(
            header, weights=options.weights, device=options.device, threads=options.threads
        )
        bar = progress_bar(options.frames, "decoding")
        advance = stack.enter_context(nullcontext(lambda: None) if options.quiet else bar)
        for group in part.groups:
            decoded = codec.decode(header, group, done.damage.append)
            # Whole groups can be compared: one that is shown in part is decoded to its end.
            shown = verification.of(group, decoded) if verification else decoded
            for place, (tick, frame) in enumerate(shown, 1):
                late = part.first is None or tick >= part.first
                if late and done.frames != options.frames:
                    writer.write(frame, tick, duration_in(group, place))
                    done.frames += 1
                    advance()
                elif late and verification is None:
                    break
            done.groups += 1
            if done.frames == options.frames:
                break
        else:
            if verification is not None and not done.damage:
                verification.finish()
        if not done.frames:
            what = "; ".join(map(str, done.damage)) or "there are no frames in that range"
            raise FormatError(f"{source}: nothing could be decoded: {what}")
    for damage in done.damage:
        warn(source, damage)
    for text in () if options.quiet else writer.notes:
        note(target, text)
    if verification is not None:
        done.verified = verification.groups
    if not options.quiet:
        _tell(source, target, done, header, time.perf_counter() - started, options.as_json)
    unverified = ", and nothing could be verified" if done.verified == 0 else ""
    if any(not damage.harmless for damage in done.damage):
        raise FlowcodecError(f"{source} is damaged; {done.frames} frames were decoded{unverified}")


@dataclass(frozen=True)
class Part:
    """Groups to decode, of which frames are wanted from the tick `first` on; None: all of them."""

    header: VideoHeader
    groups: Iterator[Group]
    first: int | None
    colour: Colour | None


def part_of(stream: BinaryIO, start: float, damage: list[Damage]) -> Part:
    """What of a file is shown from so many seconds after its first frame on, wherever that was."""
    from flowcodec.bitstream.video_file import open_index, read_groups

    groups: Iterator[Group]
    if start and stream.seekable():
        index = open_index(stream, damage.append)
        origin = index.places[0].start if len(index.places) else 0
        first = origin + ticks(start, index.header)
        header, groups = index.header, groups_from(index, first)
        begin = next(groups, None)
    else:
        header, groups = read_groups(stream, damage.append)
        begin = next(groups, None)
        first = begin.header.start + ticks(start, header) if begin else 0
    if begin is not None:
        groups = itertools.chain([begin], groups)
    if start and not stream.seekable():
        groups = groups_after(groups, first)
    return Part(header, groups, first if start else None, begin.colour if begin else None)


def duration_in(group: Group, place: int) -> int | None:
    """For how many ticks the frame at a place, from 1, is shown; None where the group does not
    say it."""
    if place < len(group.frames):
        return group.frames[place].time - group.frames[place - 1].time
    return group.ending if group.whole else None


def beside(source: str) -> str:
    """The video beside a file, when no output is named."""
    path = Path(source)
    if path.suffix.lower() == PART:
        path = path.with_suffix("")
    return str(path.with_suffix(FILE_SUFFIX))


def ticks(seconds: float, header: VideoHeader) -> int:
    """A time in the ticks of a video."""
    return round(Fraction(seconds) / header.time_base)


def groups_from(index: VideoIndex, tick: int) -> Iterator[Group]:
    """The groups from the one that shows this time on."""
    for number in range(index.group_at_time(tick), len(index.places)):
        yield index.read_group(number)


def groups_after(groups: Iterator[Group], tick: int) -> Iterator[Group]:
    """The same of groups that come one after another."""
    held: Group | None = None
    for group in groups:
        if held is not None and group.header.start > tick:
            yield held
        held = group
    if held is not None:
        yield held


def _tell(
    source: str, target: str, done: Done, header: VideoHeader, seconds: float, as_json: bool
) -> None:
    if as_json:
        found = {
            "input": source,
            "output": target,
            "width": header.width,
            "height": header.height,
            "frames": done.frames,
            "seconds": round(seconds, 3),
            "damage": [str(damage) for damage in done.damage],
            "groups": done.groups,
            "verified_groups": done.verified,
        }
        report(json.dumps(found), to_stderr=target == PIPE)
        return
    verified = ""
    if done.verified is not None:
        verified = f"  {done.verified} of {done.groups} groups verified"
    report(
        f"{printable(source)} -> {printable(target)}  {header.width}x{header.height}"
        f"  {done.frames} frames  {done.frames / seconds:.1f} frames/s{verified}",
        to_stderr=target == PIPE,
    )

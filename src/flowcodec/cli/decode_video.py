"""`flowcodec decode` of a `.fcv` file: frames to a video, a folder, or a pipe."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flowcodec.cli.jobs import naming
from flowcodec.cli.measuring import progress_bar
from flowcodec.cli.planning import FCV, PART
from flowcodec.cli.process import as_worker
from flowcodec.cli.sources import check_not_input, coded_kind, open_source
from flowcodec.cli.streams import PIPE, check_standard_output, note, report, standard_output, warn
from flowcodec.errors import FlowcodecError, FormatError, UsageError
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from flowcodec.codecs.decoding import Decoding

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
    jobs: int
    as_json: bool
    quiet: bool


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
    from flowcodec.codecs.decoding import Decoding
    from flowcodec.codecs.seeking import open_part
    from flowcodec.codecs.verification import verification_by
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
    with ExitStack() as stack:
        with naming(source):
            part = open_part(stack.enter_context(open_source(source)), options.start)
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
        crew = stack.enter_context(codec.decoders(options.jobs, as_worker))
        done = Decoding(codec, part, options.frames, verification)
        for shown in stack.enter_context(closing(done.shown(crew))):
            writer.write(*shown)
            advance()
        if not done.frames:
            what = "; ".join(map(str, done.damage)) or "there are no frames in that range"
            raise FormatError(f"{source}: nothing could be decoded: {what}")
    for damage in done.damage:
        warn(source, damage)
    for text in () if options.quiet else writer.notes:
        note(target, text)
    if not options.quiet:
        _tell(source, target, done, time.perf_counter() - started, options.as_json)
    unverified = ", and nothing could be verified" if verified_groups(done) == 0 else ""
    if any(not damage.harmless for damage in done.damage):
        raise FlowcodecError(f"{source} is damaged; {done.frames} frames were decoded{unverified}")


def beside(source: str) -> str:
    """The video beside a file, when no output is named."""
    path = Path(source)
    if path.suffix.lower() == PART:
        path = path.with_suffix("")
    return str(path.with_suffix(FILE_SUFFIX))


def verified_groups(done: Decoding) -> int | None:
    """How many groups were verified, where that was asked for."""
    return None if done.verification is None else done.verification.groups


def _tell(source: str, target: str, done: Decoding, seconds: float, as_json: bool) -> None:
    header, groups = done.part.header, verified_groups(done)
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
            "verified_groups": groups,
        }
        report(json.dumps(found), to_stderr=target == PIPE)
        return
    verified = "" if groups is None else f"  {groups} of {done.groups} groups verified"
    report(
        f"{printable(source)} -> {printable(target)}  {header.width}x{header.height}"
        f"  {done.frames} frames  {done.frames / seconds:.1f} frames/s{verified}",
        to_stderr=target == PIPE,
    )

"""`flowcodec encode` of a video: frames to a `.fcv` file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcodec.cli.decibels import decibels, number
from flowcodec.cli.jobs import naming
from flowcodec.cli.measuring import progress_bar, refuse_given
from flowcodec.cli.planning import FCV
from flowcodec.cli.process import as_worker
from flowcodec.cli.sources import (
    check_name,
    check_not_input,
    input_kind,
    is_pipe,
    readable,
    refuse_coded,
)
from flowcodec.cli.streams import PIPE, check_standard_output, note, report, warn
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.formats import RAW_SUFFIX, VIDEO_SUFFIXES
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from fractions import Fraction

    from flowcodec.cli.part_file import Output
    from flowcodec.codecs.groups import Coders
    from flowcodec.codecs.pace import Pace
    from flowcodec.codecs.video import EncodedVideo, VideoCodec
    from flowcodec.media.video.format import Video, VideoFormat


@dataclass(frozen=True)
class Options:
    """How to encode: what `flowcodec.load` and `VideoCodec.write` are told."""

    model: str | None
    metric: str
    weights: Path | None
    device: str
    threads: int | None
    quality: float
    bpp: float | None
    size: int | None
    gop: int
    raw: VideoFormat | None
    fps: Fraction | None
    stream: int | None
    jobs: int
    as_json: bool
    quiet: bool

    @property
    def aims(self) -> bool:
        """Whether the file is to come to a size."""
        return self.size is not None or self.bpp is not None


def is_video(source: str, output: str | None) -> bool:
    """Whether an input is meant as a video: by the name of the output, or by what it is."""
    if output is not None and output.lower().endswith(FCV):
        return True
    suffix = Path(source).suffix.lower()
    if os.path.isdir(source) or suffix == RAW_SUFFIX:
        return suffix == RAW_SUFFIX
    try:
        return input_kind(source) == "video"
    except OSError:  # whoever reads it will tell
        return suffix in VIDEO_SUFFIXES


def encode(source: str, output: str | None, options: Options) -> None:
    """Encode one video, file, folder of frames or y4m pipe, and say what became of it."""
    from flowcodec.cli.part_file import video_output
    from flowcodec.codecs.loading import video_codec

    target = output or (PIPE if source == PIPE else str(Path(source).with_suffix(FCV)))
    if target == PIPE:
        check_standard_output("a video")
    if target == PIPE and options.as_json:
        raise UsageError("--json and the file cannot both go to standard output; give -o FILE")
    check_not_input(target, [source])
    if not os.path.isdir(source):
        refuse_coded(source)
    if target != PIPE:
        check_name(target, FCV)
    if is_pipe(source) and options.aims:
        raise UsageError("a target needs a video that can be read again, not a pipe")
    started = time.perf_counter()
    with video_output(target, again=options.aims) as opened:
        codec = video_codec(
            options.model,
            metric=options.metric,
            weights=options.weights,
            device=options.device,
            threads=options.threads,
        )
        with codec.coders(options.jobs, as_worker) as crew:
            work = Work(codec, crew, source, opened, options)
            done = work.to_size() if options.aims else work.once(options.quality)
    for wrong in work.damage:
        warn(source, wrong)
    if not options.quiet:
        found = _as_object(source, target, done, work.pixels)
        found |= {"notes": work.notes, "damage": work.damage}
        found["seconds"] = round(time.perf_counter() - started, 3)
        text = json.dumps(found) if options.as_json else _as_line(found)
        report(text, to_stderr=target == PIPE)
    if work.damage:
        raise FlowcodecError(f"{source} is damaged; {done.frames} frames were encoded")


@dataclass
class Work:
    """Coding one video to one output, as often as it takes.

    pixels: of a frame, once known. notes: what of the source does not come along, damage: what of
    it is missing or damaged, in words.
    """

    codec: VideoCodec
    crew: Coders
    source: str
    output: Output
    options: Options
    pixels: int = 0
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def once(self, quality: float | Pace) -> EncodedVideo:
        """Code it; what was coded before is forgotten."""
        options = self.options
        with opened_video(self.source, options) as video:
            silent = options.quiet or self.output.begun
            told = 0 if silent else tell_notes(video)
            self.pixels = video.width * video.height
            bar = progress_bar(video.count, "encoding")
            with nullcontext(lambda: None) if options.quiet else bar as advance:
                done = self.codec.write(
                    video.timed,
                    video.format,
                    self.output.start(),
                    quality,
                    gop=options.gop,
                    on_frame=advance,
                    ending=lambda: video.ending,
                    jobs=self.crew,
                )
            if not silent:
                tell_notes(video, told)
            self.notes, self.damage = video.notes, video.damage
        return done

    def to_size(self) -> EncodedVideo:
        """Code it until the file has at most the bytes that were asked for, and is near them."""
        from flowcodec.codecs.aiming import reach_video_size

        options = self.options
        with naming(self.source):
            try:
                found = reach_video_size(
                    self.codec,
                    lambda: opened_video(self.source, options),
                    self.once,
                    size=options.size,
                    bpp=options.bpp or 0.0,
                    gop=options.gop,
                    crew=self.crew,
                )
            except UsageError:
                self.output.start()  # nobody wants what is too large at any quality
                raise
        if found.short and not options.quiet:
            taken, limit = found.coded.bytes, found.limit
            note(self.source, f"quality 8, the highest, takes {taken:,} of the {limit:,} bytes")
        return found.coded


def tell_notes(video: Video, told: int = 0) -> int:
    """Print what of a video does not come along, but for what was told; how many that is now."""
    for text in video.notes[told:]:
        note(video.name, text)
    return len(video.notes)


@contextmanager
def opened_video(source: str, options: Options) -> Iterator[Video]:
    """A video that says what it is, or planes of the format that was given."""
    from flowcodec.media.video import open_raw, open_video

    with ExitStack() as stack:
        opened = stack.enter_context(readable(source))
        if options.raw is None:
            video = open_video(opened, stream=options.stream, fps=options.fps)
        else:
            refuse_given("is said by --raw itself", "stream", "fps")
            video = open_raw(opened, options.raw)
        yield stack.enter_context(video)


def _as_object(source: str, target: str, done: EncodedVideo, pixels: int) -> dict[str, Any]:
    return {
        "input": source,
        "output": target,
        "frames": done.frames,
        "bytes": done.bytes,
        "bpp": round(done.bytes * 8 / (pixels * done.frames), 6),
        "psnr": number(done.psnr),
    }


def _as_line(found: dict[str, Any]) -> str:
    psnr = decibels(found["psnr"])
    return (
        f"{printable(found['input'])} -> {printable(found['output'])}  {found['frames']} frames"
        f"  {found['bytes']:,} bytes  {found['bpp']:.3f} bpp  {psnr}"
        f"  {found['frames'] / found['seconds']:.1f} frames/s"
    )

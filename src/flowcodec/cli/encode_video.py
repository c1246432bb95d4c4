"""`flowcodec encode` of a video: frames to a `.fcv` file."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from flowcodec.cli.measuring import progress_bar
from flowcodec.cli.streams import (
    PIPE,
    check_standard_output,
    printable,
    standard_input,
    standard_output,
)
from flowcodec.errors import MediaError, UsageError
from flowcodec.media.formats import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from flowcodec.codecs.pace import Aim
    from flowcodec.codecs.video import EncodedVideo, VideoCodec
    from flowcodec.media.video_format import Frame, Video, VideoFormat

FCV = ".fcv"
RAW = ".yuv"
PART = ".part"
DEFAULT_GOP = 32  # frames
ATTEMPTS = 3  # at a size
SAMPLES, SAMPLED = 3, 6  # stretches of a video, and frames of each, that tell how size goes


@dataclass(frozen=True)
class Options:
    """How to encode: what `flowcodec.load` and `VideoCodec.write` are told."""

    metric: str
    weights: Path | None
    device: str
    threads: int | None
    quality: float
    bpp: float | None
    size: int | None
    gop: int
    raw: VideoFormat | None
    as_json: bool
    quiet: bool


def is_video(source: str, output: str | None) -> bool:
    """Whether an input is meant as a video: by its name, or by that of the output."""
    if output is not None and output.lower().endswith(FCV):
        return True
    return Path(source).suffix.lower() in (RAW, *VIDEO_SUFFIXES)


def encode(source: str, output: str | None, options: Options) -> None:
    """Encode one video, file, folder of frames or y4m pipe, and say what became of it."""
    import flowcodec

    target = output or (PIPE if source == PIPE else str(Path(source).with_suffix(FCV)))
    if target == PIPE:
        check_standard_output("a video")
    if target == PIPE and options.as_json:
        raise UsageError("--json and the file cannot both go to standard output; give -o FILE")
    if target != PIPE and source != PIPE and Path(target).resolve() == Path(source).resolve():
        raise UsageError(f"{target} is the input and would be overwritten; give another -o")
    if source != PIPE and not Path(source).exists():
        raise MediaError(f"cannot read {source}: there is no such file")
    started = time.perf_counter()
    codec = flowcodec.load(
        "video-mofnet",
        metric=options.metric,
        weights=options.weights,
        device=options.device,
        threads=options.threads,
    )
    aim = None
    if options.size is not None or options.bpp is not None:
        aim = aim_of(codec, source, options)
    opened = standard_input() if source == PIPE else Path(source)
    with appended(target) as stream:
        for last in range(1 if aim is None or target == PIPE else ATTEMPTS):
            with opened_video(opened, options.raw) as video:
                if not last:
                    for note in video.notes:
                        print(f"{printable(video.name)}: note: {note}", file=sys.stderr)
                pixels = video.format.width * video.format.height
                pace = options.quality if aim is None else aim.pace()
                bar = progress_bar(video.count, "encoding")
                with nullcontext(lambda: None) if options.quiet else bar as advance:
                    done = codec.write(
                        video.timed, video.format, stream, pace, gop=options.gop, on_frame=advance
                    )
            if aim is None or aim.met(done.bytes):
                break
            aim.correct(done.bytes)
            if target != PIPE and last + 1 < ATTEMPTS:
                stream.seek(0)
                stream.truncate()
    if options.quiet:
        return
    found = _as_object(source, target, done, pixels)
    found["seconds"] = round(time.perf_counter() - started, 3)
    text = json.dumps(found) if options.as_json else _as_line(found)
    print(text, file=sys.stderr if target == PIPE else sys.stdout, flush=True)


def aim_of(codec: VideoCodec, source: str, options: Options) -> Aim:
    """What a target means for this video: it is read once, and a sample of it coded."""
    from flowcodec.codecs.pace import Aim

    if source == PIPE:
        raise UsageError("a target needs a video that can be read again, not standard input")
    with opened_video(source, options.raw) as video:
        count = sum(1 for _ in video.timed)
        pixels = video.width * video.height
    if options.size is not None:
        target = float(options.size)
    else:
        target = (options.bpp or 0) * pixels * count / 8
    starts = sorted({count * part // SAMPLES for part in range(SAMPLES)})
    stretches: list[list[Frame]] = [[] for _ in starts]
    with opened_video(source, options.raw) as video:
        for number, frame in enumerate(video.frames):
            for start, stretch in zip(starts, stretches, strict=True):
                if start <= number < start + min(SAMPLED, options.gop):
                    stretch.append(frame)
    return Aim.of(codec.sizes, stretches, target, count, options.gop)


def opened_video(
    source: Path | str | BinaryIO, raw: VideoFormat | None
) -> AbstractContextManager[Video]:
    """A video that says what it is, or planes of the format that was given."""
    from flowcodec.media.video import open_raw, open_video

    return open_video(source) if raw is None else open_raw(source, raw)


@contextmanager
def appended(target: str) -> Iterator[BinaryIO]:
    """A stream to TARGET.part, which becomes TARGET in the end; or standard output.

    What is there when the block fails stays as TARGET.part: it decodes up to its last group.
    """
    if target == PIPE:
        output = standard_output()
        yield output
        output.flush()
        return
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    try:
        with part.open("wb") as stream:
            yield stream
        os.replace(part, path)
    except BaseException:
        if part.exists():
            print(f"What was coded so far is in {printable(part)}.", file=sys.stderr)
        raise


def _as_object(source: str, target: str, done: EncodedVideo, pixels: int) -> dict[str, Any]:
    return {
        "input": source,
        "output": target,
        "frames": done.frames,
        "bytes": done.bytes,
        "bpp": round(done.bytes * 8 / (pixels * done.frames), 6),
        "psnr": round(done.psnr, 4) if math.isfinite(done.psnr) else None,
    }


def _as_line(found: dict[str, Any]) -> str:
    psnr = "exact" if found["psnr"] is None else f"{found['psnr']:.2f} dB"
    return (
        f"{printable(found['input'])} -> {printable(found['output'])}  {found['frames']} frames"
        f"  {found['bytes']:,} bytes  {found['bpp']:.3f} bpp  {psnr}"
        f"  {found['frames'] / found['seconds']:.1f} frames/s"
    )

"""`flowcodec encode`: pictures to .fci files, at a quality or to meet a size or a PSNR.

Videos go their own way: `encode_video`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowcodec.bitstream.fields import MAX_GROUP_FRAMES
from flowcodec.bitstream.header import MAGIC
from flowcodec.cli import encode_video
from flowcodec.cli.decibels import decibels, number
from flowcodec.cli.jobs import Task, Teller, naming, output_file, run_jobs
from flowcodec.cli.measuring import Number, codec_options, jobs_option, refuse_given
from flowcodec.cli.planning import FCI, FCV, Job, plan, refuse_outputs
from flowcodec.cli.raw_planes import FrameRate, RawFormat
from flowcodec.cli.sources import check_name, looked_into, readable, refuse_coded, standard
from flowcodec.cli.streams import PIPE, check_standard_output, tell
from flowcodec.codecs.plan import DEFAULT_GOP
from flowcodec.codecs.rate_control import Target
from flowcodec.errors import UsageError
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from fractions import Fraction

    from flowcodec.codecs.picture import PictureCodec
    from flowcodec.codecs.rate_control import Trial
    from flowcodec.media.folders import Contents
    from flowcodec.media.video.format import VideoFormat

EXAMPLES = """\b
Examples:
  flowcodec encode photo.png
  flowcodec encode photo.png -q 6.5 -o small.fci
  flowcodec encode photo.png --target-size 40k
  flowcodec encode photos/ -o compressed/ -j 4
  cat photo.jpg | flowcodec encode - | ssh host 'cat > photo.fci'
  flowcodec encode clip.mp4 -o clip.fcv
  flowcodec encode frames/ -o clip.fcv -q 5 --gop 12
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | flowcodec encode - -o clip.fcv
  flowcodec encode planes.yuv --raw 416x240:420:50 -o clip.fcv
"""
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class Size(click.ParamType[int]):
    """Bytes, with decimal units: 40000, 40k, 1.5M."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes, at least 1."""
        text = str(value).strip().lower().removesuffix("b")
        number = text.rstrip("kmg")
        try:
            size = float(number) * UNITS[text[len(number) :]]
        except (ValueError, KeyError):
            self.fail(f"{value!r} is no size; write 40000, 40k or 1.5M", param, ctx)
        if not 1 <= size < 1e15:
            self.fail(f"{value!r}: a file has at least one byte", param, ctx)
        return int(size)


@dataclass(frozen=True)
class Options:
    """How to encode: what `flowcodec.load` and `PictureCodec.encode` are told, and the target."""

    model: str | None
    metric: str
    weights: Path | None
    device: str
    threads: int | None
    target: Target
    strip: bool
    tile: int
    quiet: bool


@dataclass(frozen=True)
class Report:
    """What became of one picture."""

    input: str
    output: str
    width: int
    height: int
    bytes: int
    psnr: float
    quality: float
    seconds: float
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]

    @property
    def bpp(self) -> float:
        """Bits a pixel, of the whole file."""
        return self.bytes * 8 / (self.width * self.height)


@click.command(epilog=EXAMPLES)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="File, or folder for several pictures; - is standard output. Default: beside the input.",
)
@click.option(
    "-q",
    "--quality",
    type=Number(1, 8),
    help="Any number from 1 (small) to 8 (good). [default: 4]",
)
@click.option(
    "--target-bpp",
    type=Number(0, min_open=True),
    help="At most so many bits a pixel, as near as it gets.",
)
@click.option("--target-size", type=Size(), help="At most so many bytes: 40000, 40k, 1.5M.")
@click.option(
    "--target-psnr",
    type=Number(0, min_open=True),
    help="At least so many dB, in as few bytes as it gets.",
)
@codec_options
@click.option(
    "--strip", is_flag=True, help="Leave out ICC profile, EXIF and XMP; other colours become sRGB."
)
@click.option(
    "--tile",
    type=int,
    default=1024,
    show_default=True,
    help="Side of the parts that are coded alone: a multiple of 64 pixels.",
)
@click.option(
    "--gop",
    type=click.IntRange(1, MAX_GROUP_FRAMES),
    default=DEFAULT_GOP,
    show_default=True,
    help="Videos: at most so many frames from one that stands alone to the next.",
)
@click.option(
    "--raw",
    type=RawFormat(),
    help="Videos: the input is planes of 8 bits without a header, such as 416x240:420:50; bt601, "
    "bt709 or bt2020, and full, may follow.",
)
@click.option(
    "--fps",
    type=FrameRate(),
    help="Videos: frames a second of a folder, or of a raw stream such as .h264, which have no"
    " times. [default: 25]",
)
@click.option(
    "--stream",
    type=click.IntRange(0),
    metavar="N",
    help="Videos: which stream of the file, as ffprobe counts them. [default: as ffmpeg, the"
    " largest, one that is marked as default before others]",
)
@jobs_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a file, one a line.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def command(
    inputs: tuple[str, ...],
    output: str | None,
    quality: float | None,
    target_bpp: float | None,
    target_size: int | None,
    target_psnr: float | None,
    model: str | None,
    metric: str,
    weights: Path | None,
    strip: bool,
    tile: int,
    gop: int,
    raw: VideoFormat | None,
    fps: Fraction | None,
    stream: int | None,
    jobs: int,
    device: str,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compress pictures to .fci files, videos to .fcv files.

    INPUT is a picture (PNG, JPEG, WebP, TIFF, AVIF, PPM), a folder, whose sub-folders are
    mirrored in OUT, or - for standard input. Outputs that exist are replaced. A target is met by
    coding the picture several times.

    Of a folder every picture is coded that could be named, hidden ones aside; what is left out is
    told in the end. Pictures of one name keep their suffix: a.png.fci, a.jpg.fci.

    A video is a file that ffmpeg knows, told by its first bytes, or, where OUT ends in .fcv, a
    folder of frames; one at a time. For a target a sample is coded first, and the whole again where
    it came out too large, or more than 5 % below.
    """
    goals = {
        "--quality": quality,
        "--target-bpp": target_bpp,
        "--target-size": target_size,
        "--target-psnr": target_psnr,
    }
    given = [name for name, value in goals.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one of them")
    inputs = tuple(standard(name, 0) for name in inputs)
    output = None if output is None else standard(output, 1)
    refuse_outputs(inputs, (FCI, FCV), "encode")
    for name in inputs:
        if Path(name).suffix.lower() in (FCI, FCV) and Path(name).is_file():
            refuse_coded(name)
    if raw is not None or any(encode_video.is_video(name, output) for name in looked_into(inputs)):
        if len(inputs) > 1:
            raise UsageError("a video is encoded alone; give one input")
        refuse_given("is for pictures, not for videos", "target_psnr", "strip", "tile")
        wanted = encode_video.Options(
            model=model,
            metric=metric,
            weights=weights,
            device=device,
            threads=threads,
            quality=4.0 if quality is None else quality,
            bpp=target_bpp,
            size=target_size,
            gop=gop,
            raw=raw,
            fps=fps,
            stream=stream,
            jobs=jobs,
            as_json=as_json,
            quiet=quiet,
        )
        encode_video.encode(inputs[0], output, wanted)
        return
    refuse_given("is for videos, not for pictures", "gop", "fps", "stream")
    if len(inputs) == 1:
        refuse_coded(inputs[0])  # before it is refused as an input that would be overwritten
    todo = plan(inputs, output, FCI, _contents)
    todo.check_outputs()
    if output is not None and output != PIPE and len(todo.jobs) == 1:
        check_name(todo.jobs[0].target, FCI)
    if todo.to_pipe:
        check_standard_output("a picture")
    if todo.to_pipe and as_json:
        raise UsageError("--json and the file cannot both go to standard output; give -o FILE")
    options = Options(
        model=model,
        metric=metric,
        weights=weights,
        device=device,
        threads=1 if threads is None and jobs > 1 else threads,
        target=Target(4.0 if quality is None else quality, target_bpp, target_size, target_psnr),
        strip=strip,
        tile=tile,
        quiet=quiet,
    )
    teller = Teller(_as_line, _as_object, as_json, quiet, todo.to_pipe)
    run_jobs(Task(options, _prepare, _encode), todo, jobs, teller, "encoding", "coded")


def _contents(folder: Path) -> Contents:
    from flowcodec.media.folders import contents_of, judge_picture
    from flowcodec.media.formats import READ_SUFFIXES

    def judge(path: Path, head: bytes) -> str | None:
        return "coded already" if head.startswith(MAGIC) else judge_picture(path, head)

    return contents_of(folder, READ_SUFFIXES, judge)


@lru_cache(maxsize=1)
def _codec(options: Options) -> PictureCodec:
    from flowcodec.codecs.loading import picture_codec

    return picture_codec(
        options.model,
        metric=options.metric,
        weights=options.weights,
        device=options.device,
        threads=options.threads,
    )


def _prepare(options: Options) -> None:
    _codec(options)


def _encode(options: Options, job: Job) -> Report:
    from flowcodec.codecs.rate_control import reach
    from flowcodec.media.picture import read_picture
    from flowcodec.media.stripping import stripped

    started = time.perf_counter()
    with naming(job.source):
        refuse_coded(job.source)
        with readable(job.source) as source:
            picture = read_picture(source)
        if options.strip:
            picture = stripped(picture)
        prepared = _codec(options).prepare(picture, tile=options.tile)
        on_trial = None if options.quiet else partial(_tell_trial, job.source)
        pixels = picture.width * picture.height
        found = reach(prepared.encode, options.target, pixels, on_trial)
    with output_file(job.target) as stream:
        stream.write(found.coded.data)
    return Report(
        input=job.source,
        output=job.target,
        width=picture.width,
        height=picture.height,
        bytes=len(found.coded.data),
        psnr=found.coded.psnr,
        quality=found.quality,
        seconds=time.perf_counter() - started,
        trials=found.trials,
        notes=picture.notes,
    )


def _tell_trial(name: str, trial: Trial) -> None:
    tell(
        f"{printable(name)}: tried q {trial.quality:g}: {trial.size:,} bytes,"
        f" {decibels(trial.psnr)}"
    )


def _as_object(report: Report) -> dict[str, Any]:
    return {
        "input": report.input,
        "output": report.output,
        "width": report.width,
        "height": report.height,
        "bytes": report.bytes,
        "bpp": round(report.bpp, 6),
        "psnr": number(report.psnr),
        "quality": report.quality,
        "seconds": round(report.seconds, 3),
        "trials": [
            {"quality": trial.quality, "bytes": trial.size, "psnr": number(trial.psnr)}
            for trial in report.trials
        ],
        "notes": list(report.notes),
    }


def _as_line(report: Report) -> str:
    return (
        f"{printable(report.input)} -> {printable(report.output)}  {report.width}x{report.height}"
        f"  {report.bytes:,} bytes  {report.bpp:.3f} bpp  {decibels(report.psnr)}"
        f"  q {report.quality:g}"
    )

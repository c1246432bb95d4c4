"""`flowcodec decode`: .fci files back to pictures; of .fcv files, see `decode_video`."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowcodec.bitstream.fields import MAGIC, file_kind
from flowcodec.cli import decode_video
from flowcodec.cli.decibels import decibels, number
from flowcodec.cli.jobs import Task, Teller, naming, output_file, run_jobs
from flowcodec.cli.measuring import Number, device_options, jobs_option, refuse_given
from flowcodec.cli.planning import FCI, FCV, PART, Job, plan, refuse_outputs
from flowcodec.cli.sources import (
    check_name,
    check_not_input,
    head_of,
    looked_into,
    open_source,
    standard,
)
from flowcodec.cli.streams import PIPE, check_standard_output
from flowcodec.errors import FlowcodecError, FormatError, UsageError
from flowcodec.media.formats import SUFFIXES, VIDEO_SUFFIXES, format_named, format_of
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from flowcodec.bitstream.picture_file import PictureFile
    from flowcodec.codecs.picture import PictureCodec
    from flowcodec.media.folders import Contents
    from flowcodec.media.formats import PictureFormat
    from flowcodec.media.picture import Picture

EXAMPLES = """\b
Examples:
  flowcodec decode photo.fci
  flowcodec decode photo.fci -o photo.webp
  flowcodec decode compressed/ -o pictures/ --format jpg -j 4
  flowcodec decode photo.fci -o back.png --verify photo.png
  flowcodec decode - --format png < photo.fci > photo.png
  flowcodec decode clip.fcv -o clip.mp4
  flowcodec decode clip.fcv -o frames/ --start 12.0 --frames 100
  flowcodec decode clip.fcv -o - | ffplay -
"""


@dataclass(frozen=True)
class Options:
    """How to decode. `format` is a picture format's name or None: the output's suffix tells."""

    weights: Path | None
    device: str
    threads: int | None
    format: str | None
    strip: bool
    verify: Path | None


@dataclass(frozen=True)
class Report:
    """What became of one file; `verified` is the PSNR in dB against the original, if asked for."""

    input: str
    output: str
    width: int
    height: int
    bytes: int
    quality: float
    seconds: float
    verified: float | None
    notes: tuple[str, ...]


@click.command(epilog=EXAMPLES)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="Picture, or folder for several; its suffix tells the format. Default: a PNG file"
    " beside the input, unless one is there.",
)
@click.option("--format", "format_", metavar="NAME", help="png, jpg, webp, tiff, avif or ppm.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Your own weights, a file or a folder of them, beside the bundled ones.",
)
@click.option(
    "--verify",
    metavar="ORIGINAL",
    type=click.Path(path_type=Path),
    help="Fail, and write nothing, unless the picture, or each group of the video that was decoded"
    " whole, is as near to ORIGINAL as its encoder measured.",
)
@click.option(
    "--stream",
    type=click.IntRange(0),
    metavar="N",
    help="Videos: which stream of ORIGINAL, where `encode` was told one.",
)
@click.option(
    "--strip", is_flag=True, help="Leave out ICC profile, EXIF and XMP; other colours become sRGB."
)
@click.option("--start", type=Number(0), help="Videos: begin at this time, in seconds.")
@click.option("--frames", type=click.IntRange(1), help="Videos: decode so many frames at most.")
@click.option(
    "--lossless", is_flag=True, help="Videos: write FFV1 to a .mkv file, instead of H.264."
)
@jobs_option
@device_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a file, one a line.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def command(
    inputs: tuple[str, ...],
    output: str | None,
    format_: str | None,
    weights: Path | None,
    verify: Path | None,
    stream: int | None,
    strip: bool,
    start: float | None,
    frames: int | None,
    lossless: bool,
    jobs: int,
    device: str,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn .fci files back into pictures, .fcv files into videos.

    INPUT is a .fci file, a folder, whose sub-folders are mirrored in OUT, or - for standard
    input. The weights are found by the hash that the file names.

    A .fcv file becomes a video (.mp4, .mkv, .y4m, .yuv), a folder of PNG frames, or y4m on
    standard output. Damage costs the frames of its group, and is told.
    """
    inputs = tuple(standard(name, 0) for name in inputs)
    output = None if output is None else standard(output, 1)
    refuse_outputs(inputs, (*SUFFIXES, *VIDEO_SUFFIXES), "decode")
    if any(decode_video.is_video(name) for name in looked_into(inputs)):
        if len(inputs) > 1:
            raise UsageError("a video is decoded alone; give one input")
        refuse_given("is for pictures, not for videos", "format_", "strip")
        if verify is None:
            refuse_given("is of the original that --verify names", "stream")
        wanted = decode_video.Options(
            weights=weights,
            device=device,
            threads=1 if threads is None and jobs > 1 else threads,
            start=start or 0.0,
            frames=frames,
            lossless=lossless,
            verify=verify,
            stream=stream,
            jobs=jobs,
            as_json=as_json,
            quiet=quiet,
        )
        decode_video.decode(inputs[0], output, wanted)
        return
    refuse_given("is for videos, not for pictures", "start", "frames", "lossless", "stream")
    suffix = format_named(format_).suffixes[0] if format_ else ".png"
    todo = plan(inputs, output, suffix, _contents)
    todo.check_outputs()
    if verify is not None and len(todo.jobs) > 1:
        raise UsageError("--verify compares one file with its original; decode one at a time")
    for job in todo.jobs:
        if job.target != PIPE and format_ is None:
            format_of(Path(job.target))
        elif job.target != PIPE and format_ is not None:
            check_name(job.target, *format_named(format_).suffixes)
        elif format_ is None:
            raise UsageError("name the format for standard output, such as --format png")
        # What lies beside the input under its name may well be the original.
        if output is None and job.target != PIPE and Path(job.target).exists():
            raise UsageError(f"{job.target} is there already; name the output with -o")
        if verify is not None:
            check_not_input(job.target, [str(verify)])
    if todo.to_pipe:
        check_standard_output("a picture")
    if todo.to_pipe and as_json:
        raise UsageError("--json and the picture cannot both go to standard output; give -o FILE")
    options = Options(
        weights=weights,
        device=device,
        threads=1 if threads is None and jobs > 1 else threads,
        format=format_,
        strip=strip,
        verify=verify,
    )
    teller = Teller(_as_line, _as_object, as_json, quiet, todo.to_pipe)
    run_jobs(Task(options, _prepare, _decode), todo, jobs, teller, "decoding", "decoded")


def _contents(folder: Path) -> Contents:
    from flowcodec.media.folders import WANTED, contents_of

    def judge(path: Path, head: bytes) -> str | None:
        video = path.name.lower().endswith((FCV, FCV + PART))
        if head.startswith(MAGIC):
            with suppress(FormatError):  # reading it will tell
                video = file_kind(head) == "video"
        elif not video:
            return None
        return "videos are decoded alone" if video else WANTED

    return contents_of(folder, (FCI,), judge)


def _prepare(options: Options) -> None:
    """Nothing: each file names its own weights."""


class Codecs:
    """The codecs that files of one call have asked for, by the hash of their weights."""

    def __init__(self, options: Options):
        self.options = options
        self.loaded: dict[bytes, PictureCodec] = {}

    def codec_for(self, file: PictureFile) -> PictureCodec:
        """The codec that a file needs, loaded once; WeightsError where its weights are not."""
        from flowcodec.codecs.picture import load_for

        options, wanted = self.options, file.header.weights_hash
        if wanted not in self.loaded:
            self.loaded[wanted] = load_for(
                file, weights=options.weights, device=options.device, threads=options.threads
            )
        return self.loaded[wanted]


_codecs = lru_cache(maxsize=1)(Codecs)


def _decode(options: Options, job: Job) -> Report:
    from flowcodec.bitstream.picture_file import parse_picture
    from flowcodec.media.picture import write_picture
    from flowcodec.media.stripping import stripped

    kind = format_named(options.format) if options.format else format_of(Path(job.target))

    started = time.perf_counter()
    with naming(job.source):
        file_kind(head_of(job.source))  # what is none of ours may go on for ever
        with open_source(job.source) as stream:
            data = stream.read()
        file = parse_picture(data)
        _check_fits(kind, job.target, file)
        picture = _codecs(options).codec_for(file).decode_parsed(file)
        verified = _verified(options.verify, file, picture) if options.verify else None
    if options.strip:
        picture = stripped(picture)
    encoded = BytesIO()
    with naming(job.target):
        notes = write_picture(picture, encoded, kind.name)
    with output_file(job.target) as stream:
        stream.write(encoded.getbuffer())
    return Report(
        input=job.source,
        output=job.target,
        width=picture.width,
        height=picture.height,
        bytes=len(data),
        quality=file.header.quality / 1000,
        seconds=time.perf_counter() - started,
        verified=verified,
        notes=(*picture.notes, *notes),
    )


def _check_fits(kind: PictureFormat, target: str, file: PictureFile) -> None:
    """Refuse before the pixels are decoded what the format of the output cannot hold."""
    from flowcodec.codecs.picture import read_alpha
    from flowcodec.media.picture import check_fits, is_transparent

    header = file.header
    name = "the picture" if target == PIPE else target
    alpha = not kind.alpha and is_transparent(read_alpha(file))
    check_fits(kind, name, header.height, header.width, gray=header.gray, alpha=alpha)


def _verified(original: Path, file: PictureFile, picture: Picture) -> float:
    """PSNR against the original, which must be what the encoder stored."""
    from flowcodec.codecs.picture import verify
    from flowcodec.media.picture import read_picture
    from flowcodec.media.stripping import stripped

    reference = read_picture(original)
    if file.icc is None and reference.icc is not None:
        reference = stripped(reference)  # as its encoder was told to
    if reference.pixels.shape != picture.pixels.shape:
        raise FlowcodecError(
            f"{original} is not the original: it is {_shape(reference)}, the file {_shape(picture)}"
        )
    return verify(picture, file.header, reference)


def _shape(picture: Picture) -> str:
    return f"{picture.width}x{picture.height} {'gray' if picture.gray else 'RGB'}"


def _as_object(report: Report) -> dict[str, Any]:
    found = {
        "input": report.input,
        "output": report.output,
        "width": report.width,
        "height": report.height,
        "bytes": report.bytes,
        "quality": report.quality,
        "seconds": round(report.seconds, 3),
        "notes": list(report.notes),
    }
    if report.verified is not None:
        found["psnr"] = number(report.verified)
    return found


def _as_line(report: Report) -> str:
    verified = "" if report.verified is None else f"  verified: {decibels(report.verified)}"
    return (
        f"{printable(report.input)} -> {printable(report.output)}  {report.width}x{report.height}"
        f"  {report.bytes:,} bytes  q {report.quality:g}{verified}"
    )

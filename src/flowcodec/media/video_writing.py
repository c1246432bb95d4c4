"""`create_video`: frames to a video file, raw planes, a folder of pictures, or a pipe of y4m."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from flowcodec.errors import MediaError
from flowcodec.media.files import atomic_write
from flowcodec.media.outputs import check_folder, hidden_name, plain_file
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video_format import (
    LEFT,
    MATRIX_TAGS,
    PIXELS,
    SHARED,
    Frame,
    Matrix,
    VideoFormat,
    from_rgb,
    planes_of,
)
from flowcodec.media.video_streams import ffmpeg_as_media_error

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}
"""Suffixes of the video files that are written, and what ffmpeg calls them."""

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}  # of mp4 in a pipe
H264 = {"crf": "16", "preset": "medium"}
Y4M_TAGS = {"gray": "mono", "420": "420mpeg2", "422": "422", "444": "444", "rgb": "444"}
PIXELS_OF_FFV1 = {**PIXELS, "rgb": "bgr0"}
TRANSFERS: dict[Matrix, ColorTrc] = {
    "bt601": ColorTrc.SMPTE170M,
    "bt709": ColorTrc.BT709,
    "bt2020": ColorTrc.BT2020_10,
}


class VideoWriter(Protocol):
    """What `create_video` gives."""

    def write(self, frame: Frame, tick: int | None = None) -> None:
        """Append one frame, uint8 (height, width, 3) RGB, shown from `tick` of the format's time
        base on; without it, a frame after the one before. MediaError where its shape differs."""


@contextmanager
def create_video(
    target: Path | str | BinaryIO, format: VideoFormat, *, lossless: bool = False
) -> Iterator[VideoWriter]:
    """A video that takes the place of `target` when the block ends without an error.

    By the end of a path's name: .mp4 or .mkv, H.264 (4:2:0, quality "crf" 16; odd sizes grow by one
    repeated column or row, since 4:2:0 needs even ones), or, lossless, FFV1 in .mkv in the format's
    own sampling; .y4m and .yuv, planes in the format's own sampling; no suffix, or a separator, a
    folder of PNG files. An open file gets y4m, frame by frame, and so does what is written through
    (`outputs`) and has no suffix. Where .mp4 cannot be wound back, it comes in fragments.

    Rate, times, aspect, matrix and range are kept where the kind of file can say them (FFV1 cannot
    say the aspect); y4m of RGB becomes 4:4:4 of limited range. A first time below 0 becomes 0, the
    others move with it.

    Raises MediaError where the suffix is another one, and where the file cannot be written; then
    nothing is left behind. A folder must not be there yet, or be empty.
    """
    if not isinstance(target, str | Path):
        if lossless:
            raise MediaError("lossless video goes into a .mkv file, not into a pipe")
        yield _PlaneWriter(target, format, header=True)
        target.flush()
        return
    path = Path(target)
    suffix = "" if str(target).endswith(os.sep) else path.suffix.lower()
    if lossless and suffix != ".mkv":
        raise MediaError(f"lossless video goes into a .mkv file, not {path}")
    if not suffix and plain_file(path) is None:
        suffix = ".y4m"
    if suffix in (".y4m", ".yuv"):
        with atomic_write(path) as stream:
            yield _PlaneWriter(stream, format, header=suffix == ".y4m")
    elif not suffix:
        with _new_folder(path) as folder:
            yield _FolderWriter(folder, format)
    elif suffix in CONTAINERS:
        with ffmpeg_as_media_error(f"cannot write {path}"), atomic_write(path) as stream:
            live = suffix == ".mp4" and not stream.seekable()
            options = FRAGMENTS if live else {}
            container = av.open(stream, "w", format=CONTAINERS[suffix], options=options)
            try:
                encoder = _Encoder(container, format, lossless)
                yield encoder
                encoder.finish()
            except BaseException:
                # The file is thrown away: that it cannot be completed is no news.
                with contextlib.suppress(OSError, av.FFmpegError):
                    container.close()
                raise
            container.close()
    else:
        raise MediaError(
            f"cannot tell a video format from the name {path};"
            " end it in .mp4, .mkv, .y4m or .yuv, or name a folder"
        )


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder whose files come to `path`, which must be free or empty, in the end."""
    check_folder(path)
    target = plain_file(path) or path
    there = target.exists()
    if there and any(target.iterdir()):
        raise MediaError(f"{path} is there already; name a new folder, or an empty one")
    # One that is there may be somebody's working folder or a mounted disk: it stays.
    scratch = hidden_name(target if there else target.parent)
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if there:
            for file in scratch.iterdir():
                os.replace(file, target / file.name)
            scratch.rmdir()
        else:
            os.replace(scratch, target)
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is not None:
            raise MediaError(f"cannot write {path}: {error.strerror}") from error
        raise


class _FolderWriter:
    def __init__(self, folder: Path, format: VideoFormat):
        self.folder, self.format = folder, format
        self.count = 0

    def write(self, frame: Frame, tick: int | None = None) -> None:
        if frame.shape != (self.format.height, self.format.width, 3):
            raise MediaError(f"a frame of this video has another size: {tuple(frame.shape)}")
        with (self.folder / f"{self.count:06d}.png").open("wb") as stream:
            write_picture(Picture(frame), stream, "PNG")
        self.count += 1


class _PlaneWriter:
    def __init__(self, target: BinaryIO, format: VideoFormat, *, header: bool):
        if header and format.sampling == "rgb":
            format = replace(format, sampling="444", full_range=False)
        self.target, self.format, self.header = target, format, header
        self.converter = VideoReformatter()
        if header:
            rate, aspect = format.fps, format.aspect
            kind = "FULL" if format.range == ColorRange.JPEG else "LIMITED"
            target.write(
                f"YUV4MPEG2 W{format.width} H{format.height} F{rate.numerator}:{rate.denominator}"
                f" Ip A{aspect.numerator}:{aspect.denominator} C{Y4M_TAGS[format.sampling]}"
                f" XCOLORRANGE={kind}\n".encode()
            )

    def write(self, frame: Frame, tick: int | None = None) -> None:
        planes = planes_of(from_rgb(frame, self.format, self.converter))
        if self.header:
            self.target.write(b"FRAME\n")
        self.target.write(planes)


class _Encoder:
    def __init__(self, container: OutputContainer, format: VideoFormat, lossless: bool):
        self.container = container
        self.format = format if lossless else replace(format, sampling="420")
        self.lossless = lossless
        self.converter = VideoReformatter()
        stream: VideoStream = (
            container.add_stream("ffv1", rate=format.fps, options=dict(LEFT))
            if lossless
            else container.add_stream("libx264", rate=format.fps, options=H264 | LEFT)
        )
        rows, columns = (1, 1) if lossless else SHARED["420"]
        stream.width = -(-format.width // columns) * columns
        stream.height = -(-format.height // rows) * rows
        stream.pix_fmt = PIXELS_OF_FFV1[self.format.sampling]
        context = stream.codec_context
        context.time_base = format.time_base
        context.sample_aspect_ratio = format.aspect
        if self.format.sampling != "rgb":
            # The primaries that go with a matrix have its number.
            context.colorspace = context.color_primaries = MATRIX_TAGS[format.matrix]
            context.color_trc = TRANSFERS[format.matrix]
            context.color_range = self.format.range
        self.stream = stream
        self.next = 0
        self.start: int | None = None
        self.step = max(1, round(1 / (format.fps * format.time_base)))

    def write(self, frame: Frame, tick: int | None = None) -> None:
        given = from_rgb(frame, self.format, self.converter, whole=not self.lossless)
        if self.lossless and self.format.sampling == "rgb":
            given = self.converter.reformat(given, format="bgr0")
        if self.start is None:
            self.start = min(0, tick or 0)  # a player skips what comes before 0
        time = self.next if tick is None else max(tick - self.start, self.next)
        given.pts, given.time_base = time, self.format.time_base
        self.next = time + (self.step if tick is None else 1)
        self.container.mux(self.stream.encode(given))

    def finish(self) -> None:
        self.container.mux(self.stream.encode(None))

"""`create_video`: frames to a video file, raw planes, a folder of pictures, or a pipe of y4m."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from flowcodec.errors import MediaError
from flowcodec.media.files import atomic_write
from flowcodec.media.formats import RAW_SUFFIX
from flowcodec.media.outputs import check_folder, hidden_name, plain_file
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import matroska
from flowcodec.media.video.format import (
    LEFT,
    MATRIX_TAGS,
    PIXELS,
    PRIMARIES,
    SHARED,
    TRANSFERS,
    Frame,
    VideoFormat,
    from_rgb,
    planes_of,
    usual_matrix,
)
from flowcodec.media.video.guarding import removed_if_killed
from flowcodec.media.video.matroska import ShapedFile
from flowcodec.media.video.planes import USUAL_FPS
from flowcodec.media.video.sink import Sink
from flowcodec.media.video.streams import ffmpeg_as_media_error

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}
"""Suffixes of the video files that are written, and what ffmpeg calls them."""

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}  # of mp4 in a pipe
H264 = {"crf": "16", "preset": "medium"}
Y4M_TAGS = {"gray": "mono", "420": "420mpeg2", "422": "422", "444": "444", "rgb": "444"}
PIXELS_OF_FFV1 = {**PIXELS, "rgb": "bgr0"}
PAL = 5  # the code of the primaries and of the matrix of 625 lines
SILENT = 2  # the code of primaries and transfers that are not stated
FRAME_DURATION = 1 << 8  # a flag of an encoder: packets take the durations of frames


class VideoWriter(Protocol):
    """What `create_video` gives.

    notes: what the kind of file does not hold of this video, in words; complete in the end.
    """

    @property
    def notes(self) -> list[str]: ...

    def write(self, frame: Frame, tick: int | None = None, duration: int | None = None) -> None:
        """Append one frame, uint8 (height, width, 3) RGB, shown from `tick` of the format's time
        base on; without it, a frame after the one before. The first is at 0, wherever it was, and
        the others move with it. The last is shown for `duration` ticks, or for the time of a frame.
        MediaError where its shape differs."""


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

    Rate, times, aspect and what colours mean are kept where the kind of file can say them, and the
    writer's notes tell where it cannot; y4m of RGB becomes 4:4:4 of limited range.

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
    if suffix in (".y4m", RAW_SUFFIX):
        with atomic_write(path) as stream:
            yield _PlaneWriter(stream, format, header=suffix == ".y4m")
    elif not suffix:
        with _new_folder(path) as folder:
            yield _FolderWriter(folder, format)
    elif suffix in CONTAINERS:
        with ffmpeg_as_media_error(f"cannot write {path}"), atomic_write(path) as stream:
            sink = Sink(stream)
            container = _container(sink, suffix, format, lossless)
            try:
                encoder = _Encoder(container, format, lossless, sink)
                yield encoder
                encoder.finish()
            except BaseException:
                # The file is thrown away: that it cannot be completed is no news.
                with contextlib.suppress(OSError, av.FFmpegError):
                    container.close()
                raise
            container.close()
            sink.check()
    else:
        raise MediaError(
            f"cannot tell a video format from the name {path};"
            " end it in .mp4, .mkv, .y4m or .yuv, or name a folder"
        )


def _container(sink: Sink, suffix: str, format: VideoFormat, lossless: bool) -> OutputContainer:
    options: dict[str, str] = {}
    file: Any = sink
    if suffix == ".mp4" and not sink.seekable():
        options = FRAGMENTS
    elif suffix == ".mkv" and format.aspect != 1:
        options = matroska.OPTIONS
        width, height = _coded_size(format, lossless)
        file = ShapedFile(sink, format.aspect * width / height)
    return av.open(file, "w", format=CONTAINERS[suffix], options=dict(options))


def _coded_size(format: VideoFormat, lossless: bool) -> tuple[int, int]:
    """Width and height of what is coded: H.264 takes whole squares of colour."""
    rows, columns = (1, 1) if lossless else SHARED["420"]
    return -(-format.width // columns) * columns, -(-format.height // rows) * rows


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
        with removed_if_killed(scratch):
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


class _Steady:
    """What holds frames at a steady rate; it notes what else there would be to hold."""

    def __init__(self, format: VideoFormat, kind: str, holds: tuple[str, ...]):
        self.format, self.kind, self.holds = format, kind, holds
        self.count = self.start = 0
        self.wavers = False
        self.duration: int | None = None

    @property
    def notes(self) -> list[str]:
        """What cannot be said of the frames so far."""
        format, step = self.format, self.format.ticks
        usual = format.matrix == usual_matrix(format.width, format.height)
        yuv = format.sampling not in ("rgb", "gray")
        lasts = self.duration is not None and _differ(self.duration, step, step)
        there = {
            "rate": (f"its rate ({format.fps} frames a second)", format.fps != USUAL_FPS),
            "times": ("the times of its frames, which have no steady rate", self.wavers),
            "ending": ("how long its last frame is shown", lasts),
            "aspect": (f"the shape of its pixels ({format.aspect})", format.aspect != 1),
            "matrix": (f"its matrix ({format.matrix})", yuv and not usual),
            "range": ("that its samples have the full range", yuv and format.full_range),
            "primaries": (f"its primaries ({format.primaries})", format.primaries is not None),
            "transfer": (f"its transfer ({format.transfer})", format.transfer is not None),
        }
        return [
            f"{self.kind} cannot say {words}"
            for what, (words, is_there) in there.items()
            if is_there and what not in self.holds
        ]

    def see(self, tick: int | None, duration: int | None) -> None:
        """One frame after the other."""
        step = self.format.ticks
        self.start = self.start if self.count else tick or 0
        if tick is not None and _differ(tick - self.start, self.count * step, step):
            self.wavers = True
        self.duration = duration
        self.count += 1


def _differ(ticks: int, others: Fraction, step: Fraction) -> bool:
    return abs(ticks - others) > max(Fraction(1), step / 2)


class _FolderWriter(_Steady):
    def __init__(self, folder: Path, format: VideoFormat):
        super().__init__(replace(format, sampling="rgb"), "a folder of pictures", ())
        self.folder = folder

    def write(self, frame: Frame, tick: int | None = None, duration: int | None = None) -> None:
        if frame.shape != (self.format.height, self.format.width, 3):
            raise MediaError(f"a frame of this video has another size: {tuple(frame.shape)}")
        with (self.folder / f"{self.count:06d}.png").open("wb") as stream:
            write_picture(Picture(frame), stream, "PNG")
        self.see(tick, duration)


class _PlaneWriter(_Steady):
    def __init__(self, target: BinaryIO, format: VideoFormat, *, header: bool):
        if header and format.sampling == "rgb":
            format = replace(format, sampling="444", full_range=False)
        kind = "y4m" if header else "a file of raw planes"
        super().__init__(format, kind, ("rate", "aspect", "range") if header else ())
        self.target, self.header = target, header
        self.converter = VideoReformatter()
        if header:
            rate, aspect = format.fps, format.aspect
            kind = "FULL" if format.range == ColorRange.JPEG else "LIMITED"
            target.write(
                f"YUV4MPEG2 W{format.width} H{format.height} F{rate.numerator}:{rate.denominator}"
                f" Ip A{aspect.numerator}:{aspect.denominator} C{Y4M_TAGS[format.sampling]}"
                f" XCOLORRANGE={kind}\n".encode()
            )

    def write(self, frame: Frame, tick: int | None = None, duration: int | None = None) -> None:
        planes = planes_of(from_rgb(frame, self.format, self.converter))
        if self.header:
            self.target.write(b"FRAME\n")
        self.target.write(planes)
        self.see(tick, duration)


class _Encoder:
    def __init__(self, container: OutputContainer, format: VideoFormat, lossless: bool, sink: Sink):
        self.container = container
        self.sink = sink
        self.format = format if lossless else replace(format, sampling="420")
        self.lossless = lossless
        self.notes: list[str] = []
        self.converter = VideoReformatter()
        stream: VideoStream = (
            container.add_stream("ffv1", rate=format.fps, options=dict(LEFT))
            if lossless
            else container.add_stream("libx264", rate=format.fps, options=H264 | LEFT)
        )
        stream.width, stream.height = _coded_size(format, lossless)
        stream.pix_fmt = PIXELS_OF_FFV1[self.format.sampling]
        context = stream.codec_context
        context.time_base = format.time_base
        context.sample_aspect_ratio = format.aspect
        context.flags |= FRAME_DURATION
        if self.format.sampling != "rgb":
            context.color_primaries = format.primaries or PRIMARIES[format.matrix]
            # BT.601 has a number for each of its two sets of primaries.
            pal = format.matrix == "bt601" and format.primaries == PAL
            context.colorspace = PAL if pal else MATRIX_TAGS[format.matrix]
            context.color_trc = format.transfer or TRANSFERS[format.matrix]
            context.color_range = self.format.range
        elif format.primaries or format.transfer:
            context.color_primaries = format.primaries or SILENT
            context.color_trc = format.transfer or SILENT
        if "matroska" in container.format.name and format.aspect != 1:
            stream.metadata["title"] = matroska.PLACEHOLDER
        self.stream = stream
        self.step = max(1, round(format.ticks))
        self.start: int | None = None
        self.first_decoded: int | None = None
        self.held: tuple[VideoFrame, int, int] | None = None  # its time, how long it is shown
        self.packet: Packet[VideoStream] | None = None  # the last one, not yet written

    def write(self, frame: Frame, tick: int | None = None, duration: int | None = None) -> None:
        given = from_rgb(frame, self.format, self.converter, whole=not self.lossless)
        if self.lossless and self.format.sampling == "rgb":
            given = self.converter.reformat(given, format="bgr0")
        before = None if self.held is None else self.held[1]
        if self.start is None:
            self.start = tick or 0
        if tick is not None:
            time = tick - self.start
            time = time if before is None else max(time, before + 1)
        else:
            time = 0 if before is None else before + self.step
        self._release(time)
        self.held = given, time, self.step if duration is None else duration

    def finish(self) -> None:
        """What is still held, and what the encoder still has."""
        if self.held is None:
            return
        end = self.held[1] + self.held[2]
        self._release(end)
        self._mux(self.stream.encode(None))
        if self.packet is not None and self.packet.dts is not None:
            # A file counts the durations of packets in the order of decoding.
            decoded = self.packet.dts - (self.first_decoded or 0)
            self.packet.duration = max(self.packet.duration or 0, end - decoded)
            self.container.mux(self.packet)
        self.sink.check()

    def _release(self, following: int) -> None:
        """Encode the frame that is held: now it is known how long it is shown."""
        if self.held is not None:
            frame, time, _ = self.held
            frame.pts, frame.time_base = time, self.format.time_base
            frame.duration = following - time
            self._mux(self.stream.encode(frame))

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if self.packet is not None:
                self.container.mux(self.packet)
            elif packet.dts is not None:
                self.first_decoded = packet.dts
            self.packet = packet
        self.sink.check()

"""The frames of a container that ffmpeg opened: their colours, times and rotation."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from flowcodec.errors import MediaError
from flowcodec.media.video_format import (
    LEFT,
    MATRICES,
    Frame,
    Matrix,
    Timed,
    Video,
    VideoFormat,
    losses,
    sampling_of,
    to_rgb,
    usual_matrix,
)
from flowcodec.media.video_planes import USUAL_FPS

DisplayMatrix = tuple[int, int, int, int]  # a, b, c, d: x is shown at a x + c y, y at b x + d y

SILENT = ("libdav1d", "vp9")  # decoders that do not say where samples of colour stand
HIGH_RANGES: dict[int, str] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}


def read_container(container: InputContainer, name: str) -> Video:
    """The first video of a container: its first frame tells what the others are.

    MediaError where it has none, or no frame.
    """
    # ffmpeg would draw a text file, letter by letter.
    if not container.streams.video or container.format.name == "tty":
        raise MediaError(f"{name} holds no video")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    if stream.codec_context.name in SILENT:
        stream.codec_context.options = dict(LEFT)
    fps = stream.average_rate or stream.guessed_rate or USUAL_FPS
    decoded = _decoded(container, name)
    first = next(decoded, None)
    if first is None:
        raise MediaError(f"{name} holds no frame")
    # Of the first frame alone: one that was asked for what lies beside it is never freed.
    turned = _display_matrix(first)
    matrix = MATRICES.get(int(first.colorspace), usual_matrix(first.width, first.height))
    upright = abs(turned[0]) >= abs(turned[1])
    width, height = (first.width, first.height) if upright else (first.height, first.width)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    format = VideoFormat(
        width=width,
        height=height,
        fps=fps,
        sampling=sampling_of(first.format),
        matrix=matrix,
        full_range=first.color_range == ColorRange.JPEG or first.format.name.startswith("yuvj"),
        aspect=aspect if upright else 1 / aspect,
        time_base=stream.time_base or 1 / fps,
    )
    notes = _notes(container, first)
    frames = itertools.chain([first], decoded)
    timed = of_one_size(_shown(name, frames, matrix, turned), height, width)
    return Video(name, format, _count(container, stream, fps), timed, notes)


def of_one_size(named: Iterable[tuple[str, Timed]], height: int, width: int) -> Iterator[Timed]:
    """Frames without their names; MediaError, with its name, for one of another size."""
    for name, (tick, frame) in named:
        if frame.shape[:2] != (height, width):
            raise MediaError(
                f"{name} is {frame.shape[1]}x{frame.shape[0]}, the frames before it are "
                f"{width}x{height}: all must have one size"
            )
        yield tick, frame


@contextmanager
def ffmpeg_as_media_error(what: str) -> Iterator[None]:
    """Turn ffmpeg's errors in the block, and no others, into a MediaError that begins so."""
    try:
        yield
    except av.FFmpegError as error:
        raise MediaError(f"{what}: {error.strerror or error}") from error


def _notes(container: InputContainer, first: VideoFrame) -> tuple[str, ...]:
    """What of a file does not come along."""
    streams = container.streams
    dropped = {
        "sound": len(streams.audio),
        "subtitles": len(streams.subtitles),
        "further video": len(streams.video) - 1,
    }
    notes = [
        f"its {what} {'is' if what != 'subtitles' else 'are'} left out"
        for what, count in dropped.items()
        if count
    ]
    notes += losses(first.format)
    high = HIGH_RANGES.get(first.color_trc)
    if high:
        notes.append(f"its high dynamic range ({high}) is shown as if it were the usual one")
    return tuple(notes)


def _decoded(container: InputContainer, name: str) -> Iterator[VideoFrame]:
    with ffmpeg_as_media_error(f"cannot read {name}"):
        yield from container.decode(container.streams.video[0])


def _shown(
    name: str, frames: Iterable[VideoFrame], matrix: Matrix, turned: DisplayMatrix
) -> Iterator[tuple[str, Timed]]:
    converter = VideoReformatter()
    last: int | None = None
    for number, frame in enumerate(frames):
        tick = frame.pts
        if tick is None or (last is not None and tick < last):
            tick = 0 if last is None else last
        last = tick
        with ffmpeg_as_media_error(f"cannot read {name}"):
            pixels = to_rgb(frame, matrix, converter)
        yield f"frame {number} of {name}", (tick, _upright(pixels, turned))


def _count(container: InputContainer, stream: VideoStream, fps: Fraction) -> int | None:
    if stream.frames:
        return stream.frames
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * fps)
    if container.duration:
        return round(Fraction(container.duration, av.time_base) * fps)
    return None


def _display_matrix(frame: VideoFrame) -> DisplayMatrix:
    beside: Mapping[str, Any] = frame.side_data
    data = beside.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def _upright(pixels: Frame, matrix: DisplayMatrix) -> Frame:
    """Apply the display matrix, turned to the next right angle."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        pixels = pixels.transpose(1, 0, 2)
        across, down = c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])

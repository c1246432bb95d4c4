"""Videos as frames: `open_video` and `open_raw` read them. What writes them is `writing`.

A few frames at a time are held, however long the video is. Frames are uint8 arrays (H, W, 3),
RGB, upright.
"""

import itertools
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.folders import picture_files
from flowcodec.media.formats import RAW_SUFFIX, SUFFIXES
from flowcodec.media.peeking import peeked
from flowcodec.media.picture import read_picture
from flowcodec.media.video.format import (
    TRANSPARENT,
    Found,
    Timed,
    Video,
    VideoFormat,
    usual_format,
)
from flowcodec.media.video.hearing import Complaints, hearing
from flowcodec.media.video.planes import USUAL_FPS, Y4M, read_raw, read_y4m
from flowcodec.media.video.size import stated_size
from flowcodec.media.video.streams import ffmpeg_as_media_error, read_container

PIPE_NAME = "standard input"
HEAD_BYTES = 16  # that tell y4m and MP4


@contextmanager
def open_video(
    source: Path | str | BinaryIO, *, stream: int | None = None, fps: Fraction | None = None
) -> Iterator[Video]:
    """Open a video file that ffmpeg knows, a folder of pictures, or an open file or pipe.

    stream: which one of a file, as ffprobe counts them; else the one that ffmpeg would take. fps:
    frames a second of a folder or of a stream without times, 25 or what it says itself otherwise.

    The pictures of a folder are those that lie in it directly, in order of their names with
    numbers counted as numbers (2 before 10). Sound and further video tracks are passed over,
    transparency too. More than 8 bits a sample are rounded to 8, interlaced frames are
    deinterlaced, pixels that are not square stay as they are. What a file loses so, the notes of
    the video tell.

    The first frame is at 0. One without a time, or whose time falls, comes one frame after the one
    before. Frames that are damaged are left out, as are those made of them; reading goes on with
    the next one that stands alone, and the damage of the video says what is missing.

    Colours follow the stream's own matrix and range. Where it names no matrix, BT.709 is taken
    from 1280 columns or above 576 lines, BT.601 below, as players do; where it names no range, the
    limited one. The rotation (or mirroring) that the file asks for is applied.

    Raises MediaError where there is no such file, or it holds no video or no whole frame; and
    UsageError where `stream` or `fps` do not go with it.
    """
    if not isinstance(source, str | Path):
        with _of_stream(source, stream, fps) as video:
            yield video
        return
    if Path(source).is_dir():
        _refuse(str(source), stream, None)
        yield _folder(Path(source), fps or USUAL_FPS)
        return
    name = str(source)
    if Path(source).suffix.lower() == RAW_SUFFIX:
        raise MediaError(
            f"{name}: raw planes do not say what they are: flowcodec encode takes"
            " --raw WxH:420:FPS; y4m does say"
        )
    with _opened(Path(source)) as (opened, size):
        if opened.peek(len(Y4M)).startswith(Y4M):
            _refuse(name, stream, fps)
            yield read_y4m(opened, name, size)
            return
        # Named so, "take 1: sea.mp4" is a file and not a protocol.
        file = opened if size is None else f"file:{source}"
        with _of_ffmpeg(file, name, stream, fps, _sizes(opened)) as video:
            yield video


@contextmanager
def _of_ffmpeg(
    file: BinaryIO | str,
    name: str,
    stream: int | None,
    fps: Fraction | None,
    sizes: tuple[int, int] | None = None,
) -> Iterator[Video]:
    """sizes: bytes that are there, and that there should be."""
    heard = Complaints()
    opened: Any = file
    with ffmpeg_as_media_error(f"cannot read {name}"), hearing(heard):
        container = av.open(opened)
    with container:
        yield read_container(container, name, heard, number=stream, fps=fps, size=sizes)


@contextmanager
def _of_stream(opened: BinaryIO, number: int | None, fps: Fraction | None) -> Iterator[Video]:
    head, stream = peeked(opened, HEAD_BYTES)
    name = _name_of(opened)
    if stream.seekable() is False and head[4:8] == b"ftyp":
        # What says where the frames of an MP4 file are may stand at its end.
        with tempfile.TemporaryFile() as held:
            shutil.copyfileobj(stream, held)
            held.seek(0)
            with _of_ffmpeg(held, name, number, fps, _sizes(held)) as video:
                yield video
        return
    if head.startswith(Y4M) or not head:
        _refuse(name, number, fps)
        yield read_y4m(stream, name, None)
        return
    with _of_ffmpeg(stream, name, number, fps, _sizes(stream)) as video:
        yield video


def _name_of(stream: BinaryIO) -> str:
    """The path that an open file or pipe was opened by."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) and name != "<stdin>" else PIPE_NAME


def _sizes(stream: BinaryIO) -> tuple[int, int] | None:
    """Bytes of a file, and those that it says it has; the stream stays where it stands."""
    if not stream.seekable() or stream.tell():
        return None
    size = stream.seek(0, os.SEEK_END)
    stated = stated_size(stream, size)
    stream.seek(0)
    return None if stated is None else (size, stated)


@contextmanager
def open_raw(source: Path | str | BinaryIO, format: VideoFormat) -> Iterator[Video]:
    """Open planes of samples without a header, 8 bits each; the format says what they are.

    A tick is a frame. Raises MediaError where there is no such file, or no whole frame.
    """
    if not isinstance(source, str | Path):
        yield read_raw(source, _name_of(source), format, None)
        return
    with _opened(Path(source)) as (stream, size):
        yield read_raw(stream, str(source), format, size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader, int | None]]:
    """A file, and how long it is; None for a named pipe, which nobody knows."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror}") from error
    with stream:
        about = os.fstat(stream.fileno())
        yield stream, about.st_size if stat.S_ISREG(about.st_mode) else None


def _refuse(name: str, stream: int | None, fps: Fraction | None) -> None:
    """UsageError for what one may wish of other videos only."""
    if stream not in (None, 0):
        raise UsageError(f"{name} has one video: leave out --stream")
    if fps is not None:
        raise UsageError(f"{name} says its rate itself: leave out --fps")


def _folder(folder: Path, fps: Fraction) -> Video:
    paths = picture_files(folder, deep=False)
    if not paths:
        raise MediaError(f"{folder} holds no picture ({' '.join(SUFFIXES)})")
    paths.sort(key=_counting)
    found = Found()
    frames = _pictures(paths, found)
    first = next(frames, None)
    if first is None:
        raise MediaError(found.damage[0])
    height, width = first[1][1].shape[:2]
    timed = _of_one_size(itertools.chain([first], frames), height, width)
    format = usual_format(width, height, fps, "rgb")
    return Video(str(folder), format, len(paths), timed, found)


def _pictures(paths: Sequence[Path], found: Found) -> Iterator[tuple[str, Timed]]:
    """The pictures that can be read, by name; a tick is a frame, also of one that cannot."""
    begin: int | None = None
    for number, path in enumerate(paths):
        try:
            picture = read_picture(path)
        except MediaError as error:
            found.damage.append(f"frame {number} is left out: {error}")
            continue
        for note in picture.notes:
            found.note(note)
        if picture.alpha is not None:
            found.note(TRANSPARENT)
        if picture.icc is not None:
            found.note("its colour profile is left out")
        begin = number if begin is None else begin
        pixels = picture.pixels
        frame = np.repeat(pixels, 3, axis=2) if picture.gray else pixels
        yield str(path), (number - begin, frame)


def _of_one_size(named: Iterable[tuple[str, Timed]], height: int, width: int) -> Iterator[Timed]:
    """Frames without their names; MediaError, with its name, for one of another size."""
    for name, (tick, frame) in named:
        if frame.shape[:2] != (height, width):
            raise MediaError(
                f"{name} is {frame.shape[1]}x{frame.shape[0]}, the frames before it are "
                f"{width}x{height}: all must have one size"
            )
        yield tick, frame


def _counting(path: Path) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts numbers in names by their value."""
    parts = re.findall(r"(\D*)(\d*)", path.name)
    return [(text, int(digits or -1)) for text, digits in parts], path.name

"""Videos as frames: `open_video` and `open_raw` read them. What writes them is `video_writing`.

A few frames at a time are held, however long the video is. Frames are uint8 arrays (H, W, 3),
RGB, upright.
"""

import itertools
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from flowcodec.errors import MediaError
from flowcodec.media.folders import picture_files
from flowcodec.media.formats import SUFFIXES
from flowcodec.media.peeking import peeked
from flowcodec.media.picture import read_picture
from flowcodec.media.video_format import Frame, Video, VideoFormat, usual_format
from flowcodec.media.video_planes import USUAL_FPS, Y4M, read_raw, read_y4m
from flowcodec.media.video_streams import ffmpeg_as_media_error, of_one_size, read_container

__all__ = ["Frame", "Video", "VideoFormat", "open_raw", "open_video"]

PIPE_NAME = "standard input"
RAW_SUFFIX = ".yuv"
HEAD_BYTES = 16  # that tell y4m and MP4


@contextmanager
def open_video(source: Path | str | BinaryIO) -> Iterator[Video]:
    """Open a video file that ffmpeg knows, a folder of pictures, or an open file or pipe.

    The pictures of a folder are those that lie in it directly, in order of their names with
    numbers counted as numbers (2 before 10). Sound and further video tracks are passed over,
    transparency too. More than 8 bits a sample are rounded to 8, pixels that are not square stay
    as they are. What a file loses so, the notes of the video tell.

    Colours follow the stream's own matrix and range. Where it names no matrix, BT.709 is taken
    from 1280 columns or above 576 lines, BT.601 below, as players do; where it names no range, the
    limited one. The rotation (or mirroring) that the file asks for is applied.

    Raises MediaError where there is no such file, or it holds no video or no frame.
    """
    if not isinstance(source, str | Path):
        with _container_or_y4m(source) as video:
            yield video
        return
    if Path(source).is_dir():
        yield _folder(Path(source))
        return
    name = str(source)
    if Path(source).suffix.lower() == RAW_SUFFIX:
        raise MediaError(
            f"{name}: raw planes do not say what they are: flowcodec encode takes"
            " --raw WxH:420:FPS; y4m does say"
        )
    with _opened(Path(source)) as (stream, size):
        if stream.peek(len(Y4M)).startswith(Y4M):
            yield read_y4m(stream, name, size)
            return
        with ffmpeg_as_media_error(f"cannot read {name}"):
            # Named so, "take 1: sea.mp4" is a file and not a protocol.
            file: Any = stream if size is None else f"file:{source}"
            container = av.open(file)
        with container:
            yield read_container(container, name)


@contextmanager
def _container_or_y4m(opened: BinaryIO) -> Iterator[Video]:
    head, stream = peeked(opened, HEAD_BYTES)
    if stream.seekable() is False and head[4:8] == b"ftyp":
        # What says where the frames of an MP4 file are may stand at its end.
        with tempfile.TemporaryFile() as held:
            shutil.copyfileobj(stream, held)
            held.seek(0)
            with _container_or_y4m(held) as video:
                yield video
        return
    if head.startswith(Y4M) or not head:
        yield read_y4m(stream, PIPE_NAME, None)
        return
    with ffmpeg_as_media_error(f"cannot read {PIPE_NAME}"):
        file: Any = stream
        container = av.open(file)
    with container:
        yield read_container(container, PIPE_NAME)


@contextmanager
def open_raw(source: Path | str | BinaryIO, format: VideoFormat) -> Iterator[Video]:
    """Open planes of samples without a header, 8 bits each; the format says what they are.

    A tick is a frame. Raises MediaError where there is no such file, or no whole number of frames.
    """
    if not isinstance(source, str | Path):
        yield read_raw(source, PIPE_NAME, format, None)
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


def _folder(folder: Path) -> Video:
    paths = picture_files(folder, deep=False)
    if not paths:
        raise MediaError(f"{folder} holds no picture ({' '.join(SUFFIXES)})")
    paths.sort(key=_counting)
    frames = map(_read_frame, paths)
    first = next(frames)
    height, width = first.shape[:2]
    named = zip(map(str, paths), enumerate(itertools.chain([first], frames)), strict=True)
    format = usual_format(width, height, USUAL_FPS, "rgb")
    return Video(str(folder), format, len(paths), of_one_size(named, height, width))


def _counting(path: Path) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts numbers in names by their value."""
    parts = re.findall(r"(\D*)(\d*)", path.name)
    return [(text, int(digits or -1)) for text, digits in parts], path.name


def _read_frame(path: Path) -> Frame:
    picture = read_picture(path)
    return np.repeat(picture.pixels, 3, axis=2) if picture.gray else picture.pixels

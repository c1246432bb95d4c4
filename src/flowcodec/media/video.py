"""Videos as frames: `open_video` and `open_raw` read them. What writes them is `video_writing`.

A few frames at a time are held, however long the video is. Frames are uint8 arrays (H, W, 3),
RGB, upright.
"""

import contextlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from flowcodec.errors import MediaError
from flowcodec.media.files import picture_files
from flowcodec.media.formats import SUFFIXES
from flowcodec.media.picture import read_picture
from flowcodec.media.video_format import (
    MATRICES,
    Frame,
    VideoFormat,
    sampling_of,
    to_rgb,
    usual_format,
    usual_matrix,
    with_planes,
)

__all__ = ["Frame", "Video", "VideoFormat", "as_media_error", "open_raw", "open_video"]

Timed = tuple[int, Frame]
DisplayMatrix = tuple[int, int, int, int]  # a, b, c, d: x is shown at a x + c y, y at b x + d y

FOLDER_FPS = Fraction(25)  # pictures carry no rate; ffmpeg plays them at this one
Y4M = b"YUV4MPEG2"
FRAME_LINE = len(b"FRAME\n")


@dataclass(frozen=True, eq=False)
class Video:
    """A video that is open for reading.

    name: what to call it in messages.
    format: size, rate and colour of its source; fps 25 for a folder of pictures.
    count: how many frames there are as far as the file tells, or None. It may be off by a few.
    timed: the frames in order, each with its time in ticks, which never falls: (tick, uint8
        (height, width, 3) RGB). They can be walked once, inside the block of `open_video`.
        MediaError where a frame is damaged or of another size.
    notes: what of the file does not come along, in words.
    """

    name: str
    format: VideoFormat
    count: int | None
    timed: Iterator[Timed]
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> Iterator[Frame]:
        """The same frames without their times."""
        return (frame for _, frame in self.timed)

    @property
    def width(self) -> int:
        """Of its frames in pixels, after rotation."""
        return self.format.width

    @property
    def height(self) -> int:
        """Of its frames in pixels, after rotation."""
        return self.format.height

    @property
    def fps(self) -> Fraction:
        """Frames a second, the mean where the rate varies."""
        return self.format.fps


@contextmanager
def open_video(source: Path | str | BinaryIO) -> Iterator[Video]:
    """Open a video file that ffmpeg knows, a folder of pictures, or an open pipe of y4m.

    The pictures of a folder are those that lie in it directly, in order of their names with
    numbers counted as numbers (2 before 10). Sound and further video tracks are passed over,
    transparency too. More than 8 bits a sample are rounded to 8, pixels that are not square stay
    as they are.

    Colours follow the stream's own matrix and range. Where it names no matrix, BT.709 is taken
    from 1280 columns or above 576 lines, BT.601 below, as players do; where it names no range, the
    limited one. The rotation (or mirroring) that the file asks for is applied.

    Raises MediaError where there is no such file, or it holds no video or no frame.
    """
    if isinstance(source, str | Path) and Path(source).is_dir():
        yield _folder(Path(source))
        return
    pipe = not isinstance(source, str | Path)
    name = "standard input" if pipe else str(source)
    hint = "pipe y4m into it, as `ffmpeg -i VIDEO -f yuv4mpegpipe -` writes it" if pipe else ""
    with contextlib.ExitStack() as stack:
        counted: _Counted | None = None
        with as_media_error(f"cannot read {name}", hint):
            if not isinstance(source, str | Path):
                counted = _Counted(source)
            elif Path(source).suffix.lower() == ".y4m" and Path(source).is_file():
                counted = _Counted(stack.enter_context(Path(source).open("rb")))
            # Named so, "take 1: sea.mp4" is a file and not a protocol.
            file: Any = f"file:{source}" if counted is None else counted
            container = av.open(file, "r", format="yuv4mpegpipe" if pipe else None)
            stack.enter_context(container)
        # ffmpeg would draw a text file, letter by letter.
        if not container.streams.video or container.format.name == "tty":
            raise MediaError(f"{name} holds no video")
        yield _opened(name, container, counted)


@contextmanager
def open_raw(source: Path | str | BinaryIO, format: VideoFormat) -> Iterator[Video]:
    """Open planes of samples without a header, 8 bits each; the format says what they are.

    A tick is a frame. Raises MediaError where there is no such file, or no whole number of frames.
    """
    name = str(source) if isinstance(source, str | Path) else "standard input"
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | Path):
            try:
                stream: BinaryIO = stack.enter_context(Path(source).open("rb"))
            except OSError as error:
                raise MediaError(f"cannot read {name}: {error.strerror}") from error
            count = Path(source).stat().st_size // format.frame_bytes
        else:
            stream, count = source, None
        yield Video(name, format, count, _raw(stream, name, format))


def _raw(stream: BinaryIO, name: str, format: VideoFormat) -> Iterator[Timed]:
    converter = VideoReformatter()
    for number in itertools.count():
        data = stream.read(format.frame_bytes)
        if not data and number:
            return
        if len(data) < format.frame_bytes:
            raise MediaError(
                f"{name} is no whole number of frames: {format.width}x{format.height} in"
                f" {format.sampling} are {format.frame_bytes} bytes, frame {number} has {len(data)}"
            )
        yield number, to_rgb(with_planes(data, format), format.matrix, converter)


def _folder(folder: Path) -> Video:
    paths = [path for path in picture_files(folder) if path.parent == folder]
    if not paths:
        raise MediaError(f"{folder} holds no picture ({' '.join(SUFFIXES)})")
    paths.sort(key=_counting)
    named = zip(map(str, paths), enumerate(map(_read_frame, paths)), strict=True)
    first, frames = _first(str(folder), named)
    height, width = first.shape[:2]
    format = usual_format(width, height, FOLDER_FPS, "rgb")
    return Video(str(folder), format, len(paths), _of_one_size(frames, height, width))


def _opened(name: str, container: InputContainer, counted: "_Counted | None") -> Video:
    """The video of a container: its first frame tells what the others are."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    fps = stream.average_rate or stream.guessed_rate or FOLDER_FPS
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
    timed = _of_one_size(_shown(name, frames, matrix, turned), height, width)
    if counted is not None:
        timed = _whole(timed, name, format, counted)
    return Video(name, format, _count(container, stream, fps), timed, notes)


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
    bits = max(component.bits for component in first.format.components)
    if bits > 8:
        notes.append(f"its {bits} bits a sample are rounded to 8")
    return tuple(notes)


def _decoded(container: InputContainer, name: str) -> Iterator[VideoFrame]:
    with as_media_error(f"cannot read {name}"):
        yield from container.decode(container.streams.video[0])


def _shown(
    name: str, frames: Iterable[VideoFrame], matrix: Any, turned: DisplayMatrix
) -> Iterator[tuple[str, Timed]]:
    converter = VideoReformatter()
    last: int | None = None
    for number, frame in enumerate(frames):
        tick = frame.pts
        if tick is None or (last is not None and tick < last):
            tick = 0 if last is None else last
        last = tick
        with as_media_error(f"cannot read {name}"):
            pixels = to_rgb(frame, matrix, converter)
        yield f"frame {number} of {name}", (tick, _upright(pixels, turned))


def _first(
    name: str, named: Iterable[tuple[str, Timed]]
) -> tuple[Frame, Iterator[tuple[str, Timed]]]:
    """The first frame, and all of them."""
    named = iter(named)
    first = next(named, None)
    if first is None:
        raise MediaError(f"{name} holds no frame")
    return first[1][1], itertools.chain([first], named)


def _of_one_size(named: Iterable[tuple[str, Timed]], height: int, width: int) -> Iterator[Timed]:
    for name, (tick, frame) in named:
        if frame.shape[:2] != (height, width):
            raise MediaError(
                f"{name} is {frame.shape[1]}x{frame.shape[0]}, the frames before it are "
                f"{width}x{height}: all must have one size"
            )
        yield tick, frame


_Some = io.BufferedReader, io.BytesIO


class _Counted(io.RawIOBase):
    """A stream of y4m that knows how much of it was read; ffmpeg drops a cut frame silently."""

    def __init__(self, stream: BinaryIO):
        super().__init__()
        self.stream = stream
        self.total = 0
        self.start = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # What is there, and not all that was asked for: a live pipe shows its frames at once.
        data = self.stream.read1(size) if isinstance(self.stream, _Some) else self.stream.read(size)
        if len(self.start) < 1024:
            self.start += data[:1024]
        self.total += len(data)
        return data

    @property
    def header(self) -> int | None:
        """Bytes before the first frame, or None where lines of frames say more than FRAME."""
        end = self.start.find(b"\n") + 1
        plain = self.start[end:].startswith(b"FRAME\n") and self.start.startswith(Y4M)
        return end if end and plain else None


def _whole(
    timed: Iterable[Timed], name: str, format: VideoFormat, counted: _Counted
) -> Iterator[Timed]:
    """Frames of y4m; MediaError where the last is cut."""
    count = 0
    for item in timed:
        count += 1
        yield item
    left = counted.stream.read()
    header = counted.header
    if header is None or format.sampling == "rgb":
        return
    rest = counted.total + len(left) - header - count * (FRAME_LINE + format.frame_bytes)
    if 0 < rest < FRAME_LINE + format.frame_bytes:
        raise MediaError(f"{name} is cut inside frame {count}: the {count} frames before are whole")


def _counting(path: Path) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts numbers in names by their value."""
    parts = re.findall(r"(\D*)(\d*)", path.name)
    return [(text, int(digits or -1)) for text, digits in parts], path.name


def _read_frame(path: Path) -> Frame:
    picture = read_picture(path)
    return np.repeat(picture.pixels, 3, axis=2) if picture.gray else picture.pixels


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


@contextmanager
def as_media_error(what: str, hint: str = "") -> Iterator[None]:
    """Turn ffmpeg's errors in the block into a MediaError that begins with `what`."""
    try:
        yield
    except av.FFmpegError as error:
        reason = f"{what}: {error.strerror or error}"
        raise MediaError(f"{reason}; {hint}" if hint else reason) from error

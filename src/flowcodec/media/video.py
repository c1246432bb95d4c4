"""Videos as frames: `open_video` reads them, `create_video` writes them.

Both hold a few frames at a time, however long the video is. Frames are uint8 arrays (H, W, 3),
RGB, upright.
"""

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from flowcodec.errors import MediaError
from flowcodec.media.files import atomic_write, picture_files
from flowcodec.media.formats import SUFFIXES
from flowcodec.media.picture import read_picture

Frame = NDArray[np.uint8]
DisplayMatrix = tuple[int, int, int, int]  # a, b, c, d: x is shown at a x + c y, y at b x + d y

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}
"""Suffixes of the video files that are written, and what ffmpeg calls them."""

FOLDER_FPS = Fraction(25)  # pictures carry no rate; ffmpeg plays them at this one
H264 = {"crf": "16", "preset": "medium"}

# What ffmpeg's headers call the matrices; the package does not export these two.
UNSPECIFIED = 2
MATRIX_TAGS = {Colorspace.ITU709: 1, Colorspace.ITU601: 6}
PRECISE = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


@dataclass(frozen=True, eq=False)
class Video:
    """A video that is open for reading.

    name: what to call it in messages.
    width, height: of its frames, in pixels, after rotation.
    fps: frames a second, the mean where the rate varies; 25 for a folder of pictures.
    count: how many frames there are as far as the file tells, or None. It may be off by a few.
    frames: the frames in order, uint8 (height, width, 3) RGB; they can be walked once, inside
        the block of `open_video`. MediaError where a frame is damaged or of another size.
    """

    name: str
    width: int
    height: int
    fps: Fraction
    count: int | None
    frames: Iterator[Frame]


class VideoWriter(Protocol):
    """What `create_video` gives."""

    def write(self, frame: Frame) -> None:
        """Append one frame, uint8 (height, width, 3) RGB. MediaError where its shape differs."""


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
        paths = _pictures_of(Path(source))
        frames = zip(map(str, paths), map(_read_frame, paths), strict=True)
        yield _begin(str(source), frames, FOLDER_FPS, len(paths))
        return
    pipe = not isinstance(source, str | Path)
    name = "standard input" if pipe else str(source)
    hint = "pipe y4m into it, as `ffmpeg -i VIDEO -f yuv4mpegpipe -` writes it" if pipe else ""
    with contextlib.ExitStack() as stack:
        with _as_media_error(f"cannot read {name}", hint):
            # Named so, "take 1: sea.mp4" is a file and not a protocol.
            file = source if pipe else f"file:{source}"
            container = av.open(file, "r", format="yuv4mpegpipe" if pipe else None)
            stack.enter_context(container)
        # ffmpeg would draw a text file, letter by letter.
        if not container.streams.video or container.format.name == "tty":
            raise MediaError(f"{name} holds no video")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        fps = stream.average_rate or stream.guessed_rate or FOLDER_FPS
        yield _begin(name, _decoded(container, stream, name), fps, _count(container, stream, fps))


@contextmanager
def create_video(
    target: Path | str | BinaryIO, width: int, height: int, fps: Fraction
) -> Iterator[VideoWriter]:
    """A video that takes the place of the file `target` when the block ends without an error.

    A path ends in .mp4 or .mkv and gets H.264 (4:2:0, quality "crf" 16); odd sizes grow by one
    repeated column or row, since 4:2:0 needs even ones. An open file gets y4m, 8-bit 4:4:4 of
    limited range, frame by frame. The matrix is BT.709 from 1280 columns or above 576 lines,
    BT.601 below; files name it, y4m cannot.

    Raises MediaError where the suffix is another one, and where the file cannot be written; then
    nothing is left behind.
    """
    if not isinstance(target, str | Path):
        writer = _Y4mWriter(target, width, height, fps)
        yield writer
        target.flush()
        return
    path = Path(target)
    if path.suffix.lower() not in CONTAINERS:
        raise MediaError(f"cannot tell a video format from the name {path}; end it in .mp4 or .mkv")
    with _as_media_error(f"cannot write {path}"), atomic_write(path) as stream:
        container = av.open(stream, "w", format=CONTAINERS[path.suffix.lower()])
        try:
            encoder = _H264Writer(container, width, height, fps)
            yield encoder
            encoder.finish()
        except BaseException:
            # The file is thrown away: that it cannot be completed is no news.
            with contextlib.suppress(OSError, av.FFmpegError):
                container.close()
            raise
        container.close()


def _begin(
    name: str, named: Iterable[tuple[str, Frame]], fps: Fraction, count: int | None
) -> Video:
    """The video whose frames these are: its first one tells the size that all must have."""
    named = iter(named)
    first = next(named, None)
    if first is None:
        raise MediaError(f"{name} holds no frame")
    height, width = first[1].shape[:2]

    def checked(frames: Iterable[tuple[str, Frame]]) -> Iterator[Frame]:
        for frame_name, frame in frames:
            if frame.shape[:2] != (height, width):
                raise MediaError(
                    f"{frame_name} is {frame.shape[1]}x{frame.shape[0]}, the frames before it are "
                    f"{width}x{height}: all must have one size"
                )
            yield frame

    return Video(name, width, height, fps, count, checked(itertools.chain([first], named)))


def _pictures_of(folder: Path) -> list[Path]:
    paths = [path for path in picture_files(folder) if path.parent == folder]
    if not paths:
        raise MediaError(f"{folder} holds no picture ({' '.join(SUFFIXES)})")
    return sorted(paths, key=_counting)


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


def _decoded(
    container: InputContainer, stream: VideoStream, name: str
) -> Iterator[tuple[str, Frame]]:
    converter = VideoReformatter()
    matrix: DisplayMatrix | None = None
    with _as_media_error(f"cannot read {name}"):
        for number, frame in enumerate(container.decode(stream)):
            # Of the first frame alone: one that was asked for what lies beside it is never freed.
            matrix = matrix or _display_matrix(frame)
            yield f"frame {number} of {name}", _upright(_rgb(frame, converter), matrix)


def _rgb(frame: VideoFrame, converter: VideoReformatter) -> Frame:
    untagged = frame.colorspace == UNSPECIFIED and not frame.format.is_rgb
    converted = converter.reformat(
        frame,
        format="rgb24",
        src_colorspace=_usual_matrix(frame.width, frame.height) if untagged else None,
        dst_color_range=ColorRange.JPEG,
        interpolation=PRECISE,
    )
    return np.asarray(converted.to_ndarray(), np.uint8)


def _usual_matrix(width: int, height: int) -> Colorspace:
    return Colorspace.ITU709 if width >= 1280 or height > 576 else Colorspace.ITU601


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


class _Y4mWriter:
    def __init__(self, target: BinaryIO, width: int, height: int, fps: Fraction):
        self.target = target
        self.size = (width, height)
        self.converter = VideoReformatter()
        rate = f"F{fps.numerator}:{fps.denominator}"
        header = f"YUV4MPEG2 W{width} H{height} {rate} Ip A1:1 C444 XCOLORRANGE=LIMITED\n"
        target.write(header.encode())

    def write(self, frame: Frame) -> None:
        planes = _yuv(frame, self.size, "yuv444p", self.converter).to_ndarray()
        self.target.write(b"FRAME\n")
        self.target.write(planes.tobytes())


class _H264Writer:
    def __init__(self, container: OutputContainer, width: int, height: int, fps: Fraction):
        self.container = container
        self.size = (width, height)
        self.converter = VideoReformatter()
        self.stream = container.add_stream("libx264", rate=fps, options=dict(H264))
        self.stream.width, self.stream.height = width + width % 2, height + height % 2
        self.stream.pix_fmt = "yuv420p"
        context = self.stream.codec_context
        tag = MATRIX_TAGS[_usual_matrix(width, height)]
        context.colorspace = context.color_primaries = context.color_trc = tag
        context.color_range = ColorRange.MPEG

    def write(self, frame: Frame) -> None:
        self.container.mux(
            self.stream.encode(_yuv(frame, self.size, "yuv420p", self.converter)),
        )

    def finish(self) -> None:
        self.container.mux(self.stream.encode(None))


def _yuv(frame: Frame, size: tuple[int, int], kind: str, converter: VideoReformatter) -> VideoFrame:
    """The frame in YCbCr of limited range, grown to even sides where `kind` is 4:2:0."""
    width, height = size
    if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
        raise MediaError(
            f"a frame of this video must be uint8 {(height, width, 3)}, "
            f"not {frame.dtype} {tuple(frame.shape)}"
        )
    if kind == "yuv420p":
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return converter.reformat(
        VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
        format=kind,
        src_color_range=ColorRange.JPEG,
        dst_colorspace=_usual_matrix(width, height),
        dst_color_range=ColorRange.MPEG,
        interpolation=PRECISE,
    )


@contextmanager
def _as_media_error(what: str, hint: str = "") -> Iterator[None]:
    """Turn ffmpeg's errors in the block into a MediaError that begins with `what`."""
    try:
        yield
    except av.FFmpegError as error:
        reason = f"{what}: {error.strerror or error}"
        raise MediaError(f"{reason}; {hint}" if hint else reason) from error

"""Frames whose planes lie one after another: raw, and y4m, which says in words what they are.

ffmpeg reads y4m too, but passes over a last frame that is cut.
"""

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from av.video.format import VideoFormat as PixelFormat
from av.video.reformatter import ColorRange, VideoReformatter

from flowcodec.errors import MediaError
from flowcodec.media.opening import MAX_PIXELS
from flowcodec.media.video_format import (
    Siting,
    Timed,
    Video,
    VideoFormat,
    bytes_of,
    losses,
    sampling_of,
    to_rgb,
    usual_matrix,
    with_planes,
    with_samples,
)

Y4M = b"YUV4MPEG2"
USUAL_FPS = Fraction(25)  # where nothing says it; ffmpeg takes the same
FRAME_LINE = len(b"FRAME\n")
LINE_BYTES = 4096  # of a header at most

_COLOURS = re.compile(r"(mono|4[1-4][0-4])(jpeg|mpeg2|paldv)?(alpha)?(?:p?(9|1[0-6]))?")
_SITINGS: dict[str, Siting] = {"jpeg": "center", "mpeg2": "left", "paldv": "topleft"}


def read_raw(stream: BinaryIO, name: str, format: VideoFormat, size: int | None) -> Video:
    """Planes without a header, `size` bytes of them as far as it is known; a tick is a frame.

    MediaError where they are no whole number of frames; at once where the size is known.
    """
    if format.frame_bytes < 1:
        raise MediaError(f"{name}: a frame of {format.width}x{format.height} holds nothing")
    whole = (
        f"{name} is no whole number of frames: {format.width}x{format.height} in"
        f" {format.sampling} are {format.frame_bytes} bytes"
    )
    if size is not None and (size == 0 or size % format.frame_bytes):
        raise MediaError(f"{whole}, the file has {size}")

    def frames() -> Iterator[Timed]:
        converter = VideoReformatter()
        for number in itertools.count():
            data = _exactly(stream, format.frame_bytes)
            if not data and number:
                return
            if len(data) < format.frame_bytes:
                raise MediaError(f"{whole}, frame {number} has {len(data)}")
            yield number, to_rgb(with_planes(data, format), format.matrix, converter)

    count = None if size is None else size // format.frame_bytes
    return Video(name, format, count, frames())


def read_y4m(stream: BinaryIO, name: str, size: int | None) -> Video:
    """y4m of any sampling and depth, `size` bytes of it as far as it is known; a tick is a frame.

    MediaError where the header is another one or damaged, and, in its place among the frames,
    where one is cut or damaged.
    """
    line = stream.readline(LINE_BYTES)
    words = line.decode("latin-1").split()
    if not line.startswith(Y4M) or not line.endswith(b"\n"):
        raise MediaError(
            f"cannot read {name}: it is no y4m, as `ffmpeg -i VIDEO -f yuv4mpegpipe -` pipes it"
        )
    said = {word[0]: word[1:] for word in words[1:] if not word.startswith("X")}
    try:
        width, height = int(said["W"]), int(said["H"])
        if not 0 < width * height <= MAX_PIXELS or width < 0:
            raise ValueError
        fps = _fraction(said.get("F")) or USUAL_FPS
        pixels, siting = _colours(said.get("C", "420jpeg"), width, height)
        aspect = _fraction(said.get("A")) or Fraction(1)
    except (KeyError, ValueError):
        raise MediaError(
            f"cannot read {name}: its y4m header is damaged, or of a kind that is not known here:"
            f" {' '.join(words)[:100]}"
        ) from None
    format = VideoFormat(
        width=width,
        height=height,
        fps=fps,
        sampling=sampling_of(pixels),
        matrix=usual_matrix(width, height),
        full_range="XCOLORRANGE=FULL" in words,
        aspect=aspect,
        time_base=1 / fps,
    )
    timed = _y4m_frames(stream, name, format, pixels, siting)
    first = next(timed, None)
    if first is None:
        raise MediaError(f"{name} holds no frame")
    count = None if size is None else round((size - len(line)) / (bytes_of(pixels) + FRAME_LINE))
    return Video(name, format, count, itertools.chain([first], timed), tuple(losses(pixels)))


def _y4m_frames(
    stream: BinaryIO, name: str, format: VideoFormat, pixels: PixelFormat, siting: Siting
) -> Iterator[Timed]:
    converter = VideoReformatter()
    size = bytes_of(pixels)
    for number in itertools.count():
        line = stream.readline(LINE_BYTES)
        if not line:
            return
        if not (line.startswith(b"FRAME") or b"FRAME".startswith(line)):
            raise MediaError(f"{name} is damaged: frame {number} does not begin with FRAME")
        data = _exactly(stream, size) if line.endswith(b"\n") else b""
        if len(data) < size:
            raise MediaError(
                f"{name} is cut inside frame {number}: the {number} frames before are whole"
            )
        frame = with_samples(data, pixels, siting)
        frame.color_range = ColorRange.JPEG if format.full_range else ColorRange.MPEG
        yield number, to_rgb(frame, format.matrix, converter)


def _fraction(text: str | None) -> Fraction | None:
    """Of "30000:1001"; None where it is not said, or zero."""
    above, below = (int(part) for part in (text or "0:0").split(":"))
    if above < 0 or below < 0:
        raise ValueError
    return Fraction(above, below) if above and below else None


def _colours(text: str, width: int, height: int) -> tuple[PixelFormat, Siting]:
    """Pixel format and siting of y4m's word for colours; ValueError where there is none."""
    found = _COLOURS.fullmatch(text)
    if not found:
        raise ValueError
    kind, sited, alpha, bits = found.groups()
    name = "gray" if kind == "mono" else f"yuv{'a' if alpha else ''}{kind}p"
    # "420" alone means the siting of JPEG; no other subsampling has names for its sitings.
    siting = _SITINGS[sited or ("jpeg" if kind == "420" and not bits else "mpeg2")]
    return PixelFormat(f"{name}{bits}le" if bits else name, width, height), siting


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """That many bytes, fewer only at the end. A pipe may give them piece by piece."""
    data = stream.read(size)
    while 0 < len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data

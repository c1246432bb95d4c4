"""Frames whose planes lie one after another: raw, and y4m, which says in words what they are.

ffmpeg reads y4m too, but passes over a last frame that is cut. Here the whole frames come, and the
damage of the video says what was wrong with others.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import BinaryIO, NamedTuple

from av.video.format import VideoFormat as PixelFormat
from av.video.reformatter import ColorRange, VideoReformatter

from flowcodec.errors import MediaError
from flowcodec.media.opening import MAX_PIXELS
from flowcodec.media.video.fields import Numbered, progressive
from flowcodec.media.video.format import (
    Fields,
    Found,
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

_FRAME = re.compile(rb"FRAME( [ -~]*)?\n")
_COLOURS = re.compile(r"(mono|4[1-4][0-4])(jpeg|mpeg2|paldv)?(alpha)?(?:p?(9|1[0-6]))?")
FIELDS: dict[str, Fields] = {"t": "tt", "b": "bb"}  # y4m's words for interlacing
_SITINGS: dict[str, Siting] = {"jpeg": "center", "mpeg2": "left", "paldv": "topleft"}


def read_raw(stream: BinaryIO, name: str, format: VideoFormat, size: int | None) -> Video:
    """Planes without a header, `size` bytes of them as far as it is known; a tick is a frame.

    MediaError where there is no whole frame.
    """
    if format.frame_bytes < 1:
        raise MediaError(f"{name}: a frame of {format.width}x{format.height} holds nothing")
    found = Found()
    frames = _raw_frames(stream, format, found)
    first = next(frames, None)
    if first is None:
        raise MediaError(
            f"{name} holds no whole frame: {format.width}x{format.height} in {format.sampling} are"
            f" {format.frame_bytes} bytes"
        )
    timed = _shown(itertools.chain([first], frames), format)
    count = None if size is None else size // format.frame_bytes
    return Video(name, format, count, timed, found)


def _raw_frames(stream: BinaryIO, format: VideoFormat, found: Found) -> Iterator[Numbered]:
    for number in itertools.count():
        data = _exactly(stream, format.frame_bytes)
        if len(data) == format.frame_bytes:
            yield number, number, with_planes(data, format)
            continue
        if data:
            found.damage.append(
                f"it is no whole number of frames: {format.width}x{format.height} in"
                f" {format.sampling} are {format.frame_bytes} bytes, frame {number} has {len(data)}"
            )
        return


def _shown(frames: Iterable[Numbered], format: VideoFormat) -> Iterator[Timed]:
    converter = VideoReformatter()
    for _, tick, frame in frames:
        yield tick, to_rgb(frame, format.matrix, converter)


def read_y4m(stream: BinaryIO, name: str, size: int | None) -> Video:
    """y4m of any sampling and depth, `size` bytes of it as far as it is known; a tick is a frame.

    MediaError where the header is another one or damaged, or there is no whole frame.
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
    found = Found(notes=losses(pixels))
    if said.get("I") == "m":
        found.note("some of its frames may be interlaced: they are kept so")
    kind = Kind(pixels, siting, FIELDS.get(said.get("I", "p"), "progressive"), format.range)
    frames = _y4m_frames(stream, kind, found)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{name} holds no whole frame{''.join(f': {d}' for d in found.damage)}")
    timed = _shown(progressive(itertools.chain([first], frames), found), format)
    count = None if size is None else round((size - len(line)) / (bytes_of(pixels) + FRAME_LINE))
    return Video(name, format, count, timed, found)


class Kind(NamedTuple):
    """What the samples of y4m are."""

    pixels: PixelFormat
    siting: Siting
    fields: Fields
    range: ColorRange


def _y4m_frames(stream: BinaryIO, kind: Kind, found: Found) -> Iterator[Numbered]:
    size = bytes_of(kind.pixels)
    ahead = b""  # what was read as a line that has no end
    for number in itertools.count():
        line = ahead if ahead.endswith(b"\n") else ahead + stream.readline(LINE_BYTES)
        if not line:
            return
        whole = _FRAME.fullmatch(line) is not None
        taken = b"" if whole else line[FRAME_LINE:]
        data, ahead = taken[:size], taken[size:]
        data += _exactly(stream, size - len(data))
        if len(data) < size:
            found.damage.append(
                f"it is cut inside frame {number}: the {number} frames before are whole"
            )
            return
        if not whole:
            found.damage.append(f"frame {number} does not begin with FRAME: it is left out")
            continue
        frame = with_samples(data, kind.pixels, kind.siting, kind.fields)
        frame.color_range = kind.range
        yield number, number, frame


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

"""The frames of a container that ffmpeg opened: their colours, times and rotation."""

import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.video.choice import chosen
from flowcodec.media.video.decoding import DECODED_ONLY, WITH_SEAMS, WITHOUT_TIMES, Decoding
from flowcodec.media.video.ending import Ending
from flowcodec.media.video.fields import Numbered, progressive
from flowcodec.media.video.format import (
    MATRICES,
    PRECISE,
    PRIMARIES,
    TRANSFERS,
    TRANSPARENT,
    Found,
    Timed,
    Video,
    VideoFormat,
    is_transparent,
    sampling_of,
    to_rgb,
    usual_matrix,
)
from flowcodec.media.video.hearing import Complaints, described
from flowcodec.media.video.notes import Changes, left_out, lost
from flowcodec.media.video.planes import USUAL_FPS
from flowcodec.media.video.side_data import (
    Crop,
    DisplayMatrix,
    crop_of,
    display_matrix,
    is_turned,
    upright,
)
from flowcodec.media.video.times import LONGEST_PAUSE, Clock, Guess

FOREIGN_MATRICES = {
    8: "YCgCo",
    11: "YDzDx",
    12: "chroma-derived",
    13: "chroma-derived",
    14: "ICtCp",
}
SILENT = (0, 2, 3)  # codes of primaries and transfers that say nothing
SITINGS = re.compile(r"[(, ](left|center|topleft|top|bottomleft|bottom)[,)]")
CODECS_SITINGS = {"flv": "center"}  # of those that do not say it, where it is not the left


def read_container(
    container: InputContainer,
    name: str,
    heard: Complaints,
    *,
    number: int | None = None,
    fps: Fraction | None = None,
    size: tuple[int, int] | None = None,
) -> Video:
    """A video of a container: its first frame tells what the others are.

    heard: what ffmpeg complained of while it was opened. number: of the stream, as ffprobe counts
    them; else the one that ffmpeg would take. fps: of a stream without times. size: bytes of the
    file, and those that it says it has.

    MediaError where it has no video, or no frame; UsageError where that stream is none, or `fps`
    is given for one that has times.
    """
    stream = chosen(container, name, number)
    about = _about(container, stream)
    untimed = bool(container.format.flags & WITHOUT_TIMES) or container.format.name.endswith("pipe")
    if fps is not None and not untimed:
        raise UsageError(f"{name} has times of its own; --fps is for pictures and raw streams")
    if SITINGS.search(about.partition("\n")[0]) is None:
        siting = CODECS_SITINGS.get(stream.codec_context.name, "left")
        stream.codec_context.options = {"chroma_sample_location": siting}
    crop = crop_of(about)
    found = Found(notes=left_out(container, stream, about))
    cut = ""
    if size is not None and size[0] < size[1]:
        cut = f"it is cut: {size[0]} of its {size[1]} bytes are there"
    decoding = Decoding(container, stream, heard, found, cut)
    numbered = _decoded(decoding, name)
    first = next(numbered, None)
    if first is None and container.format.name == "webp_pipe":
        raise MediaError(
            f"cannot read {name}: ffmpeg knows no WebP that moves; save its frames as PNG files"
            " and give their folder"
        )
    if first is None:
        why = "; ".join(filter(None, (*found.damage, decoding.complaint)))
        raise MediaError(f"{name} holds no frame{f' that is whole: {why}' if why else ''}")
    # Of the first frame alone: one that was asked for what lies beside it is never freed.
    turned = display_matrix(first[1])
    format = _format(stream, first[1], turned, crop, fps, name)
    found.notes += lost(first[1], stream, turned)
    frames = itertools.chain([first], numbered)
    ending = Ending(container, stream)
    aspect = decoding.aspect
    longest = LONGEST_PAUSE / format.time_base if container.format.flags & WITH_SEAMS else None
    guess = Guess()
    clock = Clock(format.ticks, longest)

    def clocked() -> Iterator[Numbered]:
        for place, frame in frames:
            ending.see(frame)
            if (now := decoding.aspect) != aspect:
                found.note(f"the shape of its pixels changes to {now}: the first is kept")
            # What a file does not say ffmpeg makes up, and wrong where frames change places.
            shown = None if container.format.name in DECODED_ONLY else frame.pts
            time = None if untimed else guess.time(shown, frame.dts)
            yield place, clock.tick(time, frame.duration if fps is None else 0), frame
        last = ending.ticks(decoding.last, whole=not found.damage)
        if fps is None and last and abs(last - format.ticks) > 1:
            found.ending = last

    timed = _shown(name, progressive(clocked(), found), format, turned, crop, found)
    count = None if untimed else _count(container, stream, format.fps)
    return Video(name, format, count, timed, found)


@contextmanager
def ffmpeg_as_media_error(what: str) -> Iterator[None]:
    """Turn ffmpeg's errors in the block, and no others, into a MediaError that begins so."""
    try:
        yield
    except av.FFmpegError as error:
        raise MediaError(f"{what}: {error.strerror or error}") from error


def _about(container: InputContainer, stream: VideoStream) -> str:
    """ffmpeg's lines about a stream."""
    behind = described(container).partition(f"Stream #0:{stream.index}")[2]
    return behind.partition("Stream #0:")[0]


def _decoded(decoding: Decoding, name: str) -> Iterator[tuple[int, VideoFrame]]:
    with ffmpeg_as_media_error(f"cannot read {name}"):
        yield from decoding.frames()


def _format(
    stream: VideoStream,
    first: VideoFrame,
    turned: DisplayMatrix,
    crop: Crop,
    fps: Fraction | None,
    name: str,
) -> VideoFormat:
    sampling, tag = sampling_of(first.format), int(first.colorspace)
    if tag in FOREIGN_MATRICES and sampling not in ("rgb", "gray"):
        raise MediaError(
            f"cannot read {name}: its colour is {FOREIGN_MATRICES[tag]}, which is not known here;"
            " convert it, as with ffmpeg -vf zscale=matrix=709"
        )
    matrix = MATRICES.get(tag, usual_matrix(first.width, first.height))
    width, height = crop.size(first.width, first.height)
    if width < 1 or height < 1:
        raise MediaError(f"cannot read {name}: its container hides all of its frames")
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if is_turned(turned):
        width, height, aspect = height, width, 1 / aspect
    rate = fps or _rate(stream)
    primaries, transfer = int(first.color_primaries), int(first.color_trc)
    return VideoFormat(
        width=width,
        height=height,
        fps=rate,
        sampling=sampling,
        matrix=matrix,
        full_range=first.color_range == ColorRange.JPEG or first.format.name.startswith("yuvj"),
        aspect=aspect,
        time_base=1 / rate if fps or not stream.time_base else stream.time_base,
        primaries=None if primaries in (*SILENT, PRIMARIES[matrix]) else primaries,
        transfer=None if transfer in (*SILENT, TRANSFERS[matrix]) else transfer,
    )


def _rate(stream: VideoStream) -> Fraction:
    """Frames a second, the mean where it varies."""
    mean, finest = stream.average_rate, stream.guessed_rate
    if mean and finest and mean > 2 * finest:  # of times that are no times of frames
        return finest
    return mean or finest or USUAL_FPS


def _shown(
    name: str,
    frames: Iterable[Numbered],
    format: VideoFormat,
    turned: DisplayMatrix,
    crop: Crop,
    found: Found,
) -> Iterator[Timed]:
    """The frames as they are to be seen, in the size of the first."""
    converter = VideoReformatter()
    width = height = 0
    changes = Changes(found)
    for number, tick, frame in frames:
        changes.see(number, frame)
        width, height = width or frame.width, height or frame.height
        with ffmpeg_as_media_error(f"cannot read frame {number} of {name}"):
            if (frame.width, frame.height) != (width, height):
                frame = converter.reformat(frame, width=width, height=height, interpolation=PRECISE)
            if TRANSPARENT not in found.notes and is_transparent(frame):
                found.note(TRANSPARENT)
            pixels = to_rgb(frame, format.matrix, converter)
        yield tick, upright(crop.of(pixels), turned)


def _count(container: InputContainer, stream: VideoStream, fps: Fraction) -> int | None:
    if stream.frames:
        return stream.frames
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * fps)
    if container.duration:
        # That of Matroska counts from 0, whenever the first frame comes.
        start = container.start_time if container.format.name.startswith("matroska") else 0
        return round(Fraction(container.duration - (start or 0), av.time_base) * fps)
    return None

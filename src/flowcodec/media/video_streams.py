"""The frames of a container that ffmpeg opened: which stream, its colours, times and rotation."""

import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.video_decoding import WITH_SEAMS, Decoding
from flowcodec.media.video_ending import Ending
from flowcodec.media.video_fields import Numbered, progressive
from flowcodec.media.video_format import (
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
    losses,
    sampling_of,
    to_rgb,
    usual_matrix,
)
from flowcodec.media.video_hearing import Complaints, described
from flowcodec.media.video_planes import USUAL_FPS
from flowcodec.media.video_side_data import DisplayMatrix, display_matrix, is_turned, upright
from flowcodec.media.video_times import LONGEST_PAUSE, Clock

HIGH_RANGES: dict[int, str] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
CONSTANT_LUMINANCE = 10  # BT.2020
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
WITHOUT_TIMES = 0x80  # a flag of a container: raw streams
DEFAULT_BONUS = 5_000_000  # pixels; ffmpeg's choice among streams


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
    untimed = bool(container.format.flags & WITHOUT_TIMES) or container.format.name.endswith("pipe")
    if fps is not None and not untimed:
        raise UsageError(f"{name} has times of its own; --fps is for pictures and raw streams")
    _prepare(container, stream)
    found = Found(notes=_left_out(container, stream))
    cut = ""
    if size is not None and size[0] < size[1]:
        cut = f"it is cut: {size[0]} of its {size[1]} bytes are there"
    decoding = Decoding(container, stream, heard, found, cut)
    numbered = _decoded(decoding, name)
    first = next(numbered, None)
    if first is None:
        what = f"no frame that is whole: {'; '.join(found.damage)}" if found.damage else "no frame"
        raise MediaError(f"{name} holds {what}")
    # Of the first frame alone: one that was asked for what lies beside it is never freed.
    turned = display_matrix(first[1])
    format = _format(stream, first[1], turned, fps, name)
    found.notes += _lost(first[1], stream, turned)
    frames = itertools.chain([first], numbered)
    ending = Ending(container, stream)
    longest = LONGEST_PAUSE / format.time_base if container.format.flags & WITH_SEAMS else None
    clock = Clock(format.ticks, longest)

    def clocked() -> Iterator[Numbered]:
        for place, frame in frames:
            ending.see(frame)
            # Times of a raw stream are ffmpeg's own, and wrong where frames change places.
            time = None if untimed else frame.pts
            yield place, clock.tick(time, frame.duration if fps is None else 0), frame
        last = ending.ticks(decoding.last, whole=not cut)
        if fps is None and last and abs(last - format.ticks) > 1:
            found.ending = last

    timed = _shown(name, progressive(clocked(), found), format, turned, found)
    count = None if untimed else _count(container, stream, format.fps)
    return Video(name, format, count, timed, found)


def chosen(container: InputContainer, name: str, number: int | None) -> VideoStream:
    """The stream of this number, or the one that ffmpeg would take: the largest picture, where one
    that is marked as the default counts for more, and a cover never."""
    # ffmpeg would draw a text file, letter by letter.
    text = container.format.name == "tty"
    videos = [stream for stream in container.streams.video if stream.codec_context and not text]
    if number is not None:
        for stream in videos:
            if stream.index == number:
                return stream
        there = ", ".join(str(stream.index) for stream in videos) or "none"
        raise UsageError(f"stream {number} of {name} is no video; its videos are: {there}")
    candidates = [stream for stream in videos if not is_cover(stream)]
    if not candidates:
        cover = "; its only picture is a cover, which --stream takes" if videos else ""
        raise MediaError(f"{name} holds no video{cover}")
    return max(candidates, key=_score)


def is_cover(stream: VideoStream) -> bool:
    """Whether a stream is one picture, to be shown beside what the file holds."""
    return bool(stream.disposition & Disposition.attached_pic)


def _score(stream: VideoStream) -> tuple[int, bool]:
    default = bool(stream.disposition & Disposition.default)
    size = stream.codec_context.width * stream.codec_context.height
    # An AVIF file of moving pictures has one of them as a stream of its own.
    return size + DEFAULT_BONUS * default, stream.frames != 1


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


def _prepare(container: InputContainer, stream: VideoStream) -> None:
    """Tell the decoder where samples of colour stand, where nothing else tells it."""
    line = described(container).partition(f"Stream #0:{stream.index}")[2].partition("\n")[0]
    context = stream.codec_context
    if SITINGS.search(line) is None:
        context.options = {"chroma_sample_location": CODECS_SITINGS.get(context.name, "left")}


def _decoded(decoding: Decoding, name: str) -> Iterator[tuple[int, VideoFrame]]:
    with ffmpeg_as_media_error(f"cannot read {name}"):
        yield from decoding.frames()


def _format(
    stream: VideoStream,
    first: VideoFrame,
    turned: DisplayMatrix,
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
    width, height = first.width, first.height
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


def _left_out(container: InputContainer, stream: VideoStream) -> list[str]:
    """What of a file is not even looked at."""
    streams = container.streams
    others = [other for other in streams.video if other.index != stream.index]
    covers = sum(map(is_cover, others))
    counts = {
        "sound is": len(streams.audio),
        "subtitles are": len(streams.subtitles),
        "further video is": len(others) - covers,
        "cover is": covers,
    }
    return [f"its {what} left out" for what, count in counts.items() if count]


def _lost(first: VideoFrame, stream: VideoStream, turned: DisplayMatrix) -> list[str]:
    """What of a video RGB of 8 bits and right angles do not hold."""
    notes = [loss for loss in losses(first.format) if loss != TRANSPARENT]  # `_shown` looks
    if stream.metadata.get("alpha_mode") == "1":
        notes.append(TRANSPARENT)
    high = HIGH_RANGES.get(int(first.color_trc))
    if high:
        notes.append(f"its high dynamic range ({high}) is coded as if it were the usual one")
    if int(first.colorspace) == CONSTANT_LUMINANCE:
        notes.append("its constant luminance is taken for the usual one")
    if turned[0] and turned[1]:
        notes.append("its rotation is made a right angle")
    return notes


def _shown(
    name: str,
    frames: Iterable[Numbered],
    format: VideoFormat,
    turned: DisplayMatrix,
    found: Found,
) -> Iterator[Timed]:
    """The frames as they are to be seen, in the size of the first."""
    converter = VideoReformatter()
    width, height = format.width, format.height
    if is_turned(turned):
        width, height = height, width
    changes = Changes(found)
    for number, tick, frame in frames:
        changes.see(number, frame)
        if (frame.width, frame.height) != (width, height):
            frame = converter.reformat(frame, width=width, height=height, interpolation=PRECISE)
        with ffmpeg_as_media_error(f"cannot read frame {number} of {name}"):
            if TRANSPARENT not in found.notes and is_transparent(frame):
                found.note(TRANSPARENT)
            pixels = to_rgb(frame, format.matrix, converter)
        yield tick, upright(pixels, turned)


class Changes:
    """Notes what changes in the midst of a video, the first time that it does."""

    def __init__(self, found: Found):
        self.found = found
        self.begin: tuple[tuple[int, int], str, int] | None = None
        self.told: set[str] = set()

    def see(self, number: int, frame: VideoFrame) -> None:
        """One frame after the other."""
        sampling = sampling_of(frame.format)
        now = (frame.width, frame.height), sampling, frame.rotation
        self.begin = self.begin or now
        (width, height), was, turned = self.begin
        if now[0] != (width, height):
            size = f"{frame.width}x{frame.height}"
            self._tell("size", number, f"it is {size}, which is scaled to {width}x{height}")
        if sampling != was:
            self._tell("sampling", number, f"its sampling is {sampling}, which becomes {was}")
        if frame.rotation not in (turned, 0):  # not every decoder says it of each frame
            self._tell("rotation", number, "it is turned otherwise, which is passed over")

    def _tell(self, what: str, number: int, words: str) -> None:
        if what not in self.told:
            self.told.add(what)
            self.found.note(f"from frame {number} on {words}")


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

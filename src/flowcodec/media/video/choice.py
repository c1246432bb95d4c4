"""Which stream of a container is the video."""

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from flowcodec.errors import MediaError, UsageError

DEFAULT_BONUS = 5_000_000  # pixels; ffmpeg's choice among streams


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

"""What of a container's video does not come along, in words."""

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from flowcodec.media.video.choice import is_cover
from flowcodec.media.video.format import TRANSPARENT, Found, losses, sampling_of
from flowcodec.media.video.side_data import DisplayMatrix

HIGH_RANGES: dict[int, str] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
CONSTANT_LUMINANCE = 10  # BT.2020
BESIDE = {  # what ffmpeg calls data of a stream, and what it is
    "stereo3d:": "second view is",
    "spherical:": "projection is",
    "DOVI configuration": "Dolby Vision is",
}
TELLING = (  # how names of metadata begin that people may miss
    "album",
    "artist",
    "author",
    "com.apple.quicktime",
    "comment",
    "copyright",
    "creation_time",
    "date",
    "description",
    "genre",
    "location",
    "show",
    "synopsis",
    "title",
)


def left_out(container: InputContainer, stream: VideoStream, about: str) -> list[str]:
    """What of a file is not even looked at; `about`: ffmpeg's lines about the stream."""
    streams = container.streams
    others = [other for other in streams.video if other.index != stream.index]
    covers = sum(map(is_cover, others))
    counts = {
        "sound is": len(streams.audio),
        "subtitles are": len(streams.subtitles),
        "further video is": len(others) - covers,
        "cover is": covers,
        "chapters are": len(container.chapters()),
    }
    counts |= {what: about.count(said) for said, what in BESIDE.items()}
    tags = sorted({*container.metadata, *stream.metadata})
    told = [tag for tag in tags if tag.lower().startswith(TELLING)]
    metadata = [f"its metadata are left out ({', '.join(told)})"] if told else []
    return [f"its {what} left out" for what, count in counts.items() if count] + metadata


def lost(first: VideoFrame, stream: VideoStream, turned: DisplayMatrix) -> list[str]:
    """What of a video RGB of 8 bits and right angles do not hold, by its first frame."""
    notes = [
        loss for loss in losses(first.format) if loss != TRANSPARENT
    ]  # that is looked for in each frame
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

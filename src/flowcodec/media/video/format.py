"""What a video's samples mean, and frames between RGB and the planes of a source.

Where two columns share a sample of colour, it stands at the left one, and where two rows do,
between them: so do H.264, H.265 and y4m unless they say otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.video.format import VideoFormat as PixelFormat
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from flowcodec.errors import MediaError

Frame = NDArray[np.uint8]
Sampling = Literal["rgb", "gray", "420", "422", "444"]
Matrix = Literal["bt601", "bt709", "bt2020"]
Siting = Literal["left", "center", "topleft"]
Fields = Literal["progressive", "tt", "bb"]  # which field of an interlaced frame is the first
Timed = tuple[int, Frame]  # the first in ticks

# What ffmpeg's headers call the matrices; the package does not export all of them.
MATRIX_TAGS: dict[Matrix, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
CONVERTIBLE = (1, 4, 5, 6, 7, 9)  # matrices that the converter knows by their tags
PRIMARIES: dict[Matrix, int] = MATRIX_TAGS  # those that go with a matrix have its number
TRANSFERS: dict[Matrix, int] = {"bt601": 6, "bt709": 1, "bt2020": 14}
SPACES: dict[Matrix, Colorspace | int] = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": 9,
}
PIXELS: dict[Sampling, str] = {
    "rgb": "rgb24",
    "gray": "gray",
    "420": "yuv420p",
    "422": "yuv422p",
    "444": "yuv444p",
}
SHARED: dict[Sampling, tuple[int, int]] = {  # rows and columns that share a sample of colour
    "rgb": (1, 1),
    "gray": (1, 1),
    "420": (2, 2),
    "422": (1, 2),
    "444": (1, 1),
}
TRANSPARENT = "its transparency is left out"
LEFT = {"chroma_sample_location": "left"}
"""Options of a decoder or encoder whose stream would not say where samples of colour stand."""

PRECISE = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


@dataclass(frozen=True)
class VideoFormat:
    """Size, rate and colour of a video. Frames themselves are RGB, whatever the source holds.

    width, height: of upright frames, in pixels. fps: frames a second, the mean where it varies.
    sampling: how the source holds colour, RGB, gray, or YCbCr of that subsampling; matrix and
    full_range: of YCbCr, the others have the full range. aspect: width of a pixel by its height.
    time_base: seconds of one tick. primaries, transfer: code points of ITU-T H.273, None for those
    that go with the matrix.
    """

    width: int
    height: int
    fps: Fraction
    sampling: Sampling
    matrix: Matrix
    full_range: bool = False
    aspect: Fraction = Fraction(1)
    time_base: Fraction = Fraction(1, 25)
    primaries: int | None = None
    transfer: int | None = None

    @property
    def ticks(self) -> Fraction:
        """Ticks of a frame at the rate."""
        return 1 / (self.fps * self.time_base)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's planes."""
        return bytes_of(PixelFormat(PIXELS[self.sampling], self.width, self.height))

    @property
    def range(self) -> ColorRange:
        """Of its samples, as ffmpeg names it."""
        full = self.full_range or self.sampling in ("gray", "rgb")
        return ColorRange.JPEG if full else ColorRange.MPEG


@dataclass
class Found:
    """What is found out about a video while its frames are walked.

    notes: what of it does not come along, in words. damage: what of it is missing or damaged, in
    words. ending: for how many ticks its last frame is shown, where that is not the time of a
    frame. All are complete when the frames have been walked to the end.
    """

    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    ending: int | None = None

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True, eq=False)
class Video:
    """A video that is open for reading.

    name: what to call it in messages.
    format: size, rate and colour of its source; fps 25 for a folder of pictures.
    count: how many frames there are as far as the file tells, or None. It may be off by a few.
    timed: the frames in order, each with its time in ticks, which is 0 for the first and never
        falls: (tick, uint8 (height, width, 3) RGB). They can be walked once, inside the block of
        `open_video`. Frames that are missing or damaged do not come: `damage` says which.
    found: notes, damage and ending, which grow while the frames are walked.
    """

    name: str
    format: VideoFormat
    count: int | None
    timed: Iterator[Timed]
    found: Found = field(default_factory=Found)

    @property
    def notes(self) -> list[str]:
        """What of the file does not come along, in words."""
        return self.found.notes

    @property
    def damage(self) -> list[str]:
        """What of the file is missing or damaged, in words, one line each."""
        return self.found.damage

    @property
    def ending(self) -> int | None:
        """For how many ticks the last frame is shown, where that is not the time of a frame."""
        return self.found.ending

    @property
    def frames(self) -> Iterator[Frame]:
        """The same frames without their times."""
        return (frame for _, frame in self.timed)

    @property
    def whole(self) -> Iterator[Frame]:
        """The same frames, and in the end a MediaError if any was missing or damaged."""
        yield from self.frames
        if self.damage:
            raise MediaError(f"{self.name} is damaged: {'; '.join(self.damage)}")

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


def usual_format(width: int, height: int, fps: Fraction, sampling: Sampling = "420") -> VideoFormat:
    """The format of a new video: limited range and the matrix that players expect."""
    return VideoFormat(width, height, fps, sampling, usual_matrix(width, height), time_base=1 / fps)


def usual_matrix(width: int, height: int) -> Matrix:
    """BT.709 from 1280 columns or above 576 lines, BT.601 below, as players take it."""
    return "bt709" if width >= 1280 or height > 576 else "bt601"


def sampling_of(pixels: PixelFormat) -> Sampling:
    """The nearest sampling to that of a pixel format."""
    if pixels.is_rgb or pixels.has_palette:
        return "rgb"
    if len(pixels.components) < 3:
        return "gray"
    side = 64
    columns, rows = pixels.chroma_width(side), pixels.chroma_height(side)
    if columns == side:
        return "444"
    return "422" if rows == side else "420"


def bytes_of(pixels: PixelFormat) -> int:
    """Bytes of one frame's planes without padding, in a format that has its size."""
    parts = pixels.components
    return sum(part.width * part.height * (2 if part.bits > 8 else 1) for part in parts)


def losses(pixels: PixelFormat) -> list[str]:
    """What RGB of 8 bits does not hold of a pixel format, in words."""
    notes = []
    bits = max(component.bits for component in pixels.components)
    if bits > 8:
        notes.append(f"its {bits} bits a sample are rounded to 8")
    if has_alpha(pixels):
        notes.append(TRANSPARENT)
    return notes


def has_alpha(pixels: PixelFormat) -> bool:
    """Whether a pixel format can say that something is transparent."""
    return any(component.is_alpha for component in pixels.components)


def is_transparent(frame: VideoFrame) -> bool:
    """Whether anything of a frame is."""
    if not has_alpha(frame.format):
        return False
    return bool(frame.reformat(format="rgba").to_ndarray()[..., 3].min() < 255)


def to_rgb(frame: VideoFrame, matrix: Matrix, converter: VideoReformatter) -> Frame:
    """A frame of any pixel format, as RGB of full range; `matrix` where it names none."""
    tagged = frame.colorspace in CONVERTIBLE or frame.format.is_rgb
    converted = converter.reformat(
        frame,
        format="rgb24",
        src_colorspace=None if tagged else SPACES[matrix],
        dst_color_range=ColorRange.JPEG,
        interpolation=PRECISE,
    )
    return np.asarray(converted.to_ndarray(), np.uint8)


def from_rgb(
    frame: Frame, format: VideoFormat, converter: VideoReformatter, *, whole: bool = False
) -> VideoFrame:
    """A frame in the format's own sampling, matrix and range; MediaError where its shape differs.

    whole: sides grow to multiples of what shares a sample of colour.
    """
    shape = (format.height, format.width, 3)
    if frame.shape != shape or frame.dtype != np.uint8:
        raise MediaError(
            f"a frame of this video must be uint8 {shape}, not {frame.dtype} {tuple(frame.shape)}"
        )
    if whole:
        rows, columns = SHARED[format.sampling]
        grown = ((0, -format.height % rows), (0, -format.width % columns), (0, 0))
        frame = np.pad(frame, grown, mode="edge")
    height, width = frame.shape[:2]
    given = with_samples(frame.tobytes(), PixelFormat("rgb24", width, height))
    if format.sampling == "rgb":
        return given
    return converter.reformat(
        given,
        format=PIXELS[format.sampling],
        src_color_range=ColorRange.JPEG,
        dst_colorspace=SPACES[format.matrix],
        dst_color_range=format.range,
        interpolation=PRECISE,
    )


def planes_of(frame: VideoFrame) -> bytes:
    """The samples of a frame, plane by plane, without padding."""
    return b"".join(plane.tobytes() for plane in arrays_of(frame))


def arrays_of(frame: VideoFrame) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
    """The planes of a frame as views (rows, columns), uint16 where samples have more than 8 bits;
    RGB is one plane of three columns a pixel."""
    deep = frame.format.components[0].bits > 8
    found = []
    for plane in frame.planes:
        width = plane.width * (3 if frame.format.name == "rgb24" else 1)
        samples = np.frombuffer(plane, np.uint16 if deep else np.uint8)  # type: ignore[call-overload]
        rows = samples.reshape(-1, plane.line_size // samples.itemsize)
        found.append(rows[: plane.height, :width])
    return found


def with_planes(data: bytes, format: VideoFormat) -> VideoFrame:
    """The frame that has these samples, plane by plane."""
    frame = with_samples(data, PixelFormat(PIXELS[format.sampling], format.width, format.height))
    if format.sampling not in ("rgb", "gray"):
        frame.colorspace = MATRIX_TAGS[format.matrix]
    frame.color_range = format.range
    return frame


def with_samples(
    data: bytes, pixels: PixelFormat, siting: Siting = "left", fields: Fields = "progressive"
) -> VideoFrame:
    """The frame of `bytes_of(pixels)` bytes. It names no matrix and no range."""
    # The one way to a frame that knows where its samples of colour stand, for both conversions.
    decoder = av.CodecContext.create("rawvideo", "r")
    decoder.width, decoder.height, decoder.pix_fmt = pixels.width, pixels.height, pixels.name
    decoder.options = {"chroma_sample_location": siting, "field_order": fields}
    (frame,) = decoder.decode(av.Packet(data))
    frame.pict_type = PictureType.NONE  # an encoder would be bound to it
    return frame

"""What a video's samples mean, and frames between RGB and the planes of a source."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from av.video.format import VideoFormat as PixelFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from flowcodec.errors import MediaError

Frame = NDArray[np.uint8]
Sampling = Literal["rgb", "gray", "420", "422", "444"]
Matrix = Literal["bt601", "bt709", "bt2020"]

# What ffmpeg's headers call the matrices; the package does not export all of them.
UNSPECIFIED = 2
MATRIX_TAGS: dict[Matrix, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
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
    full_range: of YCbCr. aspect: width of a pixel by its height. time_base: seconds of one tick.
    """

    width: int
    height: int
    fps: Fraction
    sampling: Sampling
    matrix: Matrix
    full_range: bool = False
    aspect: Fraction = Fraction(1)
    time_base: Fraction = Fraction(1, 25)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's planes."""
        luma = self.width * self.height
        if self.sampling in ("gray", "rgb"):
            return luma * (3 if self.sampling == "rgb" else 1)
        rows, columns = SHARED[self.sampling]
        return luma + 2 * -(-self.height // rows) * -(-self.width // columns)


def usual_format(width: int, height: int, fps: Fraction, sampling: Sampling = "420") -> VideoFormat:
    """The format of a new video: limited range and the matrix that players expect."""
    return VideoFormat(width, height, fps, sampling, usual_matrix(width, height), time_base=1 / fps)


def usual_matrix(width: int, height: int) -> Matrix:
    """BT.709 from 1280 columns or above 576 lines, BT.601 below, as players take it."""
    return "bt709" if width >= 1280 or height > 576 else "bt601"


def sampling_of(pixels: PixelFormat) -> Sampling:
    """The nearest sampling to that of a pixel format."""
    if pixels.is_rgb:
        return "rgb"
    if len(pixels.components) < 3:
        return "gray"
    side = 64
    columns, rows = pixels.chroma_width(side), pixels.chroma_height(side)
    if columns == side:
        return "444"
    return "422" if rows == side else "420"


def to_rgb(frame: VideoFrame, matrix: Matrix, converter: VideoReformatter) -> Frame:
    """A frame of any pixel format, as RGB of full range; `matrix` where it names none."""
    untagged = frame.colorspace == UNSPECIFIED and not frame.format.is_rgb
    converted = converter.reformat(
        frame,
        format="rgb24",
        src_colorspace=SPACES[matrix] if untagged else None,
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
    given = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    if format.sampling == "rgb":
        return given
    return converter.reformat(
        given,
        format=PIXELS[format.sampling],
        src_color_range=ColorRange.JPEG,
        dst_colorspace=SPACES[format.matrix],
        dst_color_range=ColorRange.JPEG if format.full_range else ColorRange.MPEG,
        interpolation=PRECISE,
    )


def planes_of(frame: VideoFrame) -> bytes:
    """The samples of a frame, plane by plane, without padding."""
    parts = []
    for plane in frame.planes:
        width = plane.width * (3 if frame.format.name == "rgb24" else 1)
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        parts.append(rows[: plane.height, :width].tobytes())
    return b"".join(parts)


def with_planes(data: bytes, format: VideoFormat) -> VideoFrame:
    """The frame that has these samples."""
    frame = VideoFrame(format.width, format.height, PIXELS[format.sampling])
    at = 0
    for plane in frame.planes:
        width = plane.width * (3 if format.sampling == "rgb" else 1)
        rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
        size = plane.height * width
        part = np.frombuffer(data, np.uint8, size, at).reshape(plane.height, width)
        rows[: plane.height, :width] = part
        plane.update(rows.tobytes())
        at += size
    if format.sampling not in ("rgb", "gray"):
        frame.colorspace = MATRIX_TAGS[format.matrix]
    frame.color_range = ColorRange.JPEG if format.full_range else ColorRange.MPEG
    return frame

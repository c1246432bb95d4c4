"""Sequences to measure on: frames as RGB, and as the 4:2:0 planes that other codecs take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from flowcodec.errors import UsageError
from flowcodec.media.folders import picture_files, video_files
from flowcodec.media.video import open_video
from flowcodec.media.video.choice import chosen
from flowcodec.media.video.format import Frame, VideoFormat, from_rgb


@dataclass(frozen=True, eq=False)
class Sequence420:
    """The first frames of a video.

    frames: uint8 (H, W, 3) RGB, what every codec is measured against. planes: the same in 8-bit
    4:2:0; the source's own, or converted from RGB (BT.709, limited range, chroma interpolated in
    full). native: whether they are the source's own. format: of the planes.
    """

    name: str
    format: VideoFormat
    frames: list[Frame]
    planes: list[VideoFrame]
    native: bool

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return len(self.frames) * self.format.width * self.format.height


def find_sequences(folder: Path) -> list[Path]:
    """The videos of a folder, and the folders of pictures in it, each a video.

    UsageError where there is none, or two have one name.
    """
    folders = {path.parent for path in picture_files(folder)}
    paths = [*video_files(folder), *sorted(folders)]
    if not paths:
        raise UsageError(
            f"no videos in {folder}: give a folder of .mkv, .mp4, .y4m, ... files, or of folders"
            " of frames"
        )
    if len({path.stem for path in paths}) < len(paths):
        raise UsageError("results are filed by name: two of the videos are named alike")
    return paths


def read_sequence(path: Path, count: int, least: int | None = None) -> Sequence420:
    """The first `count` frames, `least` or more. UsageError where there are fewer of them."""
    with open_video(path) as video:
        frames = [frame for frame, _ in zip(video.whole, range(count), strict=False)]
        format = video.format
    if len(frames) < (count if least is None else least):
        raise UsageError(f"{path} has {len(frames)} frames, {count} are wanted: --frames N")
    planes = None if path.is_dir() else _own_planes(path, count)
    native = planes is not None
    if planes is None:
        format = replace(format, sampling="420", matrix="bt709", full_range=False)
        converter = VideoReformatter()
        planes = [from_rgb(frame, format, converter, whole=True) for frame in frames]
    return Sequence420(path.stem, format, frames, planes, native)


def _own_planes(path: Path, count: int) -> list[VideoFrame] | None:
    """The frames as they are stored, if that is 8-bit 4:2:0, upright and not interlaced."""
    with av.open(f"file:{path}") as container:
        decoded = container.decode(chosen(container, str(path), None))
        planes: Sequence[VideoFrame] = [
            frame for frame, _ in zip(decoded, range(count), strict=False)
        ]
    for frame in planes:
        frame.pict_type = PictureType.NONE  # else an encoder codes the kinds that the source had
    plain = planes[0].format.name in ("yuv420p", "yuvj420p")
    return list(planes) if plain and not any(frame.interlaced_frame for frame in planes) else None

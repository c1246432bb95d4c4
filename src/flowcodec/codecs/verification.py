"""Decoded groups of a video beside the frames that they were made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flowcodec.bitstream.fields import read_psnr
from flowcodec.codecs.fidelity import as_measured, psnr_of, squared_error
from flowcodec.errors import FlowcodecError, FormatError
from flowcodec.media.formats import RAW_SUFFIX

if TYPE_CHECKING:
    from flowcodec.bitstream.video_file import Group
    from flowcodec.media.video.format import Frame, Timed, Video, VideoFormat


@contextmanager
def verification_by(
    original: Path, format: VideoFormat, stream: int | None
) -> Iterator[Verification]:
    """By a video file (`stream`: which one of it), a folder of frames, or raw planes of the format
    that the coded file has."""
    from flowcodec.media.video import open_raw, open_video

    raw = original.suffix.lower() == RAW_SUFFIX
    with open_raw(original, format) if raw else open_video(original, stream=stream) as video:
        yield Verification(video)


class Verification:
    """Compares groups with an original, whose frames are counted as the file counts its own.

    groups: how many were found to be as near as their encoder measured.
    """

    def __init__(self, original: Video):
        self.groups = 0
        self._name = original.name
        self._frames = original.frames
        self._passed = 0

    def of(self, group: Group, decoded: Iterator[Timed]) -> Iterator[Timed]:
        """The decoded frames of a group as they come; when the last is taken, it is judged.

        A group of which frames are lost cannot be judged: its encoder measured it as a whole.
        FormatError where it is further from the original than that; FlowcodecError where the
        original has other frames.
        """
        known, count, samples, error = group.header, 0, 0, 0.0
        for number, (tick, frame) in enumerate(decoded, known.first):
            error += squared_error(self._frame(number, frame), frame)
            samples += frame.size
            count += 1
            yield tick, frame
        if count < known.count:
            return
        found = psnr_of(error, samples)
        if not as_measured(found, known.psnr):
            raise FormatError(
                f"group {known.number} has {found:.2f} dB, its encoder measured"
                f" {read_psnr(known.psnr):.2f} dB: either {self._name} is not its original, or it"
                " was decoded wrong"
            )
        self.groups += 1

    def finish(self) -> None:
        """FlowcodecError where the original goes on after the last frame of the file."""
        if next(self._frames, None) is not None:
            raise FlowcodecError(
                f"{self._name} is not the original: it has more than {self._passed} frames"
            )

    def _frame(self, number: int, like: Frame) -> Frame:
        """Frame `number` of the original; those before it are passed over."""
        frame: Frame | None = None
        while self._passed <= number:
            frame = next(self._frames, None)
            if frame is None:
                raise FlowcodecError(
                    f"{self._name} is not the original: it has only {self._passed} frames"
                )
            self._passed += 1
        assert frame is not None, "groups come in order"
        if frame.shape != like.shape:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (frame.shape, like.shape)]
            raise FlowcodecError(
                f"{self._name} is not the original: it is {sizes[0]}, the file {sizes[1]}"
            )
        return frame

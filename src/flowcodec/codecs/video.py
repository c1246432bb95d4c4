"""Videos to `.fcv` files and back: the loop over groups.

    frames ─► intra ─► inter ─► inter ... ─► a group ─► file
                └ State ┘└ State ┘

A group begins with a frame that stands alone and ends where its length or a cut says so. What an
inter frame is coded with is a part that is plugged in: `InterModel` is all that this loop knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.header import LOSSLESS_PSNR
from flowcodec.bitstream.picture_file import PictureFile
from flowcodec.bitstream.video_file import (
    CodedFrame,
    Colour,
    Damage,
    Group,
    Inter,
    Intra,
    Repeat,
    VideoHeader,
    VideoWriter,
    read_groups,
    refuse,
)
from flowcodec.codecs.pace import Pace
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.protocols import Frame, InterModel
from flowcodec.codecs.running import give_back
from flowcodec.codecs.settings import at_least_one, thousandths
from flowcodec.codecs.systems import SYSTEMS, imported, names_of, system_of
from flowcodec.codecs.tiles import error_weight
from flowcodec.codecs.weights import Weights, bundled_weights, find_weights
from flowcodec.errors import FormatError, UsageError, WeightsError
from flowcodec.media.video.format import VideoFormat
from flowcodec.quality import FINEST

if TYPE_CHECKING:
    from flowcodec.media.video.format import Matrix, Sampling

DEFAULT_GOP = 32
THUMBNAIL = 16  # pixels a side that are averaged before two frames are compared
SUSPECTED_CUT = 12.0  # mean difference of such averages, of 255
VERIFY_DB = 0.05
UNSTATED = 2  # the code point of primaries and transfers that are not stated
# Thousandths by which a frame that others follow is better, by metric: 1.5 and 4.5 % fewer bits.
FINER = {"mse": 700, "ms-ssim": 1700}
RISE, RISE_OVER = 1100, 31  # thousandths, frames: what inter frames lose one after another
UNIT_BYTES = 14  # about what frames one coded frame in a file


@dataclass
class CodedGroup:
    """Frames of one group, and the squared error of each, summed over its samples; whether it is
    the last one."""

    frames: list[CodedFrame] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    last: bool = False


@dataclass(frozen=True)
class EncodedVideo:
    """What became of a video: frames, bytes of the file, PSNR in dB over all its samples."""

    frames: int
    bytes: int
    psnr: float


class VideoCodec:
    """Codes videos with two sets of weights. Create it with `flowcodec.load`."""

    def __init__(self, intra: PictureCodec, inter: InterModel):
        self.intra, self.inter = intra, inter

    def write(
        self,
        timed: Iterable[tuple[int, Frame]],
        format: VideoFormat,
        stream: BinaryIO,
        quality: float | Pace = 4.0,
        *,
        gop: int = DEFAULT_GOP,
        on_frame: Callable[[], None] | None = None,
        ending: Callable[[], int | None] = lambda: None,
    ) -> EncodedVideo:
        """Code frames, each with its time in ticks, to a stream that need not seek.

        quality: a real number from 1 to 8, or what says it for each group; gop: frames of a group
        at most. Groups are written as they are complete. `ending` is asked after the last frame
        for how many ticks that is shown (`Video.ending`). UsageError for frames that do not fit, or
        none.
        """
        gop = at_least_one(gop, "gop")
        pace = quality if isinstance(quality, Pace) else None
        constant = 0 if isinstance(quality, Pace) else thousandths(quality)
        writer = VideoWriter(stream, self.header(format), colour_of(format))
        count, error = 0, 0.0
        samples = format.width * format.height * 3

        def next_quality() -> int:
            return constant if pace is None else thousandths(pace.next())

        for group in self.groups(timed, next_quality, gop, on_frame):
            psnr = psnr_of(sum(group.errors), samples * len(group.frames))
            stored = LOSSLESS_PSNR if math.isinf(psnr) else round(psnr * 100)
            size = writer.write_group(group.frames, stored, ending() if group.last else None)
            if pace is not None:
                pace.note(size, len(group.frames))
            count += len(group.frames)
            error += sum(group.errors)
        if not count:
            raise UsageError("there is no frame to encode")
        size = writer.finish()
        return EncodedVideo(count, size, psnr_of(error, samples * count))

    def sizes(self, frames: Sequence[Frame], quality: float) -> list[int]:
        """Bytes of code of frames in a row, the first standing alone: a sample of a video."""
        timed = enumerate(frames)
        at = thousandths(quality)
        groups = self.groups(timed, lambda: at, len(frames))
        return [coded.code_bytes + UNIT_BYTES for group in groups for coded in group.frames]

    def header(self, format: VideoFormat) -> VideoHeader:
        """What a file says about this codec and a video."""
        return VideoHeader(
            model=self.intra.code,
            prior_hash=self.intra.prior.hash[:4],
            weights_hash=self.intra.weights.hash[:4],
            width=format.width,
            height=format.height,
            sampling=format.sampling,
            matrix=format.matrix,
            full_range=format.full_range,
            fps=format.fps,
            time_base=format.time_base,
            aspect=format.aspect,
            inter_model=SYSTEMS[self.inter.weights.model].code,
            inter_prior_hash=self.inter.prior_hash[:4],
            inter_weights_hash=self.inter.weights.hash[:4],
        )

    def groups(
        self,
        timed: Iterable[tuple[int, Frame]],
        next_quality: Callable[[], int],
        gop: int,
        on_frame: Callable[[], None] | None = None,
    ) -> Iterator[CodedGroup]:
        """Code frames; one group at a time is held. A quality is asked for before each.

        A group that a cut begins goes on with the quality of the one before.
        """
        group = CodedGroup()
        quality = 0
        state: Any = None
        before: Frame | None = None
        for time, frame in timed:
            coded: CodedFrame
            full = len(group.frames) == gop
            if before is not None and not full and np.array_equal(frame, before):
                coded = Repeat(time)
            elif before is None or full:
                if group.frames:
                    yield group
                    group = CodedGroup()
                quality = next_quality()
                coded, state = self.alone(frame, time, quality, gop)
            else:
                place = len(group.frames)
                coded, state = self._following(frame, before, state, time, quality, place, gop)
                if isinstance(coded, Intra):
                    yield group
                    group = CodedGroup()
            group.frames.append(coded)
            group.errors.append(squared_error(frame, self.inter.shown(state)))
            before = frame
            give_back()
            if on_frame:
                on_frame()
        if group.frames:
            group.last = True
            yield group

    def alone(self, frame: Frame, time: int, quality: int, gop: int) -> tuple[Intra, Any]:
        """A frame that begins a group of a quality in thousandths, and the state after it."""
        if gop > 1:
            quality = min(quality + FINER[self.inter.weights.metric], FINEST)
        coded = self.intra.encode(frame, quality / 1000)
        return Intra(time, quality, coded.tiles), self.inter.start(coded.reconstruction)

    def _following(
        self, frame: Frame, before: Frame, state: Any, time: int, quality: int, place: int, gop: int
    ) -> tuple[CodedFrame, Any]:
        """As an inter frame, at its place in the group; after what may be a cut, alone where that
        costs less."""
        at = risen(quality, place)
        coded, after = self.inter.encode(frame, state, at)
        inter = Inter(time, at, coded.hash, coded.data)
        if difference(frame, before) < SUSPECTED_CUT:
            return inter, after
        alone, anew = self.alone(frame, time, quality, gop)
        weight = error_weight(quality, "mse") / 3
        costs = [
            8 * unit.code_bytes + weight * squared_error(frame, self.inter.shown(s))
            for unit, s in ((inter, after), (alone, anew))
        ]
        return (inter, after) if costs[0] <= costs[1] else (alone, anew)

    def check(self, header: VideoHeader) -> None:
        """WeightsError unless a file was made with these weights."""
        for needed, prior, weights in (
            (header.weights_hash, header.prior_hash, self.intra),
            (header.inter_weights_hash, header.inter_prior_hash, self.inter),
        ):
            found = weights.prior_hash if weights is self.inter else self.intra.prior.hash
            if needed != weights.weights.hash[:4] or prior != found[:4]:
                raise WeightsError(
                    f"the file needs weights {needed.hex()}, these are"
                    f" {weights.weights.hash[:4].hex()}"
                )

    def decode(
        self, header: VideoHeader, group: Group, report: Callable[[Damage], None] = refuse
    ) -> Iterator[tuple[int, Frame]]:
        """Frames of a group that was read, each with its time in ticks.

        The first one that is damaged is told to `report` and ends the group.
        """
        state: Any = None
        for number, coded in enumerate(group.frames):
            try:
                if isinstance(coded, Intra):
                    picture = header.picture(coded.quality)
                    file = PictureFile(picture, list(coded.tiles), None, None, None, None, {})
                    state = self.inter.start(self.intra.decode_parsed(file).pixels)
                elif isinstance(coded, Inter):
                    state = self.inter.decode(coded.data, coded.hash, state, coded.quality)
            except FormatError as error:
                unit = f"frame {group.header.first + number}"
                lost = group.header.count - number
                text = f"{error}; {lost} frames are lost"
                report(Damage(coded.offset, unit, text))
                return
            frame = self.inter.shown(state)
            give_back()
            yield coded.time, frame

    def read(self, stream: BinaryIO) -> Iterator[tuple[int, Frame]]:
        """All frames of a whole file, each with its time in ticks; FormatError at any damage."""
        header, groups = read_groups(stream)
        self.check(header)
        for group in groups:
            yield from self.decode(header, group)


def open_video_codec(
    weights: Weights[Any], *, device: str = "cpu", threads: int | None = None
) -> VideoCodec:
    """The codec of these inter frames; the others are coded by the first system of pictures, with
    bundled weights of the same metric."""
    intra = bundled_weights(names_of("picture")[0], weights.metric)
    return _opened(intra, weights, device, threads)


def load_for_video(
    header: VideoHeader,
    *,
    weights: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> VideoCodec:
    """The codec that a file asks for, its weights found by hash."""
    systems = system_of("picture", header.model), system_of("inter", header.inter_model)
    hashes = header.weights_hash, header.inter_weights_hash
    intra, inter = (
        find_weights(hash, weights).of(system.name)
        for hash, system in zip(hashes, systems, strict=True)
    )
    codec = _opened(intra, inter, device, threads)
    codec.check(header)
    return codec


def _opened(
    intra: Weights[Any], inter: Weights[Any], device: str, threads: int | None
) -> VideoCodec:
    opens = imported(SYSTEMS[inter.model].model)
    return VideoCodec(
        PictureCodec(intra, device=device, threads=threads), opens(inter, device, threads)
    )


def risen(quality: int, place: int) -> int:
    """The quality of an inter frame, in thousandths: it rises along a group, since each frame
    inherits what those before it have lost, and people would see the group fade."""
    return min(quality + RISE * min(place, RISE_OVER) // RISE_OVER, FINEST)


def colour_of(format: VideoFormat) -> Colour | None:
    """What a file is to say of primaries and transfer, if they are not those of the matrix."""
    if format.primaries is None and format.transfer is None:
        return None
    return Colour(format.primaries or UNSTATED, format.transfer or UNSTATED)


def source_of(header: VideoHeader, colour: Colour | None = None) -> VideoFormat:
    """What a header says about the source of a video, and a group about its colour."""
    primaries, transfer = (None if code == UNSTATED else code for code in colour or (UNSTATED,) * 2)
    return VideoFormat(
        width=header.width,
        height=header.height,
        fps=header.fps,
        sampling=cast("Sampling", header.sampling),
        matrix=cast("Matrix", header.matrix),
        full_range=header.full_range,
        aspect=header.aspect,
        time_base=header.time_base,
        primaries=primaries,
        transfer=transfer,
    )


def squared_error(a: Frame, b: Frame) -> float:
    """Summed over all samples."""
    difference = a.astype(np.int32) - b
    return float(np.square(difference).sum(dtype=np.int64))


def psnr_of(error: float, samples: int) -> float:
    """In dB, of a squared error summed over so many samples of 8 bits."""
    return math.inf if error == 0 else 10 * math.log10(255**2 * samples / error)


def difference(a: Frame, b: Frame) -> float:
    """Mean difference of two frames in blocks of 16x16, as far as they are whole."""
    return float(np.abs(_thumbnail(a) - _thumbnail(b)).mean()) if min(a.shape[:2]) >= 16 else 255.0


def _thumbnail(frame: Frame) -> NDArray[np.float64]:
    rows, columns = (side // THUMBNAIL for side in frame.shape[:2])
    whole = frame[: rows * THUMBNAIL, : columns * THUMBNAIL, 1]
    return whole.reshape(rows, THUMBNAIL, columns, THUMBNAIL).mean((1, 3))

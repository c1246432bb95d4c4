"""Videos to `.fcv` files and back: the loop over groups.

    frames ─► intra ─► inter ─► inter ... ─► a group ─► file
                └ State ┘└ State ┘

A group begins with a frame that stands alone and ends where its length or a cut says so. What an
inter frame is coded with is a part that is plugged in: `InterModel` is all that this loop knows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from flowcodec.bitstream.fields import stored_psnr
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
    refuse,
)
from flowcodec.codecs.fidelity import psnr_of, squared_error
from flowcodec.codecs.groups import (
    Coders,
    Decoders,
    coded_groups,
    decoded_groups,
    decoded_parts,
)
from flowcodec.codecs.memory import give_back
from flowcodec.codecs.pace import BEHIND, Pace
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.plan import DEFAULT_GOP, Plan, PlannedGroup, Way
from flowcodec.codecs.protocols import Frame, InterModel
from flowcodec.codecs.seeking import Part, open_part
from flowcodec.codecs.settings import at_least_one, thousandths
from flowcodec.codecs.systems import SYSTEMS, imported, names_of, system_of
from flowcodec.codecs.weights import Weights, bundled_weights, find_weights
from flowcodec.codecs.workers import Alone, Crew, Workers, workers
from flowcodec.errors import FormatError, UsageError, WeightsError
from flowcodec.media.video.format import VideoFormat

if TYPE_CHECKING:
    from flowcodec.media.video.format import Matrix, Sampling

UNSTATED = 2  # the code point of primaries and transfers that are not stated
UNIT_BYTES = 14  # about what frames one coded frame in a file


@dataclass(frozen=True)
class EncodedVideo:
    """What became of a video: frames, bytes of the file, PSNR in dB over all its samples."""

    frames: int
    bytes: int
    psnr: float


class VideoCodec:
    """Codes videos with two sets of weights. Create it with `flowcodec.load`."""

    def __init__(
        self,
        intra: PictureCodec,
        inter: InterModel,
        again: Callable[[], VideoCodec] | None = None,
    ):
        """again: opens the same codec in another process; can be pickled."""
        self.intra, self.inter, self._again = intra, inter, again

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
        jobs: int | Coders = 1,
    ) -> EncodedVideo:
        """Code frames, each with its time in ticks, to a stream that need not seek.

        quality: a real number from 1 to 8, or what says it for each group; gop: frames of a group
        at most. Groups are written as they are complete. `ending` is asked after the last frame
        for how many ticks that is shown (`Video.ending`). jobs: worker processes, or those of
        `coders`; the bytes are the same for any number. UsageError for frames that do not fit, or
        none.
        """
        gop = at_least_one(gop, "gop")
        writer = VideoWriter(stream, self.header(format), colour_of(format))
        count, error = 0, 0.0
        samples = format.width * format.height * 3
        pace = quality if isinstance(quality, Pace) else None
        constant = 0 if isinstance(quality, Pace) else thousandths(quality)

        def wanted(number: int, first: int) -> int:
            return constant if pace is None else thousandths(pace.quality(number, first))

        plan = Plan(timed, gop, self.inter.weights.metric, wanted)
        with ExitStack() as stack:
            crew = stack.enter_context(self.coders(jobs))
            most = crew.count + 1 if pace is None else min(crew.count + 1, BEHIND)
            groups = coded_groups(plan, crew, self.code, most, on_frame)
            for group in stack.enter_context(closing(groups)):
                psnr = psnr_of(sum(group.errors), samples * len(group.frames))
                last = ending() if group.last else None
                size = writer.write_group(group.frames, stored_psnr(psnr), last)
                if pace is not None:
                    pace.note(size, len(group.frames))
                count += len(group.frames)
                error += sum(group.errors)
        if not count:
            raise UsageError("there is no frame to encode")
        size = writer.finish()
        return EncodedVideo(count, size, psnr_of(error, samples * count))

    def coders(
        self, jobs: int | Coders, prepare: Callable[[], None] | None = None
    ) -> AbstractContextManager[Coders]:
        """So many processes that code groups, until the block ends; for one, this process; for
        some that are there, those.

        prepare: what each new process does first. UsageError where there can't be any.
        """
        return self._crew(jobs, prepare, VideoCodec.code)

    def decoders(
        self, jobs: int | Decoders, prepare: Callable[[], None] | None = None
    ) -> AbstractContextManager[Decoders]:
        """The same for decoding."""
        return self._crew(jobs, prepare, decoded_parts)

    def _crew(
        self,
        jobs: int | Crew[Any, Any],
        prepare: Callable[[], None] | None,
        work: Callable[[VideoCodec, Any], Iterable[Any]],
    ) -> AbstractContextManager[Crew[Any, Any]]:
        if isinstance(jobs, Workers | Alone):
            return nullcontext(jobs)
        jobs = at_least_one(jobs, "jobs")
        if jobs == 1:
            return nullcontext(Alone(self, work))
        if self._again is None:
            raise UsageError("this codec was put together by hand: it works in one process alone")
        return workers(jobs, partial(_opened, self._again, prepare), work)

    def code(self, group: PlannedGroup) -> Iterator[tuple[CodedFrame, float]]:
        """Each frame of a planned group as it is coded, and its squared error over all samples."""
        states: dict[int, Any] = {}
        for step, frame in group:
            coded: CodedFrame
            state = None if step.reference is None else states[step.reference]
            if step.way is Way.ALONE:
                coded, state = self.alone(frame, step.time, step.quality)
            elif step.way is Way.INTER:
                made, state = self.inter.encode(frame, state, step.quality)
                coded = Inter(step.time, step.quality, made.hash, made.data)
            else:
                coded = Repeat(step.time)
            states = {step.place: state}  # each is the reference of the next
            error = squared_error(frame, self.inter.shown(state))
            give_back()
            yield coded, error

    def alone(self, frame: Frame, time: int, quality: int) -> tuple[Intra, Any]:
        """A frame that stands alone, at a quality in thousandths, and the state after it."""
        coded = self.intra.encode(frame, quality / 1000)
        return Intra(time, quality, coded.tiles), self.inter.start(coded.reconstruction)

    def sizes(
        self, stretches: Sequence[Sequence[Frame]], quality: float, crew: Coders | None = None
    ) -> list[list[int]]:
        """Bytes of code of each frame of some stretches of a video, whose first stand alone."""
        at, metric = thousandths(quality), self.inter.weights.metric
        groups = [
            [
                step
                for group in Plan(enumerate(frames), len(frames), metric, lambda *where: at)
                for step in group
            ]
            for frames in stretches
        ]
        coded = (crew or Alone(self, VideoCodec.code)).do(groups)
        return [[frame.code_bytes + UNIT_BYTES for frame, _ in parts] for parts in coded]

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

    def decode_part(
        self,
        part: Part,
        report: Callable[[Damage], None] = refuse,
        jobs: int | Decoders = 1,
    ) -> Generator[tuple[Group, Iterator[tuple[int, Frame]]], None, None]:
        """Each group of a part with its frames, which are to be taken before the next group.

        report: told what is damaged. jobs: worker processes, or those of `decoders`.
        """
        with ExitStack() as stack:
            crew = stack.enter_context(self.decoders(jobs))
            yield from decoded_groups(part, crew, report)

    def read(
        self, stream: BinaryIO, start: float = 0.0, jobs: int = 1
    ) -> Iterator[tuple[int, Frame]]:
        """The frames of a file from so many seconds on, each with its time in ticks; FormatError at
        any damage."""
        part = open_part(stream, start)
        self.check(part.header)
        with closing(self.decode_part(part, jobs=jobs)) as groups:
            for _, frames in groups:
                yield from (each for each in frames if part.first is None or each[0] >= part.first)


def _opened(again: Callable[[], VideoCodec], prepare: Callable[[], None] | None) -> VideoCodec:
    """What a worker works with."""
    if prepare is not None:
        prepare()
    return again()


def open_video_codec(
    weights: Weights[Any], *, device: str = "cpu", threads: int | None = None
) -> VideoCodec:
    """The codec of these inter frames; the others are coded by the first system of pictures, with
    bundled weights of the same metric."""
    again = partial(open_video_codec, weights, device=device, threads=threads or 1)
    intra = bundled_weights(names_of("picture")[0], weights.metric)
    return _put_together(intra, weights, device, threads, again)


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
    again = partial(load_for_video, header, weights=weights, device=device, threads=threads or 1)
    codec = _put_together(intra, inter, device, threads, again)
    codec.check(header)
    return codec


def _put_together(
    intra: Weights[Any],
    inter: Weights[Any],
    device: str,
    threads: int | None,
    again: Callable[[], VideoCodec],
) -> VideoCodec:
    opens = imported(SYSTEMS[inter.model].model)
    pictures = PictureCodec(intra, device=device, threads=threads)
    return VideoCodec(pictures, opens(inter, device, threads), again)


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

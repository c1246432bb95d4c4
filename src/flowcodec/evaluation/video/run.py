"""Code sequences with a codec, ours or another, and measure what comes back, frame by frame."""

import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import ms_ssim, ms_ssim_db, psnr
from flowcodec.evaluation.results import finite
from flowcodec.evaluation.video import peers
from flowcodec.evaluation.video.peers import VideoPeer
from flowcodec.evaluation.video.sequences import Sequence420
from flowcodec.media.video.format import Frame, VideoFormat, arrays_of, from_rgb
from flowcodec.yuv import psnr as psnr_of_planes

Progress = Callable[[], None]


class Codec(Protocol):
    """`flowcodec.codecs.video.VideoCodec`, as far as measuring needs it."""

    def write(
        self,
        timed: Iterable[tuple[int, Frame]],
        format: VideoFormat,
        stream: BinaryIO,
        quality: float,
        *,
        gop: int,
    ) -> Any: ...

    def read(self, stream: BinaryIO) -> Iterator[tuple[int, Frame]]: ...


@dataclass(frozen=True)
class Point:
    """A sequence at one quality: bytes of the whole file, means over its frames, seconds a frame.

    psnr and ms_ssim of RGB (MS-SSIM linear, None where frames are too small); psnr is the mean over
    frames that did not come back exact, infinite where all did. psnr_yuv weighs the planes 6:1:1,
    None where the source has no 4:2:0 planes of its own.
    """

    quality: float
    bytes: int
    bpp: float
    psnr: float
    ms_ssim: float | None
    psnr_yuv: float | None
    frame_psnr: list[float]
    encode_seconds: float
    decode_seconds: float

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "quality": self.quality,
            "bytes": self.bytes,
            "bpp": round(self.bpp, 6),
            "psnr-rgb": finite(self.psnr, 4),
            "ms-ssim-rgb": None if self.ms_ssim is None else round(self.ms_ssim, 6),
            "ms-ssim-db-rgb": (
                None if self.ms_ssim is None else round(ms_ssim_db(self.ms_ssim), 4)
            ),
            "psnr-yuv": None if self.psnr_yuv is None else finite(self.psnr_yuv, 4),
            "frame-psnr": [finite(value, 3) for value in self.frame_psnr],
            "encode_seconds": round(self.encode_seconds, 4),
            "decode_seconds": round(self.decode_seconds, 4),
        }


def measure(codec: Codec, sequence: Sequence420, quality: float, gop: int) -> Point:
    """One sequence by our codec."""
    stream = io.BytesIO()
    start = time.perf_counter()
    codec.write(enumerate(sequence.frames), sequence.format, stream, quality, gop=gop)
    encoded = time.perf_counter()
    stream.seek(0)
    frames = [frame for _, frame in codec.read(stream)]
    done = time.perf_counter()
    converter = VideoReformatter()
    planes = [from_rgb(frame, sequence.format, converter) for frame in frames]
    size = len(stream.getvalue())
    return _point(sequence, quality, size, frames, planes, encoded - start, done - encoded)


def measure_peer(peer: VideoPeer, sequence: Sequence420, quality: int, gop: int) -> Point:
    """One sequence by another codec."""
    start = time.perf_counter()
    data = peers.encode(peer, sequence, quality, gop)
    encoded = time.perf_counter()
    planes = peers.decode(peer, data)
    done = time.perf_counter()
    converter = VideoReformatter()
    frames = [peers.shown(sequence, frame, converter) for frame in planes]
    size = peers.stream_bytes(peer, data, len(planes))
    return _point(sequence, quality, size, frames, planes, encoded - start, done - encoded)


def _point(
    sequence: Sequence420,
    quality: float,
    size: int,
    frames: Sequence[Frame],
    planes: Sequence[VideoFrame],
    encode_seconds: float,
    decode_seconds: float,
) -> Point:
    count = len(sequence.frames)
    if len(frames) != count:
        raise FlowcodecError(f"{sequence.name}: {count} frames were coded, {len(frames)} came back")
    pairs = list(zip(sequence.frames, frames, strict=True))
    psnrs = [psnr(a, b) for a, b in pairs]
    similar = [ms_ssim(a, b) for a, b in pairs]
    known = [value for value in similar if value is not None]
    yuv = None
    if sequence.native:
        both = zip(sequence.planes, planes, strict=True)
        yuv = mean_psnr(psnr_of_planes(arrays_of(a), arrays_of(b)) for a, b in both)
    return Point(
        quality=quality,
        bytes=size,
        bpp=8 * size / sequence.pixels,
        psnr=mean_psnr(psnrs),
        ms_ssim=float(np.mean(known)) if known else None,
        psnr_yuv=yuv,
        frame_psnr=psnrs,
        encode_seconds=encode_seconds / count,
        decode_seconds=decode_seconds / count,
    )


def mean_psnr(values: Iterable[float]) -> float:
    """The mean of what is finite, dB; infinite where nothing is: all is exact."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.inf


Curves = Mapping[str, list[Point]]
"""Points by sequence, in order of quality."""


def evaluate(
    codec: Codec,
    sequences: Sequence[Sequence420],
    qualities: Sequence[float],
    gop: int,
    progress: Progress,
) -> dict[str, list[Point]]:
    """All sequences at all qualities by our codec."""
    return each_point(sequences, qualities, progress, lambda s, q: measure(codec, s, q, gop))


def evaluate_peer(
    peer: VideoPeer, sequences: Sequence[Sequence420], gop: int, progress: Progress
) -> dict[str, list[Point]]:
    """All sequences over the sweep of another codec."""
    return each_point(
        sequences, peer.sweep, progress, lambda s, q: measure_peer(peer, s, int(q), gop)
    )


def each_point(
    sequences: Sequence[Sequence420],
    qualities: Sequence[float],
    progress: Progress,
    work: Callable[[Sequence420, float], Point],
) -> dict[str, list[Point]]:
    """What `work` makes of every sequence at every quality."""
    found: dict[str, list[Point]] = {}
    for sequence in sequences:
        found[sequence.name] = []
        for quality in qualities:
            found[sequence.name].append(work(sequence, quality))
            progress()
    return found

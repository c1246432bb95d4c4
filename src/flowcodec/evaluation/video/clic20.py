"""The CLIC20 P-frame test: one frame given a lossless one before it (paper P, section II.A).

What is coded are 8-bit 4:2:0 frames. Rate is the unit of the P-frame as it stands in a file, in
bits a pixel; quality is MS-SSIM of Y, Cb and Cr, weighted 4:1:1 as they have samples, the planes of
colour enlarged to the size of Y so that small frames have five scales too. Our codec works on RGB:
what it loses between planes and RGB counts against it. PSNR is that of RGB.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from flowcodec.codecs.settings import thousandths
from flowcodec.codecs.video import UNIT_BYTES, VideoCodec
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import Pixels, ms_ssim, psnr
from flowcodec.evaluation.video import peers
from flowcodec.evaluation.video.comparison import each_rate, mean
from flowcodec.evaluation.video.peers import VideoPeer
from flowcodec.evaluation.video.run import Curves, Point, Progress, each_point
from flowcodec.evaluation.video.sequences import Sequence420, find_sequences, read_sequence
from flowcodec.media.video.format import Frame, arrays_of, from_rgb, planes_of

PROTOCOL = "clic20-pframe"
SWEEP = (18, 22, 26, 30, 34, 38, 42, 46, 51)  # QP of the P-frame; by the ratio, the first has 0
X265 = VideoPeer(
    "x265-medium",
    "H.265 medium, two frames",
    "libx265",
    "hevc",
    SWEEP,
    "libx265 preset medium, x265-params qp=Q:ipratio=1000:bframes=0:keyint=2:info=0",
    lambda qp, gop: {
        "preset": "medium",
        "x265-params": f"qp={qp}:ipratio=1000:bframes=0:keyint={gop}:min-keyint={gop}:scenecut=0"
        ":info=0:log-level=none",
    },
)
LOSSLESS = 55.0  # dB over its samples that the first frame of the peer must reach
WEIGHTS = (4, 1, 1)
WINDOW = 32  # frames of a video from which pairs are taken


@dataclass(frozen=True)
class PairComparison:
    """Curves by pair, ours and x265's."""

    ours: Curves
    peer: Curves
    description: str

    @property
    def rates(self) -> dict[str, dict[str, float | None]]:
        """BD-rates in percent by measure and pair, "mean" and "median" of those pairs whose curves
        overlap."""
        found: dict[str, dict[str, float | None]] = {}
        for measure in ("ms-ssim", "psnr"):
            each = each_rate(self.ours, self.peer, measure)
            known = [value for value in each.values() if value is not None]
            median = round(float(np.median(known)), 2) if known else None
            found[measure] = {"mean": mean(known), "median": median, **each}
        return found

    def as_json(self) -> dict[str, Any]:
        """Everything as it is written."""
        return {
            "protocol": PROTOCOL,
            "descriptions": {"ours": self.description, X265.name: X265.settings},
            "bd_rate": {X265.name: self.rates},
            "curves": {
                name: {
                    pair: [_written(point) for point in points] for pair, points in found.items()
                }
                for name, found in (("ours", self.ours), (X265.name, self.peer))
            },
        }


def _written(point: Point) -> dict[str, Any]:
    """As points are, but MS-SSIM is that of planes here."""
    told = point.as_json()
    return {(key.replace("rgb", "yuv") if "ssim" in key else key): told[key] for key in told}


def read_pairs(folder: Path, count: int) -> list[Sequence420]:
    """`count` pairs of consecutive frames, spread over the first 32 of each video of a folder.

    A folder of pictures counts as a video. UsageError where nothing is found.
    """
    pairs = []
    for path in find_sequences(folder):
        video = read_sequence(path, WINDOW, 2)
        last = len(video.frames) - 2
        for start in sorted({round(last * part / max(1, count - 1)) for part in range(count)}):
            two = slice(start, start + 2)
            name = f"{video.name}:{start}"
            frames, planes = video.frames[two], video.planes[two]
            pairs.append(replace(video, name=name, frames=frames, planes=planes))
    return pairs


def evaluate_pairs(
    codec: VideoCodec, pairs: Sequence[Sequence420], qualities: Sequence[float], progress: Progress
) -> dict[str, list[Point]]:
    """All pairs at all qualities by our codec."""
    return each_point(pairs, qualities, progress, lambda p, q: _measure(codec, p, q))


def evaluate_x265(pairs: Sequence[Sequence420], progress: Progress) -> dict[str, list[Point]]:
    """All pairs over the sweep by x265."""
    return each_point(pairs, SWEEP, progress, lambda pair, qp: _measure_x265(pair, int(qp)))


def _measure(codec: VideoCodec, pair: Sequence420, quality: float) -> Point:
    at = thousandths(quality)
    first, second = pair.frames
    start = time.perf_counter()
    state = codec.inter.start(first)
    frame, after = codec.inter.encode(second, state, at)
    encoded = time.perf_counter()
    decoded = codec.inter.shown(codec.inter.decode(frame.data, frame.hash, state, at))
    done = time.perf_counter()
    size = len(frame.data) + UNIT_BYTES
    planes = from_rgb(decoded, pair.format, VideoReformatter(), whole=True)
    return _point(pair, quality, size, decoded, planes, encoded - start, done - encoded)


def _measure_x265(pair: Sequence420, qp: int) -> Point:
    start = time.perf_counter()
    data = peers.encode(X265, pair, qp, 2)
    encoded = time.perf_counter()
    planes = peers.decode(X265, data)
    done = time.perf_counter()
    given, kept = (np.frombuffer(planes_of(x), np.uint8) for x in (pair.planes[0], planes[0]))
    reached = psnr(given[:, None, None], kept[:, None, None])
    if reached < LOSSLESS:
        raise FlowcodecError(
            f"{pair.name}: x265's first frame has {reached:.1f} dB, not {LOSSLESS:g} or more"
        )
    second = peers.shown(pair, planes[1], VideoReformatter())
    with av.open(io.BytesIO(data), "r", format=X265.container) as container:
        _, unit = (packet.size for packet in container.demux(video=0) if packet.size)
    return _point(pair, qp, unit, second, planes[1], encoded - start, done - encoded)


def _point(
    pair: Sequence420,
    quality: float,
    size: int,
    decoded: Frame,
    planes: VideoFrame,
    encode_seconds: float,
    decode_seconds: float,
) -> Point:
    original = pair.frames[1]
    value = psnr(original, decoded)
    return Point(
        quality=quality,
        bytes=size,
        bpp=8 * size / (original.shape[0] * original.shape[1]),
        psnr=value,
        ms_ssim=_ms_ssim_yuv(pair.planes[1], planes),
        psnr_yuv=None,
        frame_psnr=[value],
        encode_seconds=encode_seconds,
        decode_seconds=decode_seconds,
    )


def _ms_ssim_yuv(original: VideoFrame, decoded: VideoFrame) -> float | None:
    """Of planes in 4:2:0; None where they are too small."""
    values = []
    for one, two in zip(_planes(original), _planes(decoded), strict=True):
        value = ms_ssim(one, two)
        if value is None:
            return None
        values.append(value)
    return float(np.dot(values, WEIGHTS) / sum(WEIGHTS))


def _planes(frame: VideoFrame) -> list[Pixels]:
    """Y, Cb and Cr of a frame in 4:2:0, (H, W, 1), colour enlarged by repetition."""
    luma, *colour = arrays_of(frame)
    large = (c.repeat(2, 0).repeat(2, 1)[: frame.height, : frame.width] for c in colour)
    return [np.ascontiguousarray(plane[..., None], np.uint8) for plane in (luma, *large)]

"""Code real files with a codec and measure what comes back."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from flowcodec.errors import UsageError
from flowcodec.evaluation.metrics import Pixels, Plane
from flowcodec.evaluation.peers import Peer
from flowcodec.evaluation.results import Evaluation, Measurement, collect, measure
from flowcodec.media.picture import Picture, read_picture
from flowcodec.yuv import eight_bits

Q = TypeVar("Q", int, float)

Progress = Callable[[], None]
"""Called after each picture at each quality: len(paths) * len(qualities) times in all."""


class Encoded(Protocol):
    """What `PictureCodec.encode` returns, as far as measuring needs it."""

    @property
    def data(self) -> bytes: ...


class Codec(Protocol):
    """`flowcodec.codecs.picture.PictureCodec`, as far as measuring needs it."""

    def encode(self, picture: Picture, quality: float) -> Encoded: ...

    def decode(self, data: bytes) -> Picture: ...


def rgb_pixels(picture: Picture) -> Pixels:
    """Colour samples as uint8 (H, W, 3): gray is repeated three times, alpha left out."""
    pixels = picture.pixels
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def evaluate(
    codec: Codec,
    paths: Sequence[Path],
    qualities: Sequence[float],
    progress: Progress | None = None,
    *,
    name: str,
    description: str,
    ssimulacra2: bool = False,
    planes: bool = False,
) -> Evaluation:
    """Code every picture at every quality, decode it from its bytes, and measure.

    Pixels only: metadata and alpha are not coded, gray is coded and measured as RGB. The first
    picture is coded once before the clock counts. `ssimulacra2` asks for that measure too, which
    needs its package (`metrics.has_ssimulacra2`), `planes` for the PSNR of 4:2:0.

    Raises UsageError for an empty list or two files of one name, MediaError for a picture that
    cannot be read.
    """

    def encode(pixels: Pixels, quality: float) -> bytes:
        return codec.encode(Picture(pixels), quality).data

    def decode(data: bytes) -> Pixels:
        return rgb_pixels(codec.decode(data))

    def reduce(_: bytes, decoded: Pixels) -> Sequence[Plane]:
        return eight_bits(decoded)

    shown = reduce if planes else None
    measurements = _measure_all(encode, decode, shown, paths, qualities, progress, ssimulacra2)
    return collect(name, description, qualities, measurements)


def evaluate_peer(
    peer: Peer,
    paths: Sequence[Path],
    settings: Sequence[int],
    progress: Progress | None = None,
    *,
    ssimulacra2: bool = False,
) -> Evaluation:
    """The same for another codec, at the given settings of its own quality scale; one that codes
    planes in 4:2:0 is measured by those too."""
    decode_planes = peer.planes
    shown = None if decode_planes is None else lambda data, _: decode_planes(data)
    measurements = _measure_all(
        peer.encode, peer.decode, shown, paths, settings, progress, ssimulacra2
    )
    return collect(peer.title, peer.description, settings, measurements)


def _measure_all(
    encode: Callable[[Pixels, Q], bytes],
    decode: Callable[[bytes], Pixels],
    planes: Callable[[bytes, Pixels], Sequence[Plane]] | None,
    paths: Sequence[Path],
    qualities: Sequence[Q],
    progress: Progress | None,
    ssimulacra2: bool,
) -> dict[str, list[Measurement]]:
    if not paths or not qualities:
        raise UsageError("nothing to evaluate: give at least one picture and one quality")
    if len({path.name for path in paths}) < len(paths):
        raise UsageError("results are filed by name: two of the pictures are named alike")
    measurements: dict[str, list[Measurement]] = {}
    for number, path in enumerate(paths):
        pixels = rgb_pixels(read_picture(path))
        if number == 0:
            decode(encode(pixels, qualities[0]))
        row = measurements[path.name] = []
        for quality in qualities:
            start = time.perf_counter()
            data = encode(pixels, quality)
            encoded = time.perf_counter()
            decoded = decode(data)
            done = time.perf_counter()
            times = (encoded - start, done - encoded)
            shown = planes and planes(data, decoded)
            row.append(
                measure(pixels, decoded, len(data), *times, ssimulacra2=ssimulacra2, planes=shown)
            )
            if progress is not None:
                progress()
    return measurements

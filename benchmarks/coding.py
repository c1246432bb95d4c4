"""One picture in a warm process: seconds of encoding and decoding, and where they go."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict

from benchmarks.stopwatch import Stopwatch
from flowcodec.codecs import picture as coding_loop
from flowcodec.codecs.picture import PictureCodec
from flowcodec.entropy.coder import Decoder, Encoder
from flowcodec.entropy.fixed_point import AdjacentAttention, Conv, Surroundings
from flowcodec.entropy.prior import ExactPrior
from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.evaluation.peers import fit_bytes, peer_named


class Timing(TypedDict):
    """One codec on one picture; seconds are the least of the repetitions."""

    codec: str
    bytes: int
    psnr: float
    encode_seconds: float
    decode_seconds: float


def time_ours(codec: PictureCodec, pixels: Pixels, quality: float, repeat: int) -> Timing:
    """Our codec on uint8 (H, W, 3), after one round to warm up."""
    data = codec.encode(pixels, quality).data
    decoded = codec.decode(data).pixels
    return {
        "codec": "flowcodec",
        "bytes": len(data),
        "psnr": psnr(pixels, decoded),
        "encode_seconds": least(lambda: codec.encode(pixels, quality), repeat),
        "decode_seconds": least(lambda: codec.decode(data), repeat),
    }


def time_peer(name: str, pixels: Pixels, max_bytes: int, repeat: int) -> Timing:
    """Another codec at the highest quality that takes no more bytes."""
    peer = peer_named(name)
    coded = fit_bytes(peer, pixels, max_bytes)
    return {
        "codec": peer.title,
        "bytes": len(coded.data),
        "psnr": psnr(pixels, coded.pixels),
        "encode_seconds": least(lambda: peer.encode(pixels, coded.quality), repeat),
        "decode_seconds": least(lambda: peer.decode(coded.data), repeat),
    }


def stage_shares(
    codec: PictureCodec, pixels: Pixels, quality: float, repeat: int
) -> dict[str, dict[str, float]]:
    """Parts of the time by stage, in sum 1, of "encode" and of "decode".

    Encoding includes what a user waits for: reading the code again to check it, and the decoded
    picture with its PSNR. Of the prior, "networks" are its integer convolutions and "tables" what
    turns their output into distributions and symbols. Functions are wrapped at the borders of the
    rooms; the codec itself knows of no clock.
    """
    data = codec.encode(pixels, quality).data

    def shares(call: Callable[[], object]) -> dict[str, float]:
        watch = Stopwatch()
        watch.watch("analysis", type(codec.model), "analyse", "hyper_analyse")
        watch.watch("synthesis", type(codec.model), "synthesise")
        watch.watch("prior: networks", Conv, "__call__", "at", "across")
        watch.watch("prior: networks", AdjacentAttention, "__call__")
        watch.watch("prior: networks", Surroundings, "put", "sums")
        watch.watch("prior: tables", ExactPrior, "encode", "decode")
        watch.watch("entropy coding", Encoder, "symbols", "rows", "integers", "bytes")
        watch.watch("entropy coding", Encoder, "reads_back")
        watch.watch("entropy coding", Decoder, "symbols", "rows", "integers")
        watch.watch("file", coding_loop, "pack_picture", "parse_picture", "latent_hash")
        watch.watch("PSNR", coding_loop, "_psnr")
        with watch:
            for _ in range(repeat):
                call()
        return watch.shares()

    return {
        "encode": shares(lambda: codec.encode(pixels, quality)),
        "decode": shares(lambda: codec.decode(data)),
    }


def least(call: Callable[[], object], repeat: int) -> float:
    """The least seconds of `repeat` calls: other work on the machine only adds."""
    found = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)

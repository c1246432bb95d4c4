"""A decoder that knows SPEC.md only reads the same symbols from real files."""

import hashlib
import struct
from itertools import repeat
from zlib import crc32

import numpy as np
import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.systems.video_mofnet import Kind
from flowcodec.entropy import plain
from tests.codecs.inter_samples import SMALL, Forced, Panning, frames, untrained
from tests.entropy.second_decoder import (
    RangeDecoder,
    TileDecoder,
    WeightFile,
    coefficient_hash,
    context_input,
    latent_hash,
    plain_coefficients,
    row,
)
from tests.golden import make

LEARNED_STREAMS = [name for name, stream in make.STREAMS.items() if stream.kinds == ("learned",)]
PLAIN_STREAMS = [name for name, stream in make.STREAMS.items() if stream.kinds == ("plain",)]


@pytest.mark.parametrize("name", LEARNED_STREAMS)
def test_reads_the_latents_of_a_golden_file(name):
    model = make.STREAMS[name].model
    weights = WeightFile((make.FOLDER / f"{model}.safetensors").read_bytes())
    file = parse_picture((make.FOLDER / f"{name}.fci").read_bytes())
    assert weights.prior_hash[:4] == file.header.prior_hash
    assert weights.weights_hash[:4] == file.header.weights_hash

    ours = make.latents(make.codec(model).prior, file)
    for index, (tile, pair) in enumerate(zip(file.tiles, ours, strict=True)):
        _, height, width = pair[1].shape
        decoder = TileDecoder(weights, RangeDecoder(tile.data), height, width, file.header.quality)
        decoded = decoder.decode()
        for own, other in zip(pair, decoded, strict=True):
            places = list(np.ndindex(own.shape[1:]))
            assert [[channel[place][0] for place in places] for channel in other] == (
                own.reshape(len(own), -1).tolist()
            ), f"tile {index}"
        assert latent_hash(*decoded) == tile.hash


@pytest.mark.parametrize("name", PLAIN_STREAMS)
def test_reads_the_coefficients_of_a_golden_file(name):
    file = parse_picture((make.FOLDER / f"{name}.fci").read_bytes())
    for tile, (own,) in zip(file.tiles, make.latents(make.codec("plain").prior, file), strict=True):
        height, width, channels = own.shape
        blocks = plain_coefficients(tile.data, height, width, channels // 64)
        assert np.array_equal(np.reshape(blocks, own.shape), own)
        assert coefficient_hash(blocks) == tile.hash


@pytest.mark.parametrize("scale", [0, 0.3, 40, 1e5])
def test_reads_plain_coefficients_of_every_size(scale):
    random = np.random.default_rng(1)
    loud = 2.0 ** random.integers(-3, 4, (3, 5, 1))
    wanted = np.rint(random.normal(0, scale, (3, 5, 192)) * loud).astype(np.int64)
    blocks = plain_coefficients(plain.encode(wanted), 3, 5, 3)
    assert np.array_equal(np.reshape(blocks, wanted.shape), wanted)


@pytest.mark.parametrize("model", make.MODELS)
def test_reads_escapes_of_every_length(model):
    weights = WeightFile((make.FOLDER / f"{model}.safetensors").read_bytes())
    prior = make.codec(model).prior
    random = np.random.default_rng(5)
    z, y = (
        np.rint(random.normal(0, 1, (channels, *shape)) * 2.0 ** random.integers(0, 22, shape))
        for channels, shape in ((weights.hyper, (1, 2)), (sum(weights.slices), (3, 5)))
    )
    y[0, 0, :2] = 2**24, -(2**24)
    z, y = z.astype(np.int64), y.astype(np.int64)

    code, _ = prior.encode(z, y, 3333)
    decoded = TileDecoder(weights, RangeDecoder(code), 3, 5, 3333).decode()
    for own, other in zip((z, y), decoded, strict=True):
        places = list(np.ndindex(own.shape[1:]))
        assert [[c[place][0] for place in places] for c in other] == own.reshape(
            len(own), -1
        ).tolist()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", SMALL)
def test_reads_the_latents_of_an_inter_frame(name, kind, tmp_path):
    weights = untrained(name, tmp_path)
    codec = Forced(weights, Panning(), repeat(kind))
    first, second = frames(37, 53)
    before, state = codec.encode(second, codec.start(first), 7000)
    coded, _ = codec.encode(first, state, 4321)

    data = weights.path.read_bytes()
    parts = [WeightFile(data, part) for part in ("motion", "codec")]
    hashes = b"".join(part.prior_hash for part in parts)
    assert hashlib.sha256(hashes).digest() == codec.prior_hash
    past = [{place: [0] * (2 * sum(part.slices)) for place in np.ndindex(3, 4)} for part in parts]
    for frame, quality in ((before, 7000), (coded, 4321)):
        coder = RangeDecoder(frame.data)
        hashes = struct.pack("<6i", *(coder.escaped() for _ in range(6)))
        found, seen = [], {}
        for part, memory in zip(parts, past, strict=True):
            beside = {place: memory[place] + seen.get(place, []) for place in memory}
            temporal = "beside.weight" in part.tensors
            assert coder.escaped() == kind
            decoder = TileDecoder(part, coder, 3, 4, quality, beside if temporal else None, kind)
            z, y = decoder.decode()
            seen = context_input(y, row(part.rows("log_gain"), quality), list(memory))
            found.append(seen)
            hashes += latent_hash(z, y).to_bytes(4, "little")
        assert crc32(hashes) == frame.hash
        past = found

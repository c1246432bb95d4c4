"""Damaged files: an error of ours or the very picture, never anything else.

Half of the files get their checksums repaired after the damage, so that it reaches the parser
behind them, the entropy decoder and the hash of the latents.
"""

import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcodec.bitstream.header import PictureHeader, pack_header
from flowcodec.bitstream.picture_file import PictureFile, pack_picture, parse_picture
from flowcodec.codecs.picture import PictureCodec
from flowcodec.entropy import prior
from flowcodec.entropy.coder import Decoder
from flowcodec.errors import FormatError, WeightsError
from flowcodec.media.picture import Picture
from tests.bitstream.samples import mend_checksums
from tests.golden import make

MEGABYTE = 2**20
MOST_MEMORY = 1024 * MEGABYTE
MOST_STEPS = 100_000  # calls of the range decoder for one file; an undamaged one needs 300


class CountingDecoder(Decoder):
    """Fails instead of hanging."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self.steps = 0

    def symbols(self, symbols, models):
        self.steps += len(models)
        return super().symbols(symbols, models)

    def _bit(self) -> int:
        self.steps += 1
        assert self.steps < MOST_STEPS
        return super()._bit()


@pytest.fixture(autouse=True, scope="module")
def counted_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior, "Decoder", CountingDecoder)
        yield


@cache
def codec() -> PictureCodec:
    return make.codec("tiny")


@cache
def originals() -> list[tuple[bytes, PictureFile, Picture]]:
    """Files of 32x32 pixels of each kind."""
    pixels = make.draw(32, 32)
    alpha = np.repeat(np.arange(32, dtype=np.uint8)[:, None] * 8, 32, 1)
    pictures = [
        (Picture(pixels), 4.0),
        (Picture(pixels[:, :, :1].copy(), alpha), 8.0),
        (Picture(pixels, alpha, b"a profile", b"II*\0\x08" + bytes(9)), 1.0),
    ]
    files = [codec().encode(picture, quality).data for picture, quality in pictures]
    return [(data, parse_picture(data), codec().decode(data)) for data in files]


def damage(data: bytes, seed: int) -> bytes:
    """One to three changes, anywhere."""
    random = Random(seed)
    for _ in range(random.randint(1, 3)):
        at, length = random.randrange(len(data) + 1), random.randint(1, 8)
        there, noise = data[at : at + length], random.randbytes(length)
        before, after = data[:at], data[at + length :]
        data = random.choice(
            [
                before + bytes([there[0] ^ 1 << length - 1]) + data[at + 1 :] if there else data,
                before + noise[:1] + data[at + 1 :],
                before + noise[: len(there)] + after,
                before + bytes(len(there)) + after,
                before + b"\xff" * len(there) + after,
                before + after,
                before,
                before + noise + data[at:],
                before + there + data[at:],
            ]
        )
    return data


def peak() -> int:
    """Most memory that this process ever had, in bytes."""
    # Linux hands ru_maxrss on from the process that started this one; VmHWM begins anew.
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def same_content(one: PictureFile, other: PictureFile) -> bool:
    """Whether two files state the same picture in all that is not entropy-coded."""
    geometry = [replace(file.header, psnr=0) for file in (one, other)]
    hashes = [[tile.latent_hash for tile in file.tiles] for file in (one, other)]
    extras = [(file.alpha, file.icc, file.exif) for file in (one, other)]
    return geometry[0] == geometry[1] and hashes[0] == hashes[1] and extras[0] == extras[1]


def equal(one: Picture, other: Picture) -> bool:
    return (
        np.array_equal(one.pixels, other.pixels)
        and (one.alpha is None) == (other.alpha is None)
        and (one.alpha is None or np.array_equal(one.alpha, other.alpha))
        and (one.icc, one.exif) == (other.icc, other.exif)
    )


def check(damaged: bytes, original: tuple[bytes, PictureFile, Picture], mended: bool) -> None:
    allowed = max(MOST_MEMORY, peak())
    try:
        picture = codec().decode(damaged)
    except (FormatError, WeightsError) as error:
        assert "\n" not in str(error)
    else:
        _, file, expected = original
        now = parse_picture(damaged)
        if not mended or same_content(file, now):
            assert equal(picture, expected)
        else:  # a header or an extra that is simply another one, its checksum right
            assert picture.pixels.shape[:2] == (now.header.height, now.header.width)
            assert picture.gray == now.header.gray
    assert peak() <= allowed


SEEDS = st.integers(0, 2**64)
MANY = settings(max_examples=5 * settings().max_examples)  # 500 and, in `make fuzz`, 25,000


@MANY
@given(SEEDS, st.integers(0, 2), st.booleans())
def test_damaged_files_give_an_error_or_the_picture(seed, number, mended):
    original = originals()[number]
    damaged = damage(original[0], seed)
    check(mend_checksums(damaged) if mended else damaged, original, mended)


@MANY
@given(SEEDS, st.integers(0, 2))
def test_damaged_codes_with_right_checksums_give_an_error_or_the_picture(seed, number):
    original = originals()[number]
    file = original[1]
    code = damage(file.tiles[0].data, seed)
    packed = pack_picture(
        file.header, [(file.tiles[0].latent_hash, code)], file.alpha, file.icc, file.exif
    )
    check(packed, original, mended=True)


EMPTY = (0, b"")
MAKERS: dict[str, Callable[[PictureHeader], bytes]] = {
    "one tile of four megapixels": lambda header: pack_picture(
        replace(header, width=2048, height=2048, tile=32), [EMPTY]
    ),
    "a gigapixel in three kilobytes": lambda header: pack_picture(
        replace(header, width=2**20, height=2**10, tile=64), [EMPTY] * 256
    ),
    "too few tiles": lambda header: (
        pack_header(replace(header, width=2**20, height=2**20)) + bytes(99)
    ),
    "an alpha plane of four megapixels": lambda header: pack_picture(
        replace(header, width=2048, height=2048, tile=32, alpha=True), [EMPTY], b"\x78\x9c"
    ),
    "a unit of four gigabytes": lambda header: (
        pack_header(header) + b"\x01\xff\xff\xff\xff\x0f" + bytes(40)
    ),
    "an escape without end": lambda header: pack_picture(
        header, [(0, struct.pack("<4I", 2**32 - 1, 2**32 - 1, 0, 0))]
    ),
}


def hostile(name: str) -> bytes:
    """A small file with right checksums that claims to be enormous."""
    return MAKERS[name](originals()[0][1].header)


@pytest.mark.parametrize("name", MAKERS)
def test_hostile_files_are_refused(name):
    with pytest.raises(FormatError):
        codec().decode(hostile(name))


def test_more_than_a_gigapixel_is_refused_before_its_tiles_are_decoded():
    header = replace(originals()[0][1].header, width=2**20, height=2**11, tile=32)
    data = pack_picture(header, [(0, b"")] * header.tile_count)
    with pytest.raises(FormatError, match="not decoded"):
        codec().decode(data)


def test_hostile_files_take_less_than_a_gigabyte():
    """In a process of its own, where nothing else has taken memory before."""
    script = "from tests.codecs import test_fuzz; test_fuzz.report_peak()"
    found = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert int(found.stdout) < MOST_MEMORY


def report_peak() -> None:
    """Decode every hostile file and print the most memory that took."""
    for name in MAKERS:
        try:
            codec().decode(hostile(name))
        except FormatError:
            continue
    print(peak())

"""Damaged files: an error of ours or the very picture, never anything else.

Every damaged file is decoded twice: as it is, and with its checksums repaired, so that the damage
reaches the parser behind them, the entropy decoder and the hash of the latents.

As it is, a file that decodes must give the original, all of it. Behind right checksums a changed
header or profile is no damage that anything could notice: the file simply states something else.
What it states must then be what comes out. That is the picture of the latents that its hashes name,
which are those of the original or nothing, under the header as it is now: a smaller size within the
last latents, gray for colour, another side of tiles, another stored PSNR, or a quality so near that
the same code gives the same latents (a thousandth may do, and moves samples by little). Alpha has
checksums of its own, inside its deflate stream or its squares, so it is the original's or an error.
Anything else that decodes is silent garbage.
"""

import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowcodec.bitstream.alpha import pack_alpha
from flowcodec.bitstream.header import PictureHeader, pack_header
from flowcodec.bitstream.picture_file import (
    LOSSLESS,
    PLAIN,
    PictureFile,
    Tile,
    pack_picture,
    parse_picture,
)
from flowcodec.codecs.memory import give_back
from flowcodec.codecs.picture import PictureCodec
from flowcodec.entropy import plain, prior
from flowcodec.entropy.coder import Decoder
from flowcodec.errors import FormatError, WeightsError
from flowcodec.media.picture import Picture
from tests.bitstream.samples import mend_checksums
from tests.golden import make

MEGABYTE = 2**20
MOST_MEMORY = 1024 * MEGABYTE  # of a whole process
MOST_TAKEN = 128 * MEGABYTE  # by one file; the greediest of those below takes 27
MOST_STEPS = 100_000  # calls of the range decoder for one file; an undamaged one needs 300
MOST_SECONDS = 30  # of the processor's time, for a file that takes a few thousandths


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
        for module in (prior, plain):
            patch.setattr(module, "Decoder", CountingDecoder)
        yield


@dataclass(frozen=True)
class Original:
    """An undamaged file, taken apart, decoded, and the latents of its tiles by their hash."""

    codec: PictureCodec
    data: bytes
    file: PictureFile
    picture: Picture
    latents: dict[int, tuple[np.ndarray, np.ndarray]]


@cache
def originals() -> list[Original]:
    """Files of 32x32 pixels of each kind, and one that is long enough for two tiles."""
    tiny, merge = make.codec("tiny"), make.codec("merge")
    pixels, long = make.draw(32, 32), make.draw(32, 80)
    alpha = np.repeat(np.arange(32, dtype=np.uint8)[:, None] * 8, 32, 1)
    soft = np.hypot(*np.mgrid[-16:16, -16:16]).astype(np.uint8) * 11
    return [
        coded(tiny, Picture(pixels), 4.0),
        coded(tiny, Picture(pixels[:, :, :1].copy(), alpha), 8.0, old=True),
        coded(tiny, Picture(pixels, soft, b"a profile", b"II*\0\x08" + bytes(9)), 1.0),
        coded(tiny, Picture(long, icc=b"a profile"), 2.5, tile=64),
        coded(merge, Picture(pixels), 6.0),
    ]


def coded(
    codec: PictureCodec, picture: Picture, quality: float, tile: int = 1024, old: bool = False
) -> Original:
    """old: with the alpha unit of the first encoders, which today's matte is smaller than."""
    data = codec.encode(picture, quality, tile=tile, kinds=["learned"]).data
    if old:
        file = parse_picture(data)
        data = pack_picture(file.header, file.tiles, pack_alpha(picture.alpha))
    file = parse_picture(data)
    hashes = [tile.hash for tile in file.tiles]
    latents = dict(zip(hashes, make.latents(codec.prior, file), strict=True))
    return Original(codec, data, file, codec.decode(data), latents)


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


def memory(field: str) -> int:
    """Of this process, in bytes: "VmRSS", what it has, or "VmHWM", the most since `begin_anew`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def begin_anew() -> bool:
    """Set the most memory to what there is, whatever ran before; False where no system does so."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


@contextmanager
def limited_memory(most: int) -> Iterator[None]:
    """Fail where a block took more memory, at its peak, than it found."""
    measured = begin_anew()
    before = memory("VmRSS") if measured else 0
    try:
        yield
    finally:
        taken = memory("VmHWM") - before if measured else 0
        assert taken <= most, f"{taken // MEGABYTE} MB were taken"


def equal(one: Picture, other: Picture) -> bool:
    return (
        np.array_equal(one.pixels, other.pixels)
        and (one.alpha is None) == (other.alpha is None)
        and (one.alpha is None or np.array_equal(one.alpha, other.alpha))
        and (one.icc, one.exif) == (other.icc, other.exif)
    )


def stated(file: PictureFile, original: Original) -> Picture:
    """The picture that a file's header and hashes state, coded anew from undamaged latents."""
    header = file.header
    tiles = []
    for index, tile in enumerate(file.tiles):
        assert tile.hash in original.latents, "latents that nobody coded"
        z, y = original.latents[tile.hash]
        box = header.tile_box(index)
        assert y.shape[1:] == (-(-box.height // 16), -(-box.width // 16))
        code, unchanged = original.codec.prior.encode(z, y, header.quality)
        assert np.array_equal(unchanged, y)
        tiles.append(Tile(tile.hash, code))
    planes = planes_of(original.file) if header.alpha else {}
    packed = pack_picture(header, tiles, icc=file.icc, exif=file.exif, **planes)
    return original.codec.decode(packed)


def planes_of(file: PictureFile) -> dict[str, bytes | None]:
    """Alpha, as it stands in a file."""
    return {"alpha": file.alpha, "matte": file.matte}


@contextmanager
def limited_seconds() -> Iterator[None]:
    """Fail instead of hanging, by the processor's time: a busy or sleeping machine is no matter."""

    def fail(number: int, frame: object) -> None:
        pytest.fail(f"a file took more than {MOST_SECONDS} s")

    before = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check(damaged: bytes, original: Original, mended: bool) -> str:
    """Decode a damaged file and say what came of it; fails on all that must not happen."""
    try:
        with limited_seconds(), limited_memory(MOST_TAKEN):
            picture = original.codec.decode(damaged)
    except (FormatError, WeightsError) as error:
        assert "\n" not in str(error)
        outcome = "refused"
    else:
        if equal(picture, original.picture):
            outcome = "the original"
        else:
            assert mended
            assert equal(picture, stated(parse_picture(damaged), original))
            outcome = "what the changed header or profile states"
    return outcome


@pytest.mark.skipif(not begin_anew(), reason="peak memory cannot be reset on this system")
def test_a_decode_that_takes_too_much_is_noticed_whatever_ran_before(monkeypatch):
    """Memory that a large test took and gave back, or still holds, hides nothing."""
    original = originals()[0]
    held = np.ones(MOST_TAKEN, np.uint8)
    np.ones(2 * MOST_TAKEN, np.uint8)
    decode = PictureCodec.decode

    def greedy(codec, data):
        np.ones(MOST_TAKEN + 8 * MEGABYTE, np.uint8)
        return decode(codec, data)

    assert check(original.data, original, mended=False) == "the original"
    monkeypatch.setattr(PictureCodec, "decode", greedy)
    for damaged in (original.data, original.data[:-1]):
        with pytest.raises(AssertionError, match="MB were taken"):
            check(damaged, original, mended=False)
    assert len(held)


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    """Counts streams by what came of them, and tells at the end (`pytest -s`)."""
    give_back()  # what tests before took and gave up is no memory that a decode finds
    counts: Counter[str] = Counter()
    yield counts
    print(f"\n{counts.total()} damaged files")
    for what, count in sorted(counts.items()):
        print(f"{count:8} {what}")


SEEDS = st.integers(0, 2**64)
KINDS = st.integers(0, 4)
MANY = settings(max_examples=20 * settings().max_examples)  # 2,000 and, in `make fuzz`, 10,000
SOME = settings(max_examples=4 * settings().max_examples)


@MANY
@given(SEEDS, KINDS)
def test_damaged_files_give_an_error_or_the_picture(tally, seed, kind):
    """Two files an example: half of all have their checksums repaired."""
    original = originals()[kind]
    damaged = damage(original.data, seed)
    tally["checksums as they are: " + check(damaged, original, mended=False)] += 1
    tally["checksums repaired: " + check(mend_checksums(damaged), original, mended=True)] += 1


@SOME
@given(SEEDS, KINDS)
def test_damaged_codes_with_right_checksums_give_an_error_or_the_picture(tally, seed, kind):
    """Damage in a tile's entropy-coded bytes alone, the file written around it as it should be."""
    original = originals()[kind]
    file = original.file
    tiles = list(file.tiles)
    tiles[-1] = Tile(tiles[-1].hash, damage(tiles[-1].data, seed))
    planes = planes_of(file)
    packed = pack_picture(file.header, tiles, icc=file.icc, exif=file.exif, **planes)
    outcome = check(packed, original, mended=True)
    assert outcome in ("refused", "the original")
    tally["damaged code, written anew: " + outcome] += 1


@SOME
@given(KINDS, st.integers(-20, 20), st.integers(-20, 20), st.integers(-3, 3), st.data())
def test_changed_headers_with_right_checksums_give_what_they_state(tally, kind, x, y, q, data):
    """Another size, quality, colour, PSNR or side of tiles over the same codes."""
    original = originals()[kind]
    file = original.file
    header = replace(
        file.header,
        width=max(1, file.header.width + x),
        height=max(1, file.header.height + y),
        quality=min(max(1000, file.header.quality + q), 8000),
        gray=data.draw(st.booleans()),
        psnr=data.draw(st.integers(0, 2**16 - 1)),
        tile=data.draw(st.integers(1, 255)),
    )
    assume(header.tile_count == len(file.tiles))
    tiles = list(file.tiles)
    packed = pack_picture(header, tiles, icc=file.icc, exif=file.exif, **planes_of(file))
    tally["changed header, written anew: " + check(packed, original, mended=True)] += 1


EMPTY = Tile(0, b"")
GIANT = struct.pack("<BI", 0x2F, 2047 << 14 | 2047) + bytes(9)  # of VP8L, 2048x2048
MAKERS: dict[str, Callable[[PictureHeader], bytes]] = {
    "one tile of four megapixels": lambda header: pack_picture(
        replace(header, width=2048, height=2048, tile=32), [EMPTY]
    ),
    "a plain tile of four megapixels": lambda header: pack_picture(
        replace(header, width=2048, height=2048, tile=32), [Tile(0, b"", PLAIN)]
    ),
    "a lossless tile of four megapixels": lambda header: pack_picture(
        replace(header, width=2048, height=2048, tile=32), [Tile(0, GIANT, LOSSLESS)]
    ),
    "a lossless tile that is larger than its place": lambda header: pack_picture(
        header, [Tile(0, GIANT, LOSSLESS)]
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
    "a matte of four megapixels": lambda header: pack_picture(
        replace(header, width=2048, height=2048, tile=32, alpha=True), [EMPTY], matte=bytes(24)
    ),
    "a square that is larger than its place": lambda header: pack_picture(
        replace(header, alpha=True),
        originals()[0].file.tiles,
        matte=bytes([0, len(GIANT)]) + bytes(4) + GIANT,
    ),
    "a unit of four gigabytes": lambda header: (
        pack_header(header) + b"\x01\xff\xff\xff\xff\x0f" + bytes(40)
    ),
    "an escape without end": lambda header: pack_picture(
        header, [Tile(0, struct.pack("<4I", 2**32 - 1, 2**32 - 1, 0, 0))]
    ),
    "a slope without end": lambda header: pack_picture(header, [Tile(0, bytes(99), PLAIN)]),
}


def hostile(name: str) -> bytes:
    """A small file with right checksums that claims to be enormous."""
    return MAKERS[name](originals()[0].file.header)


@pytest.mark.parametrize("name", MAKERS)
def test_hostile_files_are_refused(name):
    data = hostile(name)
    with pytest.raises(FormatError), limited_memory(MOST_TAKEN):
        originals()[0].codec.decode(data)


def test_more_than_a_gigapixel_is_refused_before_its_tiles_are_decoded():
    header = replace(originals()[0].file.header, width=2**20, height=2**11, tile=32)
    data = pack_picture(header, [EMPTY] * header.tile_count)
    with pytest.raises(FormatError, match="not decoded"):
        originals()[0].codec.decode(data)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
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
            originals()[0].codec.decode(hostile(name))
        except FormatError:
            continue
    print(memory("VmHWM"))

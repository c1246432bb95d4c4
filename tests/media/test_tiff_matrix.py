"""Every way of storing a TIFF picture gives the picture or a refusal by name, never another one.

Depth x meaning of samples x compression x planes in full; orientation, order of bytes, tiles or
strips, BigTIFF and the way of reading are dealt out over them. Files are put together by hand,
read by tifffile, and what that says is turned into 8 bits by formulas of this file's own.
"""

import io
import itertools
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from flowcodec.errors import MediaError
from flowcodec.media.picture import Picture, read_picture
from tests.media.handmade import tiff

HEIGHT, WIDTH = 6, 9


@dataclass(frozen=True)
class Depth:
    bits: int
    kind: str  # as in NumPy

    def __str__(self) -> str:
        return f"{self.kind}{self.bits}"

    @property
    def sample_format(self) -> int:
        return {"u": 1, "i": 2, "f": 3}[self.kind]


@dataclass(frozen=True)
class Meaning:
    name: str
    photometric: int
    channels: int
    extra: tuple[int, ...] = ()
    stated: bool = True

    def __str__(self) -> str:
        return self.name


DEPTHS = [Depth(bits, "u") for bits in (1, 2, 3, 4, 8, 12, 15, 16, 32, 64)]
DEPTHS += [Depth(bits, "i") for bits in (8, 16, 32, 64)]
DEPTHS += [Depth(bits, "f") for bits in (16, 32, 64)]
STRAIGHT, PREMULTIPLIED, UNSPECIFIED = 2, 1, 0
MEANINGS = [
    Meaning("white is 0", 0, 1),
    Meaning("gray", 1, 1),
    Meaning("gray and alpha", 1, 1, (STRAIGHT,)),
    Meaning("gray by alpha", 1, 1, (PREMULTIPLIED,)),
    Meaning("gray and something", 1, 1, (UNSPECIFIED,)),
    Meaning("gray, something and alpha", 1, 1, (UNSPECIFIED, STRAIGHT)),
    Meaning("white is 0, and alpha", 0, 1, (STRAIGHT,)),
    Meaning("RGB", 2, 3),
    Meaning("RGB and alpha", 2, 3, (STRAIGHT,)),
    Meaning("RGB by alpha", 2, 3, (PREMULTIPLIED,)),
    Meaning("RGB and something", 2, 3, (UNSPECIFIED,)),
    Meaning("RGB and nothing said", 2, 3, (STRAIGHT,), stated=False),
    Meaning("palette", 3, 1),
    Meaning("palette and alpha", 3, 1, (STRAIGHT,)),
    Meaning("CMYK", 5, 4),
    Meaning("CMYK and alpha", 5, 4, (STRAIGHT,)),
    Meaning("CMYK by alpha", 5, 4, (PREMULTIPLIED,)),
    Meaning("YCbCr", 6, 3),
    Meaning("CIELab", 8, 3),
    Meaning("ICCLab", 9, 3),
]


@dataclass(frozen=True)
class Compression:
    name: str
    code: int
    encode: Callable[[bytes], bytes]
    predictor: int = 1

    def __str__(self) -> str:
        return self.name


COMPRESSIONS = [
    Compression("none", 1, bytes),
    Compression("LZW", 5, lambda data: bytes(imagecodecs.lzw_encode(data))),
    Compression("LZW 2", 5, lambda data: bytes(imagecodecs.lzw_encode(data)), 2),
    Compression("deflate", 8, zlib.compress),
    Compression("deflate 2", 32946, zlib.compress, 2),
    Compression("deflate 3", 8, zlib.compress, 3),
    Compression("PackBits", 32773, lambda data: bytes(imagecodecs.packbits_encode(data))),
    Compression("LZMA", 34925, lzma.compress),
    Compression("Zstandard 2", 50000, lambda data: bytes(imagecodecs.zstd_encode(data)), 2),
]


def stored_samples(depth: Depth, meaning: Meaning, random: np.random.Generator) -> np.ndarray:
    shape = HEIGHT, WIDTH, meaning.channels + len(meaning.extra)
    if depth.kind == "f":
        values = random.uniform(-0.2, 1.2, shape).astype(f"f{depth.bits // 8}")
        if PREMULTIPLIED in meaning.extra:
            values[..., -1:] = random.integers(0, 5, values[..., -1:].shape) / 4
        return values
    low = -(2 ** (depth.bits - 1)) if depth.kind == "i" else 0
    room = 8 if depth.bits <= 8 else 16 if depth.bits <= 16 else depth.bits
    dtype = np.dtype(f"{depth.kind}{room // 8}")
    return random.integers(low, low + 2**depth.bits - 1, shape, dtype, endpoint=True)


def refused(depth: Depth, meaning: Meaning) -> bool:
    """Refusals are as much of a promise as pictures are."""
    if PREMULTIPLIED in meaning.extra and meaning.photometric == 5:
        return True
    fits = {3: ["u1", "u2", "u4", "u8", "u16"], 5: ["u8", "u16"], 6: ["u8"], 8: ["u8", "u16"]}
    fits[9] = ["u8"]
    return str(depth) not in fits.get(meaning.photometric, [str(depth)])


def written(depth: Depth, compression: Compression) -> bool:
    """Whether such a file can be: predictors want whole bytes, or floats."""
    if compression.predictor == 2:
        return depth.bits % 8 == 0
    return compression.predictor == 1 or depth.kind == "f"


def expected(stored: np.ndarray, depth: Depth, meaning: Meaning, palette: np.ndarray):
    """8-bit pixels and alpha of samples (H, W, C), which is what they mean, in plain formulas."""
    values = stored.astype(np.longdouble)
    if depth.kind == "i":
        values += 2 ** (depth.bits - 1)
    if depth.kind != "f":
        values /= 2**depth.bits - 1
    colours, alpha = values[..., : meaning.channels], None
    for kind, veil in zip(
        meaning.extra, np.moveaxis(values[..., meaning.channels :], 2, 0), strict=True
    ):
        if kind == UNSPECIFIED:
            continue
        alpha = eight(veil)
        if kind == PREMULTIPLIED:
            with np.errstate(divide="ignore", invalid="ignore"):
                colours = np.where(veil[..., None] > 0, colours / veil[..., None], 0)
    photometric = meaning.photometric
    if photometric == 3:
        return palette[stored[..., 0].astype(int)] >> 8, alpha
    if photometric == 5:
        inks = Image.fromarray(eight(colours), "CMYK")
        return np.asarray(inks.convert("RGB")), alpha
    if photometric in (8, 9):
        return from_lab(stored.astype(int), depth, photometric), alpha
    if photometric == 6:
        y, cb, cr = np.moveaxis(stored.astype(float), 2, 0)
        cb, cr = cb - 128, cr - 128
        colours = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]
        return eight(np.stack(colours, axis=2) / 255), alpha
    pixels = eight(colours)
    return (255 - pixels if photometric == 0 else pixels), alpha


def eight(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def from_lab(stored: np.ndarray, depth: Depth, photometric: int) -> np.ndarray:
    """By way of the L*, a*, b* that the specification gives the numbers."""
    whole = 2**depth.bits - 1
    light, tints = stored[..., 0] / whole * 100, stored[..., 1:].astype(float)
    if photometric == 9:
        tints -= 128
    else:
        tints = np.where(tints > whole // 2, tints - whole - 1, tints) / (1 << depth.bits - 8)
    signed = np.clip(np.rint(tints), -128, 127).astype(np.int8)
    light8 = np.floor(light * 2.55 + 0.5).astype(np.uint8)
    data = np.dstack((light8, signed.view(np.uint8))).tobytes()
    lab = Image.frombytes("LAB", (stored.shape[1], stored.shape[0]), data)
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        "LAB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(ImageCms.applyTransform(lab, transform))


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """By where the first row and the first column are, as the specification tells it."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    bottom = orientation in (3, 4, 7, 8)  # the first row is at the bottom, or to the right
    right = orientation in (2, 3, 6, 7)
    # Of turned ones the first row is a side: 5 left top, 6 right top, 7 right bottom, 8 left bottom
    return array[:: -1 if bottom else 1, :: -1 if right else 1]


WAYS = ["path", "memory", "offset", "replaced"]


def read(data: bytes, way: str, folder: Path) -> Picture:
    path = folder / "picture.tif"
    if way == "memory":
        return read_picture(io.BytesIO(data))
    path.write_bytes(b"in front" * 5 + data if way == "offset" else data)
    if way == "path":
        return read_picture(path)
    with path.open("rb") as stream:
        if way == "offset":
            stream.seek(40)
        else:
            path.rename(folder / "elsewhere.tif")
            path.write_bytes(bytes(len(data)))
        return read_picture(stream)


@pytest.mark.parametrize("depth", DEPTHS, ids=str)
def test_every_combination_is_the_picture_or_refused_by_name(depth: Depth, tmp_path: Path):
    random = np.random.default_rng([depth.bits, depth.sample_format])
    palette = random.integers(0, 65536, (2 ** min(depth.bits, 16), 3))
    pictures = 0
    for meaning, compression, planar in itertools.product(MEANINGS, COMPRESSIONS, (False, True)):
        if not written(depth, compression):
            continue
        orientation, order = int(random.integers(1, 9)), "<>"[random.integers(2)]
        tile, rows = ((None, 4), (None, None), ((16, 16), None), ((4, 5), None))[random.integers(4)]
        way = WAYS[random.integers(4)]
        samples = stored_samples(depth, meaning, random)
        tags = [(274, 3, [orientation])]
        if meaning.extra and meaning.stated:
            tags.append((338, 3, meaning.extra))
        if meaning.photometric == 3:
            tags.append((320, 3, palette.T.ravel().tolist()))
        if meaning.photometric == 6:
            tags.append((530, 3, [1, 1]))
        data = tiff(
            samples,
            meaning.photometric,
            depth.bits,
            depth.sample_format,
            order=order,
            planar=planar,
            tile=tile,
            rows=rows,
            big=bool(random.integers(2)),
            compression=compression.code,
            encode=compression.encode,
            predictor=compression.predictor,
            tags=tags,
        )
        case = (
            f"{meaning}, {compression}, {planar=}, {orientation=}, {order}, {tile=}, {rows=}, {way}"
        )
        if refused(depth, meaning):
            with pytest.raises(MediaError, match="which is not read; save it as"):
                read(data, way, tmp_path)
            continue
        stored = judged(data)
        assert np.array_equal(stored, samples), f"the judge or the writer is wrong: {case}"
        pixels, alpha = expected(stored, depth, meaning, palette)
        picture = read(data, way, tmp_path)
        wrong = np.abs(picture.pixels.astype(int) - upright(pixels, orientation))
        assert wrong.max() <= (PREMULTIPLIED in meaning.extra), case  # quotients at a half
        assert (picture.alpha is None) == (alpha is None), case
        assert alpha is None or np.array_equal(picture.alpha, upright(alpha, orientation)), case
        pictures += 1
    assert pictures > 60


def judged(data: bytes) -> np.ndarray:
    """The stored samples (H, W, C) as tifffile reads them."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        stored = page.asarray()
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            stored = np.moveaxis(stored, 0, 2)
    return stored.reshape(HEIGHT, WIDTH, -1)

"""From any mode and depth that Pillow reads to 8-bit RGB or gray, and alpha.

A picture is converted in strips, so that beside Pillow's copy and ours there is never a third.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile

from flowcodec.media.icc import embedded_transform, srgb_transform

Reduce = Callable[[Image.Image], NDArray[np.uint8]]
"""From a strip of a picture to its samples, uint8 (rows, width, channels), alpha last."""

_PIXELS_AT_ONCE = 1 << 20

# What Pillow is asked for, by the mode that it read.
_DIRECT = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "RGB": "RGB",
    "RGBA": "RGBA",
}


@dataclass(frozen=True)
class SampleType:
    """How the file stores samples; Pillow tells only part of it."""

    bits: int = 8
    white: float = 255
    """What full brightness is in Pillow's modes I, I;16 and F."""
    gray: bool = False
    """Gray with alpha, although Pillow reads it as RGBA."""
    scaled_pnm: bool = False
    """A binary PPM or PGM with `white` as the largest value, whatever Pillow's mode says."""


@dataclass(frozen=True)
class Samples:
    """`pixels` uint8 (H, W, 3) RGB or (H, W, 1) gray, `alpha` uint8 (H, W) or None.

    `profiled` says that the file's ICC profile still describes `pixels`.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    notes: tuple[str, ...]
    profiled: bool = True


def sample_type(image: ImageFile.ImageFile, head: bytes) -> SampleType:
    """How `image`, opened but not yet decoded, stores its samples; `head` as `open_image` says."""
    if image.format == "PNG":
        depth, colour = head[24], head[25]
        return SampleType(depth, white=65535, gray=colour == 4)
    if image.format == "PPM":
        if image.mode == "F":
            return SampleType(32, white=1)
        # What Pillow's decoder is told: the mode and, unless that says it, the largest value.
        decoder, _, _, arguments = image.tile[0]
        largest = int(arguments[1]) if isinstance(arguments, tuple) else 0
        bits = 16 if image.mode == "I" or largest > 255 else 8
        if decoder == "ppm":
            return SampleType(bits, white=largest, scaled_pnm=True)
        return SampleType(bits, white=65535)
    if image.format == "AVIF":
        return SampleType(_avif_bits(head))
    return SampleType()


def _avif_bits(head: bytes) -> int:
    """The depth that the AV1 configuration box states: bit 6 says more than 8, bit 5 says 12."""
    box = head.find(b"av1C")
    flags = head[box + 6] if 0 <= box < len(head) - 6 else 0
    return {0x40: 10, 0x60: 12}.get(flags & 0x60, 8)


def to_samples(image: ImageFile.ImageFile, kind: SampleType, icc: bytes | None) -> Samples:
    """The samples of `image`, which is decoded here if it was not; `icc` is its ICC profile.

    Beyond 8 bits a sample is scaled so that full brightness becomes 255, and rounded; where
    Pillow itself has cut a 16-bit colour picture to 8 bits, that is the upper byte. Floats count
    from 0 to 1 and what lies outside is clipped. Raises whatever Pillow raises on
    damaged data.
    """
    if kind.scaled_pnm:
        return Samples(_pnm(image, kind), None, depth_notes(kind.bits))
    image.load()
    mode = image.mode
    notes = list(depth_notes(kind.bits, floats=mode == "F"))
    profiled = True
    reduce: Reduce
    if mode in ("F", "I") or mode.startswith("I;16"):
        reduce = _scaling(kind)
    elif mode == "CMYK":
        transform, how = transform_for(mode, icc)
        reduce, profiled = managed(transform), False
        notes.append(how)
    elif kind.gray and mode == "RGBA":
        reduce = _gray_of_rgba
    else:
        reduce = _direct(_DIRECT.get(mode) or ("RGBA" if image.has_transparency_data else "RGB"))
    key = image.info.get("transparency") if mode != "P" else None
    if key is not None and mode == "RGB" and kind.bits > 8:
        notes.append("the one transparent colour of this 16-bit picture was ignored")
    elif key is not None and mode in ("1", "L", "I;16", "RGB"):
        if mode == "L" and kind.bits < 8:
            key = key * 255 // (2**kind.bits - 1)
        reduce = _keyed(reduce, key)
    return Samples(*_in_strips(image, reduce), tuple(notes), profiled)


def depth_notes(bits: int, floats: bool = False) -> tuple[str, ...]:
    """What to say of samples of so many bits that became 8-bit ones."""
    if floats:
        return (
            "floating-point samples were reduced to 8 bits: 0 is black, 1 white, the rest clipped",
        )
    return (f"{bits} bits a sample were reduced to 8",) if bits > 8 else ()


def _pnm(image: ImageFile.ImageFile, kind: SampleType) -> NDArray[np.uint8]:
    """The samples of a binary PPM or PGM that does not count to 255.

    Pillow would take them one by one in Python, at five seconds a megapixel.
    """
    assert image.fp is not None
    image.fp.seek(image.tile[0].offset)
    width, height = image.size
    pixels = np.empty((height, width, len(image.getbands())), np.uint8)
    stored = np.dtype(">u2" if kind.white > 255 else np.uint8)
    rows = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        block = pixels[top : top + rows]
        data = image.fp.read(block.size * stored.itemsize)
        if len(data) < block.size * stored.itemsize:
            raise ValueError("it ends before its last row")
        block[:] = scaled(np.frombuffer(data, stored).reshape(block.shape), kind.white)
    return pixels


def _in_strips(
    image: Image.Image, reduce: Reduce
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    width, height = image.size
    rows = max(1, _PIXELS_AT_ONCE // width)
    pixels = alpha = None
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = reduce(image.crop((0, top, width, bottom)))
        channels = strip.shape[2]
        colours = 3 if channels >= 3 else 1
        if pixels is None:
            pixels = np.empty((height, width, colours), np.uint8)
            alpha = np.empty((height, width), np.uint8) if channels > colours else None
        pixels[top:bottom] = strip[..., :colours]
        if alpha is not None:
            alpha[top:bottom] = strip[..., colours]
    assert pixels is not None  # Pillow gives no picture without pixels
    return pixels, alpha


def _array(strip: Image.Image) -> NDArray[Any]:
    """The values of a strip, (rows, width, channels)."""
    values = np.asarray(strip)
    return values[..., np.newaxis] if values.ndim == 2 else values


def _direct(mode: str) -> Reduce:
    return lambda strip: _array(strip if strip.mode == mode else strip.convert(mode))


def _gray_of_rgba(strip: Image.Image) -> NDArray[np.uint8]:
    return _array(strip)[..., [0, 3]]


def _scaling(kind: SampleType) -> Reduce:
    return lambda strip: scaled(_array(strip), kind.white)


def scaled(values: NDArray[Any], white: float) -> NDArray[np.uint8]:
    """0 to `white` becomes 0 to 255, rounded; what lies outside is clipped, NaN is 0."""
    shares: NDArray[Any] = np.clip(values, 0, white) * (255 / white)
    shares = np.nan_to_num(shares, nan=0)
    return np.floor(shares + 0.5).astype(np.uint8)


def _keyed(reduce: Reduce, key: int | tuple[int, int, int]) -> Reduce:
    """`reduce`, and alpha 0 where all channels have the values of `key`, 255 elsewhere."""

    def keyed(strip: Image.Image) -> NDArray[np.uint8]:
        values = _array(strip.convert("L") if strip.mode == "1" else strip)
        alpha = np.where((values == key).all(axis=2, keepdims=True), np.uint8(0), np.uint8(255))
        return np.concatenate((reduce(strip), alpha), axis=2)

    return keyed


def managed(transform: ImageCms.ImageCmsTransform | None) -> Reduce:
    """From a strip to its samples in sRGB, by `transform` or Pillow's own formula."""

    def reduce(strip: Image.Image) -> NDArray[np.uint8]:
        converted = ImageCms.applyTransform(strip, transform) if transform else None
        return _array(converted or strip.convert("RGB"))

    return reduce


def transform_for(
    mode: str, embedded: bytes | None
) -> tuple[ImageCms.ImageCmsTransform | None, str]:
    """A transform from CMYK or LAB to sRGB, by the ICC profile `embedded` where it is of use.

    None stands for Pillow's formula. The text is a note that says what was done.
    """
    wanted = {"CMYK": b"CMYK", "LAB": b"Lab "}[mode]
    done = f"{mode} was converted to sRGB"
    if embedded and embedded[16:20] == wanted:
        transform = embedded_transform(embedded, mode)
        if transform:
            return transform, f"{done} by its ICC profile, now dropped"
    if mode == "LAB":
        return srgb_transform(ImageCms.createProfile("LAB"), mode), f"{done} (D50)"
    return None, f"{done} by a plain formula, for want of a usable ICC profile"

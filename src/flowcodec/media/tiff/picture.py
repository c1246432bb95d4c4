"""What the stored samples of a TIFF picture mean: `open_tiff`, `tiff_samples`."""

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcodec.errors import MediaError
from flowcodec.media.samples import Samples, depth_notes, managed, scaled, transform_for
from flowcodec.media.tiff.layout import (
    ASSOCIATED,
    CHANNELS,
    COREL,
    GRAYS,
    GUESSED,
    JPEG,
    UNASSOCIATED,
    Layout,
    Photometric,
    Tag,
    read_layout,
)
from flowcodec.media.tiff.refusals import refusal
from flowcodec.media.tiff.rows import bands
from flowcodec.media.tiff.tags import Tags

Reduce = Callable[[NDArray[Any]], NDArray[np.uint8]]
"""From stored samples (rows, width, samples) to 8-bit ones."""


class TiffPicture:
    """A TIFF file that is open; `tiff_samples` gives its pixels."""

    def __init__(self, stream: BinaryIO, tags: Tags, layout: Layout):
        self.stream, self.tags, self.layout = stream, tags, layout
        self.size = layout.width, layout.height

    @property
    def n_frames(self) -> int:
        return self.tags.directories()

    def __enter__(self) -> "TiffPicture":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing: the file is whose who has opened it."""


def open_tiff(stream: BinaryIO, name: str) -> TiffPicture:
    """The first picture of the TIFF file `stream`, not yet decoded.

    Raises MediaError, which calls the file `name`, where it is of a kind that is not read, and
    ValueError or whatever Pillow raises where it is damaged.
    """
    tags = Tags(stream)
    layout = read_layout(tags)
    unread = refusal(layout, tags)
    if unread:
        raise MediaError(
            f"cannot read {name}: this TIFF {unread}, which is not read; "
            "save it as plain RGB or gray, or as PNG"
        )
    return TiffPicture(stream, tags, layout)


def tiff_samples(picture: TiffPicture, icc: bytes | None) -> Samples:
    """The samples of `picture`, decoded here; `icc` is its ICC profile.

    Integers count from black to full brightness over the whole range of their bits, from the
    lowest one if they are signed, and are rounded to 8 bits. Floats count from 0 to 1 and what
    lies outside is clipped. Premultiplied alpha is divided out. Raises ValueError on damage.
    """
    layout, tags = picture.layout, picture.tags
    meaning = _meaning(layout)
    channels = CHANNELS[meaning]
    reduce, notes, profiled = _colours(meaning, layout, tags, icc)
    place, premultiplied, more = _alpha(layout)
    shape = layout.height, layout.width
    pixels = np.empty((*shape, 1 if meaning in GRAYS else 3), np.uint8)
    alpha = None if place is None else np.empty(shape, np.uint8)
    opacity = _to_eight(layout)
    for top, stored in bands(layout, picture.stream, tags.size):
        here = slice(top, top + len(stored))
        colours = stored[..., :channels]
        if alpha is not None and place is not None:
            veil = stored[..., channels + place][..., np.newaxis]
            alpha[here] = opacity(veil)[..., 0]
            if premultiplied:
                pixels[here] = _divided(colours, veil, layout)
                continue
        pixels[here] = reduce(colours)
    notes = (*_notes_of_samples(layout), *notes, *more)
    return Samples(pixels, alpha, notes, profiled)


def _meaning(layout: Layout) -> Photometric:
    """What the samples mean when compression is undone: libtiff makes RGB of YCbCr in JPEG."""
    meaning = Photometric(layout.photometric)
    decoded = meaning is Photometric.YCBCR and layout.compression == JPEG
    return Photometric.RGB if decoded else meaning


def _notes_of_samples(layout: Layout) -> tuple[str, ...]:
    if layout.photometric == Photometric.PALETTE:
        return ()
    notes = depth_notes(layout.bits, floats=layout.kind == "f")
    if layout.kind == "i":
        notes += ("signed samples were shifted by half their range",)
    return notes


def _alpha(layout: Layout) -> tuple[int | None, bool, tuple[str, ...]]:
    """Which extra sample is alpha, if the colours are premultiplied by it, and notes."""
    kinds = (UNASSOCIATED, ASSOCIATED, COREL, GUESSED)
    place = next((i for i, kind in enumerate(layout.extra) if kind in kinds), None)
    notes = []
    left = len(layout.extra) - (place is not None)
    if left:
        many = "channel beside the colours was" if left == 1 else "channels beside the colours were"
        notes.append(f"{left} {many} left out")
    if GUESSED in layout.extra:
        notes.append("the last channel, of which the file says nothing, was taken for alpha")
    return place, place is not None and layout.extra[place] == ASSOCIATED, tuple(notes)


def _colours(
    meaning: Photometric, layout: Layout, tags: Tags, icc: bytes | None
) -> tuple[Reduce, tuple[str, ...], bool]:
    """How colours become 8-bit gray or RGB, notes, and whether an ICC profile stays with them."""
    to_eight = _to_eight(layout)
    match meaning:
        case Photometric.WHITE_IS_ZERO:
            return lambda stored: 255 - to_eight(stored), (), True
        case Photometric.PALETTE:
            table, notes = _palette(layout, tags)
            return lambda stored: table[stored[..., 0]], notes, True
        case Photometric.YCBCR:
            return _from_ycbcr(tags), ("YCbCr was converted to RGB",), True
        case Photometric.CMYK | Photometric.CIELAB | Photometric.ICCLAB:
            mode = "CMYK" if meaning is Photometric.CMYK else "LAB"
            transform, how = transform_for(mode, icc)
            prepared = to_eight if mode == "CMYK" else _lab_to_eight(meaning, layout)
            convert = managed(transform)

            def reduce(stored: NDArray[Any]) -> NDArray[np.uint8]:
                data = np.ascontiguousarray(prepared(stored))
                size = data.shape[1], data.shape[0]
                return convert(Image.frombuffer(mode, size, data, "raw", mode, 0, 1))

            return reduce, (how,), False
    return to_eight, (), True


def _to_eight(layout: Layout) -> Reduce:
    """Samples by their depth and sign alone."""
    if layout.kind == "f":
        return lambda stored: scaled(stored.astype(float), 1)
    if layout.bits > 16:
        return lambda stored: scaled(_unsigned(stored, layout), 2**layout.bits - 1)
    if layout.bits == 8 and layout.kind == "u":
        return lambda stored: stored
    codes = np.arange(2**layout.bits, dtype=np.uint32)
    table = scaled(_unsigned(codes, layout), 2**layout.bits - 1)
    return lambda stored: table[stored]


def _unsigned(stored: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Integers counted from the lowest one; of signed ones that turns the highest bit."""
    return stored ^ stored.dtype.type(1 << layout.bits - 1) if layout.kind == "i" else stored


def _divided(colours: NDArray[Any], veil: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """Colours that had been multiplied by alpha, 0 where that is 0."""
    if layout.kind != "f":
        colours, veil = _unsigned(colours, layout), _unsigned(veil, layout)
    straight = np.zeros(colours.shape)
    with np.errstate(all="ignore"):  # floats may be anything; NaN becomes 0
        np.divide(colours.astype(float), veil, out=straight, where=veil > 0)
    return scaled(straight, 1)


def _palette(layout: Layout, tags: Tags) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The colour of each index, uint8 (2^bits, 3)."""
    table = tags.integers(Tag.COLOR_MAP)
    if len(table) != 3 << layout.bits:
        raise ValueError(f"its palette has {len(table)} values, not {3 << layout.bits}")
    if table.min() < 0 or table.max() > 65535:
        raise ValueError("its palette has values of more than 16 bits")
    # The upper byte, whether writers make 16 bits of 8 by 256 or by 257; some do not at all.
    narrow = 0 < table.max() < 256
    colours = (table if narrow else table >> 8).astype(np.uint8).reshape(3, -1).T
    return colours, ("its palette was taken for one of 8 bits",) if narrow else ()


def _from_ycbcr(tags: Tags) -> Reduce:
    red, green, blue = tags.numbers(Tag.YCBCR_COEFFICIENTS) or (0.299, 0.587, 0.114)
    ends = tags.numbers(Tag.REFERENCE_BLACK_WHITE) or (0, 255, 128, 255, 128, 255)
    black, white = np.array(ends[::2]), np.array(ends[1::2])
    if len(ends) != 6 or not np.isfinite((red, green, blue, *ends)).all() or green <= 0:
        raise ValueError("its YCbCr is described in an impossible way")
    if (black == white).any():
        raise ValueError("its YCbCr is described in an impossible way")

    def reduce(stored: NDArray[Any]) -> NDArray[np.uint8]:
        y, cb, cr = np.moveaxis((stored - black) / (white - black) * (255, 127, 127), 2, 0)
        r, b = y + (2 - 2 * red) * cr, y + (2 - 2 * blue) * cb
        return scaled(np.stack((r, (y - red * r - blue * b) / green, b), axis=2), 255)

    return reduce


def _lab_to_eight(meaning: Photometric, layout: Layout) -> Reduce:
    """L*a*b* as Pillow's raw mode LAB wants it: a* and b* are signed bytes."""

    def reduce(stored: NDArray[Any]) -> NDArray[np.uint8]:
        if layout.bits == 8:
            signs = np.array((0, 128, 128), np.uint8)
            return stored ^ signs if meaning is Photometric.ICCLAB else stored
        light = scaled(stored[..., :1], 65535)
        steps = np.rint(stored[..., 1:].view(np.int16) / 256)
        tints = np.clip(steps, -128, 127).astype(np.int8).view(np.uint8)
        return np.concatenate((light, tints), axis=2)

    return reduce

"""The alpha plane, lossless, in squares that are coded alone (SPEC.md section 5).

A square is what a lossless tile of gray samples would be (`bitstream.lossless`), or that of their
differences from the left, or of the differences of these: shadows and feathered edges are slopes.
Nearly always smaller than the older `bitstream.alpha`.
"""

from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.lossless import pack_lossless, unpack_lossless
from flowcodec.bitstream.numbers import Reader, pack_unsigned, pack_varint
from flowcodec.bitstream.units import HASH_BYTES
from flowcodec.errors import FormatError

SIDE = 1024
FORMS = range(3)  # how often differences are taken
METHOD, EFFORT = 4, 100  # of libwebp: a tenth less than the default on soft edges, no slower
MIN_SQUARE_BYTES = 1 + 1 + HASH_BYTES


def pack_matte(alpha: NDArray[np.uint8]) -> bytes:
    """The payload of a matte unit; `alpha` is uint8 (height, width)."""
    return b"".join(_pack_square(alpha[place]) for place in _squares(*alpha.shape))


def unpack_matte(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """The plane that `pack_matte` was given, uint8 (height, width).

    FormatError unless `data` holds all its squares, each with its hash, and no more.
    """
    reader = Reader(data, 0, "matte", whole="unit")
    least = MIN_SQUARE_BYTES * (-(-height // SIDE) * -(-width // SIDE))
    if reader.left < least:
        raise FormatError(
            f"the unit is cut short: {width}x{height} samples need at least {least} bytes,"
            f" {reader.left} are there",
            unit="matte",
        )
    alpha = np.zeros((height, width), np.uint8)
    for place in _squares(height, width):
        alpha[place] = _read_square(reader, *alpha[place].shape)
    if reader.left:
        raise FormatError(f"{reader.left} bytes follow the last square", unit="matte")
    return alpha


def _squares(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for top in range(0, height, SIDE):
        for left in range(0, width, SIDE):
            yield slice(top, top + SIDE), slice(left, left + SIDE)


def _pack_square(samples: NDArray[np.uint8]) -> bytes:
    codes, plane = [], samples
    for _ in FORMS:
        codes.append(pack_lossless(np.ascontiguousarray(plane)[..., None], METHOD, EFFORT))
        plane = np.diff(plane, axis=1, prepend=np.uint8(0))
    form = min(FORMS, key=lambda form: len(codes[form]))
    frame = pack_unsigned(form, 1) + pack_varint(len(codes[form]))
    return frame + pack_unsigned(_hash(samples), HASH_BYTES) + codes[form]


def _read_square(reader: Reader, height: int, width: int) -> NDArray[np.uint8]:
    form = reader.unsigned(1, "the form of a square")
    size = reader.varint("the length of a square")
    hash = reader.unsigned(HASH_BYTES, "the hash of a square")
    code = reader.take(size, "a square")
    if form not in FORMS:
        raise FormatError(f"a square has the form {form}, which is not known", unit="matte")
    try:
        samples = unpack_lossless(code, height, width, 1)[..., 0]
    except FormatError as error:
        raise FormatError(str(error), unit="matte") from None
    for _ in range(form):
        samples = np.cumsum(samples, axis=1, dtype=np.uint8)
    if _hash(samples) != hash:
        raise FormatError("what was decoded does not match its hash", unit="matte")
    return samples


def _hash(samples: NDArray[np.uint8]) -> int:
    return crc32(np.ascontiguousarray(samples).data)

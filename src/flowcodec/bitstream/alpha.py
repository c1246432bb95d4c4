"""The alpha plane, lossless: what the IDAT chunks of a PNG file hold (SPEC.md section 5).

Pillow's PNG coder does the work; only its chunks are opened and put back around the bytes.
"""

import struct
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from flowcodec.errors import FormatError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY_8_BIT = bytes([8, 0, 0, 0, 0])  # depth, colour type, deflate, adaptive filters, no interlace


def pack_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """The payload of an alpha unit; `alpha` is uint8 (height, width)."""
    file = BytesIO()
    Image.fromarray(alpha, mode="L").save(file, "PNG", optimize=True)
    return b"".join(data for kind, data in _chunks(file.getvalue()) if kind == b"IDAT")


def unpack_alpha(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """The plane that `pack_alpha` was given, uint8 (height, width).

    FormatError unless `data` is one whole deflate stream of exactly that many rows.
    """
    size = height * (width + 1)
    inflate = zlib.decompressobj()
    try:
        rows = len(inflate.decompress(data, size + 1))
    except zlib.error as error:
        raise FormatError(f"the deflate stream is damaged: {error}", unit="alpha") from None
    if rows != size or not inflate.eof or inflate.unused_data:
        raise FormatError(
            f"the deflate stream does not hold {height} rows of {width} samples", unit="alpha"
        )
    header = struct.pack(">II", width, height) + _GRAY_8_BIT
    png = _SIGNATURE + b"".join(
        _chunk(kind, body) for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )
    try:
        # Image.open would refuse large pictures; this one's size has been checked above.
        return np.array(PngImageFile(BytesIO(png)), dtype=np.uint8)
    except (OSError, ValueError) as error:
        raise FormatError(f"the rows cannot be unfiltered: {error}", unit="alpha") from None


def _chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    chunks = []
    offset = len(_SIGNATURE)
    while offset < len(png):
        size, kind = struct.unpack_from(">I4s", png, offset)
        chunks.append((kind, png[offset + 8 : offset + 8 + size]))
        offset += 12 + size
    return chunks

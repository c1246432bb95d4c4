"""A tile's samples, lossless: what the VP8L chunk of a WebP file holds (SPEC.md section 5).

Pillow's WebP coder does the work; only the chunk is taken out of its file and put back. Samples of
which it makes more bytes than there are, as of a few pixels of noise, stand as they are.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from flowcodec.bitstream.numbers import pack_unsigned, unpack_unsigned
from flowcodec.errors import FormatError

_FRAME = 20  # bytes of a WebP file before the payload of its only chunk
_START = 5  # bytes of a VP8L chunk that state its size
_SIGNATURE = 0x2F
_SIDE_BITS = 14


def pack_lossless(pixels: NDArray[np.uint8], method: int = 4, effort: int = 75) -> bytes:
    """The payload of a lossless tile after its hash; `pixels` is uint8 (height, width, 3 or 1).

    method (0 to 6) and effort (0 to 100) are libwebp's.
    """
    file = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(_rgb(pixels)))
    image.save(file, "WEBP", lossless=True, method=method, quality=effort)
    data = file.getvalue()
    chunk = data[_FRAME : _FRAME + unpack_unsigned(data[_FRAME - 4 : _FRAME])]
    return chunk if len(chunk) < pixels.size else pixels.tobytes()


def unpack_lossless(data: bytes, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """The samples that `pack_lossless` was given, uint8 (height, width, channels).

    FormatError unless `data` is a VP8L chunk of that many pixels, without alpha, or has a byte for
    each sample. Its size is compared before anything is decoded.
    """
    if len(data) == height * width * channels:
        return np.frombuffer(data, np.uint8).reshape(height, width, channels)
    start = unpack_unsigned(data[:_START])
    side = (1 << _SIDE_BITS) - 1
    stated = (start >> 8 + _SIDE_BITS & side) + 1, (start >> 8 & side) + 1
    alpha_and_version = start >> 8 + 2 * _SIDE_BITS
    if len(data) < _START or start & 0xFF != _SIGNATURE or alpha_and_version:
        raise FormatError("the lossless code is not what WebP calls a VP8L chunk without alpha")
    if stated != (height, width):
        raise FormatError(
            f"the lossless code holds {stated[1]}x{stated[0]} pixels, not {width}x{height}"
        )
    chunk = b"WEBPVP8L" + pack_unsigned(len(data), 4) + data + bytes(len(data) % 2)
    file = BytesIO(b"RIFF" + pack_unsigned(len(chunk), 4) + chunk)
    try:
        pixels = np.array(WebPImageFile(file).convert("RGB"), dtype=np.uint8)
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise FormatError(f"the lossless code is damaged: {error}") from None
    return pixels[:, :, :channels]


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))

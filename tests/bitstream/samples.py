"""Headers and files for the tests of the format, and a way to mend checksums after damage."""

from hypothesis import strategies as st

from flowcodec.bitstream.header import (
    FIELDS,
    MAGIC,
    MAX_SIDE,
    MAX_TILE_PIXELS,
    TILE_STEP,
    PictureHeader,
)
from flowcodec.bitstream.numbers import CRC_BYTES, Reader, pack_unsigned, running_crc
from flowcodec.errors import FormatError

HEADER = PictureHeader(
    model=1,
    prior_hash=b"\x00\x01\x02\x03",
    weights_hash=b"\xfc\xfd\xfe\xff",
    width=768,
    height=512,
    gray=False,
    alpha=False,
    quality=4000,
    psnr=3241,
)


@st.composite
def headers(draw: st.DrawFn, max_tiles: int | None = None) -> PictureHeader:
    """Any header that may be written, or any with at most `max_tiles` tiles a side."""
    tile = draw(st.integers(1, 255))
    side = tile * TILE_STEP
    largest = MAX_SIDE if max_tiles is None else min(MAX_SIDE, max_tiles * side)
    width = draw(st.integers(1, largest))
    if min(width, side) * side > MAX_TILE_PIXELS:
        largest = min(largest, MAX_TILE_PIXELS // min(width, side))
    return PictureHeader(
        model=1,
        prior_hash=draw(st.binary(min_size=4, max_size=4)),
        weights_hash=draw(st.binary(min_size=4, max_size=4)),
        width=width,
        height=draw(st.integers(1, largest)),
        gray=draw(st.booleans()),
        alpha=draw(st.booleans()),
        quality=draw(st.integers(1000, 8000)),
        psnr=draw(st.integers(0, 65535)),
        tile=tile,
    )


def mend_header(start: bytes) -> bytes:
    """`start` (a header without its checksum) with the checksum that it needs."""
    return start + pack_unsigned(running_crc(start), CRC_BYTES)


def mend_checksums(data: bytes) -> bytes:
    """`data` with every checksum made right, as far as its header and units can be told apart.

    So a damaged file reaches what lies behind the checksums: ranges, order, and the decoder.
    """
    mended = bytearray(data)
    reader = Reader(data, len(MAGIC) + 2, "")
    crc = start = size = 0  # the header has no payload behind its checksum
    try:
        for field in FIELDS:
            field.wire.read(reader, field.name)
        while True:
            crc = running_crc(data[start : reader.offset], crc)
            crc_at = reader.offset
            reader.take(CRC_BYTES, "checksum")
            crc = running_crc(reader.take(size, "payload"), crc)
            mended[crc_at : crc_at + CRC_BYTES] = pack_unsigned(crc, CRC_BYTES)
            start = reader.offset
            reader.unsigned(1, "type")
            size = reader.varint("length")
    except FormatError:
        return bytes(mended)

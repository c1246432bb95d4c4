"""Units, the parts of a file after its header: type, length, checksum, payload (SPEC.md section 4).

A unit's checksum continues the one before it, so it vouches for the unit's place in this very file
and not only for its bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flowcodec.bitstream.numbers import (
    CRC_BYTES,
    VARINT_MAX,
    Reader,
    pack_unsigned,
    pack_varint,
    running_crc,
)
from flowcodec.errors import UsageError

SKIP_BIT = 0x40  # a reader that does not know the type passes over the unit

LEARNED = 0x01
ALPHA = 0x02
PLAIN = 0x03
LOSSLESS = 0x04
MATTE = 0x05
ICC = 0x43
EXIF = 0x44
XMP = 0x45
TILE_KINDS = {LEARNED: "learned", PLAIN: "plain", LOSSLESS: "lossless"}
UNIT_NAMES = {ALPHA: "alpha", MATTE: "matte", ICC: "icc", EXIF: "exif", XMP: "xmp"} | TILE_KINDS

HASH_BYTES = 4
MIN_FRAME_BYTES = 1 + 1 + CRC_BYTES


@dataclass(frozen=True)
class Unit:
    """One unit as it stands in the file; `offset` is that of its type byte."""

    type: int
    name: str
    offset: int
    payload: bytes
    frame_bytes: int  # type, length and checksum together
    crc: int


def pack_hash(hash: int, what: str) -> bytes:
    """The hash that a payload begins with; UsageError unless it has 32 bits."""
    if not 0 <= hash < 2**32:
        raise UsageError(f"{what}'s hash has 32 bits, {hash} has not")
    return pack_unsigned(hash, HASH_BYTES)


def unit_bytes(size: int) -> int:
    """Bytes of a unit whose payload has `size`."""
    return 1 + len(pack_varint(size)) + CRC_BYTES + size


def pack_unit(type: int, payload: bytes, previous_crc: int) -> tuple[bytes, int]:
    """The unit's bytes and its checksum, which the next unit continues."""
    if len(payload) > VARINT_MAX:
        raise UsageError(
            f"a unit of type 0x{type:02x} has {len(payload)} bytes, at most {VARINT_MAX} fit"
        )
    start = pack_unsigned(type, 1) + pack_varint(len(payload))
    crc = running_crc(payload, running_crc(start, previous_crc))
    return start + pack_unsigned(crc, CRC_BYTES) + payload, crc


def read_unit(reader: Reader, previous_crc: int, names: Mapping[int, str]) -> Unit:
    """Take the unit at the reader; `names` are what errors call the units of the known types.

    FormatError if it is cut short or damaged, or of an unknown type without the skip bit.
    """
    start = reader.offset
    type = reader.unsigned(1, "its type")
    reader.unit = name = names.get(type, f"unit 0x{type:02x}")
    size = reader.varint("its length")
    covered = reader.data[start : reader.offset]
    crc = reader.unsigned(CRC_BYTES, "its checksum")
    frame_bytes = reader.offset - start
    payload = reader.take(size, "its payload")
    if crc != running_crc(payload, running_crc(covered, previous_crc)):
        raise reader.error(
            f"the {size} bytes are damaged or do not belong here: the checksum does not match",
            start,
        )
    if type not in names and not type & SKIP_BIT:
        raise reader.error(
            f"unit type 0x{type:02x} is not known and may not be skipped:"
            " a newer flowcodec may read the file",
            start,
        )
    return Unit(type, name, reader.base + start, payload, frame_bytes, crc)

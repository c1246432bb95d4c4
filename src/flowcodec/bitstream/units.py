"""Units, the parts of a file after its header: type, length, checksum, payload (SPEC.md section 4).

A unit's checksum continues the one before it, so it vouches for the unit's place in this very file
and not only for its bytes.
"""

from dataclasses import dataclass

from flowcodec.bitstream.numbers import (
    CRC_BYTES,
    VARINT_MAX,
    Reader,
    pack_unsigned,
    pack_varint,
    running_crc,
)
from flowcodec.errors import FormatError, UsageError

SKIP_BIT = 0x40  # a reader that does not know the type passes over the unit

LEARNED = 0x01
ALPHA = 0x02
PLAIN = 0x03
LOSSLESS = 0x04
ICC = 0x43
EXIF = 0x44
TILE_KINDS = {LEARNED: "learned", PLAIN: "plain", LOSSLESS: "lossless"}
UNIT_NAMES = {ALPHA: "alpha", ICC: "icc", EXIF: "exif"} | TILE_KINDS

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


def pack_unit(type: int, payload: bytes, previous_crc: int) -> tuple[bytes, int]:
    """The unit's bytes and its checksum, which the next unit continues."""
    if len(payload) > VARINT_MAX:
        name = UNIT_NAMES.get(type, f"type 0x{type:02x}")
        raise UsageError(f"the {name} unit has {len(payload)} bytes, at most {VARINT_MAX} fit")
    start = pack_unsigned(type, 1) + pack_varint(len(payload))
    crc = running_crc(payload, running_crc(start, previous_crc))
    return start + pack_unsigned(crc, CRC_BYTES) + payload, crc


def read_unit(data: bytes, offset: int, previous_crc: int, tile_index: int) -> Unit:
    """The unit at `offset`; `tile_index` is the number it gets in its name if it is a tile.

    FormatError if it is cut short or damaged, or of an unknown type without the skip bit.
    """
    reader = Reader(data, offset, f"the unit after {tile_index} tiles")
    type = reader.unsigned(1, "its type")
    reader.unit = name = _name(type, tile_index)
    size = reader.varint("its length")
    start = data[offset : reader.offset]
    crc = reader.unsigned(CRC_BYTES, "its checksum")
    frame_bytes = reader.offset - offset
    payload = reader.take(size, "its payload")
    if crc != running_crc(payload, running_crc(start, previous_crc)):
        raise FormatError(
            f"the {size} bytes are damaged or do not belong here: the checksum does not match",
            offset=offset,
            unit=name,
        )
    if type not in UNIT_NAMES and not type & SKIP_BIT:
        raise FormatError(
            f"unit type 0x{type:02x} is not known and may not be skipped:"
            " a newer flowcodec may read the file",
            offset=offset,
            unit=name,
        )
    return Unit(type, name, offset, payload, frame_bytes, crc)


def _name(type: int, tile_index: int) -> str:
    if type in TILE_KINDS:
        return f"tile {tile_index}"
    return UNIT_NAMES.get(type, f"unit 0x{type:02x}")

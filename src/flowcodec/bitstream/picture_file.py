"""A whole `.fci` file, to bytes and from bytes; SPEC.md beside this file is its description."""

from collections.abc import Sequence
from dataclasses import dataclass

from flowcodec.bitstream.header import (
    PictureHeader,
    TileBox,
    pack_header,
    parse_header,
)
from flowcodec.bitstream.numbers import CRC_BYTES, Reader, unpack_unsigned
from flowcodec.bitstream.units import (
    ALPHA,
    EXIF,
    HASH_BYTES,
    ICC,
    LEARNED,
    LOSSLESS,
    MATTE,
    MIN_FRAME_BYTES,
    PLAIN,
    TILE_KINDS,
    UNIT_NAMES,
    XMP,
    Unit,
    pack_hash,
    pack_unit,
    read_unit,
)
from flowcodec.errors import FormatError, UsageError

__all__ = [
    "LEARNED",
    "LOSSLESS",
    "PLAIN",
    "PictureFile",
    "PictureHeader",
    "Tile",
    "TileBox",
    "pack_picture",
    "parse_header",
    "parse_picture",
]

# Tiles of all kinds stand in the last place, and a matte where alpha would.
ORDER = (ICC, EXIF, XMP, ALPHA, LEARNED)


@dataclass(frozen=True)
class Tile:
    """A tile's coded bytes, the CRC-32 of what they stand for, and the type of its unit.

    `offset` is that of its unit in a file that was parsed.
    """

    hash: int
    data: bytes
    type: int = LEARNED
    offset: int = 0

    @property
    def kind(self) -> str:
        """How it is coded: learned, plain or lossless."""
        return TILE_KINDS[self.type]


@dataclass(frozen=True)
class PictureFile:
    """A parsed file. `parts` says where its bytes went: name to bytes, adding up to the file."""

    header: PictureHeader
    tiles: list[Tile]
    alpha: bytes | None
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    parts: dict[str, int]
    matte: bytes | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over, in words."""
        after = self.parts.get("after the end", 0)
        if not after:
            return ()
        return (f"what follows the picture was passed over ({after:,} bytes)",)


def pack_picture(
    header: PictureHeader,
    tiles: Sequence[Tile],
    alpha: bytes | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    matte: bytes | None = None,
) -> bytes:
    """The bytes of a `.fci` file.

    `tiles` go row by row from the top left, whatever their offsets; `alpha` is what `pack_alpha`
    returns, or `matte` what `pack_matte` does; `icc`, `exif` and `xmp` are stored as they are.
    UsageError if header and units contradict each other or a value is outside its range.
    """
    parts = [pack_header(header)]
    if len(tiles) != header.tile_count:
        raise UsageError(f"the header asks for {header.tile_count} tiles, {len(tiles)} were given")
    if header.alpha != (alpha is not None) + (matte is not None):
        raise UsageError("the header's alpha flag and the alpha bytes contradict each other")

    crc = unpack_unsigned(parts[0][-CRC_BYTES:])
    payloads = [(ICC, icc), (EXIF, exif), (XMP, xmp), (ALPHA, alpha), (MATTE, matte)]
    payloads += [(tile.type, pack_hash(tile.hash, "a tile") + tile.data) for tile in tiles]
    for type, payload in payloads:
        if payload is not None:
            unit, crc = pack_unit(type, payload, crc)
            parts.append(unit)
    return b"".join(parts)


def parse_picture(data: bytes) -> PictureFile:
    """Take a `.fci` file apart.

    Everything is checked: magic, version, ranges, lengths, checksums, number and order of units.
    Whatever is wrong is a FormatError with the offset and the name of the unit. What follows the
    last tile is passed over: `notes` tells of it. No more memory is taken than a small multiple of
    `len(data)`, whatever geometry the header claims.
    """
    header, size = parse_header(data)
    crc = unpack_unsigned(data[size - CRC_BYTES : size])
    reader = Reader(data, size, "")
    _check_room_for_tiles(header, reader)

    parts = {"header": size, "unit frames": 0, "hashes": 0}
    parts |= {UNIT_NAMES[type]: 0 for type in (ICC, EXIF, XMP, ALPHA, MATTE)} | {
        "tiles": 0,
        "skipped units": 0,
    }
    single: dict[int, bytes] = {}
    tiles: list[Tile] = []
    earliest = 0
    while len(tiles) < header.tile_count:
        tile_name = f"tile {len(tiles)}"
        if not reader.left:
            reader.unit = tile_name
            raise reader.error(
                f"the file is cut short: {len(tiles)} of {header.tile_count} tiles are there"
            )
        reader.unit = f"the unit after {len(tiles)} tiles"
        unit = read_unit(reader, crc, UNIT_NAMES | dict.fromkeys(TILE_KINDS, tile_name))
        crc = unit.crc
        parts["unit frames"] += unit.frame_bytes
        if unit.type not in UNIT_NAMES:
            parts["skipped units"] += len(unit.payload)
            continue
        _check_place(header, unit, earliest, not single.keys().isdisjoint((ALPHA, MATTE)))
        if unit.type in TILE_KINDS:
            earliest = _place(unit.type)
            tiles.append(_tile(unit))
            parts["hashes"] += HASH_BYTES
            parts["tiles"] += len(tiles[-1].data)
        else:
            earliest = _place(unit.type) + 1
            single[unit.type] = unit.payload
            parts[unit.name] += len(unit.payload)
    parts["after the end"] = reader.left
    alpha, icc, exif, xmp, matte = (single.get(type) for type in (ALPHA, ICC, EXIF, XMP, MATTE))
    return PictureFile(header, tiles, alpha, icc, exif, xmp, parts, matte)


def _check_room_for_tiles(header: PictureHeader, reader: Reader) -> None:
    least = header.tile_count * (MIN_FRAME_BYTES + HASH_BYTES)
    if reader.left < least:
        reader.unit = "tile 0"
        raise reader.error(
            f"the file is cut short: {header.width}x{header.height} pixels are"
            f" {header.tile_count} tiles and need at least {least} bytes, {reader.left} left"
        )


def _check_place(header: PictureHeader, unit: Unit, earliest: int, alpha_seen: bool) -> None:
    if _place(unit.type) < earliest:
        trouble = "the unit is repeated or out of order: icc, exif, xmp, alpha, tiles is the order"
    elif unit.type in (ALPHA, MATTE) and not header.alpha:
        trouble = f"the header says that the picture has no alpha, but there is a unit {unit.name}"
    elif unit.type in TILE_KINDS and header.alpha and not alpha_seen:
        trouble = "the header says that the picture has alpha, but no alpha unit precedes the tiles"
    else:
        return
    raise FormatError(trouble, offset=unit.offset, unit=unit.name)


def _place(type: int) -> int:
    if type == MATTE:
        return ORDER.index(ALPHA)
    return ORDER.index(LEARNED if type in TILE_KINDS else type)


def _tile(unit: Unit) -> Tile:
    if len(unit.payload) < HASH_BYTES:
        raise FormatError(
            f"a tile begins with {HASH_BYTES} bytes of hash, this one has"
            f" {len(unit.payload)} bytes",
            offset=unit.offset,
            unit=unit.name,
        )
    hash = unpack_unsigned(unit.payload[:HASH_BYTES])
    return Tile(hash, unit.payload[HASH_BYTES:], unit.type, unit.offset)

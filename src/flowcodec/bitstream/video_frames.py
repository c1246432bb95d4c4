"""Frames of a video as they stand in a group, a payload for each (SPEC.md section 13)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from flowcodec.bitstream.fields import QUALITY, TIME
from flowcodec.bitstream.header import PictureHeader
from flowcodec.bitstream.numbers import LONG_BITS, Reader, pack_unsigned, pack_varint
from flowcodec.bitstream.picture_file import Tile
from flowcodec.bitstream.units import HASH_BYTES, TILE_KINDS, Unit, pack_hash
from flowcodec.bitstream.video_header import NO_MODEL, VideoHeader
from flowcodec.errors import UsageError

INTRA = 0x11
INTER = 0x12
REPEAT = 0x13
FRAME_KINDS = {INTRA: "intra", INTER: "inter", REPEAT: "repeat"}

MIN_TILE_BYTES = 1 + 1 + HASH_BYTES


@dataclass(frozen=True)
class Intra:
    """A frame that stands alone: the tiles of a picture, row by row from the top left.

    `time` counts ticks, `quality` thousandths. `offset` is that of its unit in a file that was
    read; frames that differ in nothing else are equal.
    """

    type: ClassVar[int] = INTRA
    time: int
    quality: int
    tiles: Sequence[Tile]
    offset: int = field(default=0, compare=False)

    @property
    def code_bytes(self) -> int:
        """Bytes of entropy code: all that is no framing."""
        return sum(len(tile.data) for tile in self.tiles)


@dataclass(frozen=True)
class Inter:
    """A frame coded with the help of those before it in its group; `hash` is of its latents."""

    type: ClassVar[int] = INTER
    time: int
    quality: int
    hash: int
    data: bytes
    offset: int = field(default=0, compare=False)

    @property
    def code_bytes(self) -> int:
        """Bytes of entropy code: all that is no framing."""
        return len(self.data)


@dataclass(frozen=True)
class Repeat:
    """The frame before, shown again from `time` on."""

    type: ClassVar[int] = REPEAT
    time: int
    offset: int = field(default=0, compare=False)

    @property
    def code_bytes(self) -> int:
        """None: all is framing."""
        return 0


CodedFrame: TypeAlias = Intra | Inter | Repeat


def pack_frame(frame: CodedFrame, before: int, header: VideoHeader) -> bytes:
    """The payload of a frame's unit; `before` is the time of the one before.

    UsageError where the frame does not go with the header, or a value is outside its range.
    """
    trouble = TIME.trouble(frame.time)
    if frame.time < before:
        trouble = f"the time of a frame is {frame.time}, the frame before has {before}"
    if not isinstance(frame, Repeat):
        trouble = trouble or QUALITY.trouble(frame.quality)
    if trouble:
        raise UsageError(f"cannot write the frame: {trouble}")
    payload = pack_varint(frame.time - before)
    if isinstance(frame, Repeat):
        return payload
    payload += QUALITY.wire.write(frame.quality)
    if isinstance(frame, Inter):
        if header.inter_model == NO_MODEL:
            raise UsageError("the header names no model for inter frames")
        return payload + pack_hash(frame.hash, "a frame") + frame.data
    count = header.picture(frame.quality).tile_count
    if len(frame.tiles) != count:
        raise UsageError(f"an intra frame has {count} tiles, {len(frame.tiles)} were given")
    return payload + b"".join(
        pack_unsigned(tile.type, 1)
        + pack_varint(len(tile.data))
        + pack_hash(tile.hash, "a tile")
        + tile.data
        for tile in frame.tiles
    )


def parse_frame(unit: Unit, before: int, header: VideoHeader) -> CodedFrame:
    """The frame that `pack_frame` was given; FormatError where it could not have been."""
    base = unit.offset + unit.frame_bytes
    reader = Reader(unit.payload, 0, unit.name, base, "frame")
    time = before + reader.varint("its time", LONG_BITS)
    if trouble := TIME.trouble(time):
        raise reader.error(trouble, 0)
    frame = _parse(unit, reader, time, header)
    if reader.left:
        raise reader.error(f"{reader.left} bytes too many")
    return frame


def _parse(unit: Unit, reader: Reader, time: int, header: VideoHeader) -> CodedFrame:
    if unit.type == REPEAT:
        return Repeat(time, unit.offset)
    quality = QUALITY.wire.read(reader, "its quality")
    if trouble := QUALITY.trouble(quality):
        raise reader.error(trouble)
    if unit.type == INTRA:
        return Intra(time, quality, _tiles(reader, header.picture(quality)), unit.offset)
    if header.inter_model == NO_MODEL:
        raise reader.error("the header names no model for inter frames")
    hash = reader.unsigned(HASH_BYTES, "its hash")
    return Inter(time, quality, hash, reader.take(reader.left, "its code"), unit.offset)


def _tiles(reader: Reader, header: PictureHeader) -> tuple[Tile, ...]:
    if reader.left < header.tile_count * MIN_TILE_BYTES:
        raise reader.error(
            f"the frame is cut short: {header.width}x{header.height} pixels are"
            f" {header.tile_count} tiles and need at least {header.tile_count * MIN_TILE_BYTES}"
            f" bytes, {reader.left} left"
        )
    return tuple(_tile(reader, index) for index in range(header.tile_count))


def _tile(reader: Reader, index: int) -> Tile:
    start = reader.offset
    type = reader.unsigned(1, f"tile {index}")
    if type not in TILE_KINDS:
        raise reader.error(f"tile {index} is of type 0x{type:02x}, which is not known", start)
    size = reader.varint(f"the length of tile {index}")
    hash = reader.unsigned(HASH_BYTES, f"the hash of tile {index}")
    return Tile(hash, reader.take(size, f"tile {index}"), type, reader.base + start)

"""The header of a `.fci` file: by one table, `FIELDS`, it is read, checked, written and shown.

magic  version  kind | the fields of the table | CRC-32 of all that
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowcodec.bitstream.numbers import (
    CRC_BYTES,
    Reader,
    pack_unsigned,
    pack_varint,
    running_crc,
)
from flowcodec.errors import FormatError, UsageError

MAGIC = b"\xfcFC"
VERSION = 1
PICTURE_KIND = 1
MODEL_NAMES = {1: "image-cnn"}  # a code is never given to another model

TILE_STEP = 64  # pixels
DEFAULT_TILE = 16  # steps: 1024 pixels
LOSSLESS_PSNR = 65535

MAX_SIDE = 2**20  # pixels
MAX_TILE_PIXELS = 2**22

HASH_BYTES = 4
UNIT = "header"


class TileBox(NamedTuple):
    """Where a tile lies in the picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class PictureHeader:
    """What a `.fci` file says before its units; ranges stand in `FIELDS`.

    `prior_hash` and `weights_hash` are the first 4 bytes of the SHA-256 of the integer prior and
    of all weights. `quality` counts thousandths, `psnr` hundredths of a dB of the encoder's own
    reconstruction (65535: it is exact), `tile` the side of a tile in steps of 64 pixels. The
    picture is cut into tiles row by row from its top left corner; the last of a row or column are
    smaller.
    """

    model: int
    prior_hash: bytes
    weights_hash: bytes
    width: int
    height: int
    gray: bool
    alpha: bool
    quality: int
    psnr: int
    tile: int = DEFAULT_TILE

    @property
    def flags(self) -> int:
        """`gray` and `alpha` as they stand in the file."""
        return self.gray | self.alpha << 1

    @property
    def tile_side(self) -> int:
        """Side of a full tile in pixels."""
        return self.tile * TILE_STEP

    @property
    def tile_rows(self) -> int:
        """Tiles from top to bottom."""
        return -(-self.height // self.tile_side)

    @property
    def tile_columns(self) -> int:
        """Tiles from left to right."""
        return -(-self.width // self.tile_side)

    @property
    def tile_count(self) -> int:
        """Tiles of the whole picture."""
        return self.tile_rows * self.tile_columns

    def tile_box(self, index: int) -> TileBox:
        """Where tile `index` (from 0, row by row) lies."""
        row, column = divmod(index, self.tile_columns)
        top, left = row * self.tile_side, column * self.tile_side
        return TileBox(
            top,
            left,
            min(self.tile_side, self.height - top),
            min(self.tile_side, self.width - left),
        )


@dataclass(frozen=True)
class Wire:
    """How one kind of value stands in the file."""

    name: str
    read: Callable[[Reader, str], Any]
    write: Callable[[Any], bytes]


U8 = Wire(
    "u8", lambda reader, what: reader.unsigned(1, what), lambda value: pack_unsigned(value, 1)
)
U16 = Wire(
    "u16", lambda reader, what: reader.unsigned(2, what), lambda value: pack_unsigned(value, 2)
)
VARINT = Wire("varint", Reader.varint, pack_varint)
HASH = Wire(f"{HASH_BYTES} bytes", lambda reader, what: reader.take(HASH_BYTES, what), bytes)


@dataclass(frozen=True)
class Field:
    """One row of the header: `allowed` is None where every value of the wire form is."""

    name: str
    wire: Wire
    allowed: Collection[int] | None
    meaning: str
    show: Callable[[Any], str]

    def trouble(self, value: Any) -> str | None:
        """What is wrong with `value`, in words, or None."""
        if self.wire is HASH and len(value) != HASH_BYTES:
            return f"{self.name} has {len(value)} bytes, not {HASH_BYTES}"
        if self.allowed is None or value in self.allowed:
            return None
        if isinstance(self.allowed, range):
            return f"{self.name} is {value}, allowed are {self.allowed_text}"
        return f"{self.name} {value} is not known: a newer flowcodec may read the file"

    @property
    def allowed_text(self) -> str:
        """The allowed values in words."""
        if self.allowed is None:
            return "any"
        if isinstance(self.allowed, range):
            return f"{self.allowed[0]} to {self.allowed[-1]}"
        return ", ".join(str(value) for value in self.allowed)


def _show_flags(flags: int) -> str:
    return ("gray" if flags & 1 else "RGB") + (" with alpha" if flags & 2 else "")


def _show_psnr(psnr: int) -> str:
    return "exact" if psnr == LOSSLESS_PSNR else f"{psnr / 100:.2f} dB"


FIELDS = (
    Field("model", U8, tuple(MODEL_NAMES), "code of the model", MODEL_NAMES.__getitem__),
    Field("prior_hash", HASH, None, "SHA-256 of the integer prior, its first 4 bytes", bytes.hex),
    Field("weights_hash", HASH, None, "SHA-256 of all weights, its first 4 bytes", bytes.hex),
    Field("width", VARINT, range(1, MAX_SIDE + 1), "pixels", "{} pixels".format),
    Field("height", VARINT, range(1, MAX_SIDE + 1), "pixels", "{} pixels".format),
    Field(
        "flags", U8, range(4), "1: gray instead of RGB; 2: has alpha; both may be set", _show_flags
    ),
    Field(
        "quality",
        U16,
        range(1000, 8001),
        "thousandths: 4000 is quality 4",
        lambda quality: f"{quality / 1000:g}",
    ),
    Field(
        "psnr",
        U16,
        range(2**16),
        "hundredths of a dB over all samples of the encoder's own picture; 65535: it is exact",
        _show_psnr,
    ),
    Field(
        "tile",
        U8,
        range(1, 256),
        "side of a tile in steps of 64 pixels",
        lambda tile: f"{tile * TILE_STEP} pixels",
    ),
)


def pack_header(header: PictureHeader) -> bytes:
    """The header's bytes, checksum included; UsageError names a field outside its range."""
    for field in FIELDS:
        trouble = field.trouble(getattr(header, field.name))
        if trouble:
            raise UsageError(f"cannot write the header: {trouble}")
    if trouble := _tile_trouble(header):
        raise UsageError(f"cannot write the header: {trouble}")
    data = MAGIC + pack_unsigned(VERSION, 1) + pack_unsigned(PICTURE_KIND, 1)
    data += b"".join(field.wire.write(getattr(header, field.name)) for field in FIELDS)
    return data + pack_unsigned(running_crc(data), CRC_BYTES)


def parse_header(data: bytes) -> tuple[PictureHeader, int]:
    """The header at the front of `data` and its size in bytes.

    FormatError if `data` is no flowcodec picture, of another version or damaged. The checksum is
    compared before any value is judged, so a complaint about a value is no damage.
    """
    reader = Reader(data, 0, UNIT)
    _check_start(reader)
    values: dict[str, Any] = {}
    offsets: dict[str, int] = {}
    for field in FIELDS:
        offsets[field.name] = reader.offset
        values[field.name] = field.wire.read(reader, field.name)
    end = reader.offset
    if reader.unsigned(CRC_BYTES, "the checksum") != running_crc(data[:end]):
        raise FormatError("the header is damaged: its checksum does not match", offset=0, unit=UNIT)
    for field in FIELDS:
        if trouble := field.trouble(values[field.name]):
            raise reader.error(trouble, offsets[field.name])
    flags = values.pop("flags")
    header = PictureHeader(**values, gray=bool(flags & 1), alpha=bool(flags & 2))
    if trouble := _tile_trouble(header):
        raise reader.error(trouble, offsets["tile"])
    return header, reader.offset


def describe_header(header: PictureHeader) -> list[tuple[str, str]]:
    """Name and value of each field, for people, in the order of the file."""
    return [(field.name, field.show(getattr(header, field.name))) for field in FIELDS]


def _check_start(reader: Reader) -> None:
    start = reader.data[: len(MAGIC)]
    if start != MAGIC:
        found = f"it starts with {start.hex(' ')}" if start else "it is empty"
        raise reader.error(f"this is not a flowcodec file: {found}, not {MAGIC.hex(' ')}")
    reader.offset = len(MAGIC)
    version = reader.unsigned(1, "the version")
    if version != VERSION:
        raise reader.error(
            f"format version {version} is not known, this flowcodec reads version {VERSION}:"
            " a newer flowcodec may read the file",
            len(MAGIC),
        )
    kind = reader.unsigned(1, "the kind")
    if kind != PICTURE_KIND:
        raise reader.error(f"kind {kind} is not a picture ({PICTURE_KIND})", len(MAGIC) + 1)


def _tile_trouble(header: PictureHeader) -> str | None:
    box = header.tile_box(0)
    if box.height * box.width <= MAX_TILE_PIXELS:
        return None
    return (
        f"a tile of {box.width}x{box.height} pixels is too large, at most {MAX_TILE_PIXELS} are"
        " allowed: use smaller tiles"
    )

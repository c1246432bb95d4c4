"""The header of a `.fci` file; `FIELDS` is its table."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from flowcodec.bitstream.fields import (
    HASH,
    MAGIC,
    PSNR,
    QUALITY,
    U8,
    VARINT,
    VERSION,
    Field,
    cannot_write,
    describe_fields,
    pack_fields,
    pack_start,
    read_fields,
    read_start,
)
from flowcodec.bitstream.numbers import Reader

__all__ = [
    "DEFAULT_TILE",
    "FIELDS",
    "MAGIC",
    "MAX_SIDE",
    "MAX_TILE_PIXELS",
    "TILE_STEP",
    "VERSION",
    "PictureHeader",
    "TileBox",
    "describe_header",
    "pack_header",
    "parse_header",
]

PICTURE_KIND = 1

TILE_STEP = 64  # pixels
DEFAULT_TILE = 16  # steps: 1024 pixels

MAX_SIDE = 2**20  # pixels
MAX_TILE_PIXELS = 2**22

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


def _show_flags(flags: int) -> str:
    return ("gray" if flags & 1 else "RGB") + (" with alpha" if flags & 2 else "")


MODEL = Field("model", U8, range(1, 2**8), "code of the model")
PRIOR_HASH = Field(
    "prior_hash", HASH, None, "SHA-256 of the integer prior, its first 4 bytes", bytes.hex
)
WEIGHTS_HASH = Field(
    "weights_hash", HASH, None, "SHA-256 of all weights, its first 4 bytes", bytes.hex
)
WIDTH = Field("width", VARINT, range(1, MAX_SIDE + 1), "pixels", "{} pixels".format)
HEIGHT = Field("height", VARINT, range(1, MAX_SIDE + 1), "pixels", "{} pixels".format)

FIELDS = (
    MODEL,
    PRIOR_HASH,
    WEIGHTS_HASH,
    WIDTH,
    HEIGHT,
    Field(
        "flags", U8, range(4), "1: gray instead of RGB; 2: has alpha; both may be set", _show_flags
    ),
    QUALITY,
    PSNR,
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
    data = pack_fields("the header", pack_start(PICTURE_KIND), FIELDS, _values(header))
    if trouble := _tile_trouble(header):
        raise cannot_write("the header", trouble)
    return data


def parse_header(data: bytes) -> tuple[PictureHeader, int]:
    """The header at the front of `data` and its size in bytes.

    FormatError if `data` is no flowcodec picture, of another version or damaged. The checksum is
    compared before any value is judged, so a complaint about a value is no damage.
    """
    reader = Reader(data, 0, UNIT)
    read_start(reader, PICTURE_KIND)
    values, offsets = read_fields(reader, FIELDS)
    flags = values.pop("flags")
    header = PictureHeader(**values, gray=bool(flags & 1), alpha=bool(flags & 2))
    if trouble := _tile_trouble(header):
        raise reader.error(trouble, offsets["tile"])
    return header, reader.offset


def describe_header(header: PictureHeader) -> list[tuple[str, str]]:
    """Name and value of each field, for people, in the order of the file."""
    return describe_fields(FIELDS, _values(header))


def _values(header: PictureHeader) -> dict[str, Any]:
    return {field.name: getattr(header, field.name) for field in FIELDS}


def _tile_trouble(header: PictureHeader) -> str | None:
    box = header.tile_box(0)
    if box.height * box.width <= MAX_TILE_PIXELS:
        return None
    return (
        f"a tile of {box.width}x{box.height} pixels is too large, at most {MAX_TILE_PIXELS} are"
        " allowed: use smaller tiles"
    )

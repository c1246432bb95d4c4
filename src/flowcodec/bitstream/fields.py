"""Tables of fields: by one table a header is read, checked, written and shown.

Every file begins with

    magic  version  kind | the fields that the table of its kind lists | CRC-32 of all that
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowcodec.bitstream.numbers import (
    CRC_BYTES,
    TICKS,
    VARINT_MAX,
    Reader,
    pack_signed,
    pack_unsigned,
    pack_varint,
    running_crc,
)
from flowcodec.errors import UsageError

MAGIC = b"\xfcFC"
VERSION = 1
KINDS = {1: "picture", 2: "video"}
START_BYTES = len(MAGIC) + 2

HASH_BYTES = 4
LOSSLESS_PSNR = 65535
MAX_GROUP_FRAMES = 2**16


def _no_trouble(value: Any) -> str | None:
    return None


@dataclass(frozen=True)
class Wire:
    """How one kind of value stands in the file; `trouble` says what no field may hold."""

    name: str
    read: Callable[[Reader, str], Any]
    write: Callable[[Any], bytes]
    trouble: Callable[[Any], str | None] = _no_trouble


def _hash_trouble(value: bytes) -> str | None:
    return None if len(value) == HASH_BYTES else f"has {len(value)} bytes, not {HASH_BYTES}"


def _ratio_trouble(value: tuple[int, int]) -> str | None:
    if not all(1 <= part <= VARINT_MAX for part in value):
        return f"is {value[0]}/{value[1]}, both numbers must be 1 to {VARINT_MAX}"
    return None if math.gcd(*value) == 1 else f"is {value[0]}/{value[1]}, not in lowest terms"


U8 = Wire(
    "u8", lambda reader, what: reader.unsigned(1, what), lambda value: pack_unsigned(value, 1)
)
U16 = Wire(
    "u16", lambda reader, what: reader.unsigned(2, what), lambda value: pack_unsigned(value, 2)
)
VARINT = Wire("varint", Reader.varint, pack_varint)
SIGNED = Wire("signed", Reader.signed, pack_signed)
HASH = Wire(
    f"{HASH_BYTES} bytes", lambda reader, what: reader.take(HASH_BYTES, what), bytes, _hash_trouble
)
RATIO = Wire(
    "ratio",
    lambda reader, what: (reader.varint(what), reader.varint(what)),
    lambda value: pack_varint(value[0]) + pack_varint(value[1]),
    _ratio_trouble,
)


@dataclass(frozen=True)
class Field:
    """One row of a table: `allowed` is None where every value of the wire form is."""

    name: str
    wire: Wire
    allowed: Collection[int] | None
    meaning: str
    show: Callable[[Any], str] = str

    def trouble(self, value: Any) -> str | None:
        """What is wrong with `value`, in words, or None."""
        if wrong := self.wire.trouble(value):
            return f"{self.name} {wrong}"
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


def stored_psnr(psnr: float) -> int:
    """A PSNR in dB as files have it; infinite: exact."""
    return LOSSLESS_PSNR if math.isinf(psnr) else min(round(psnr * 100), LOSSLESS_PSNR - 1)


def read_psnr(stored: int) -> float:
    """The PSNR in dB that a file has, infinite where that is exact."""
    return math.inf if stored == LOSSLESS_PSNR else stored / 100


def _show_psnr(stored: int) -> str:
    psnr = read_psnr(stored)
    return f"{psnr:.2f} dB" if math.isfinite(psnr) else "exact"


QUALITY = Field(
    "quality",
    U16,
    range(1000, 8001),
    "thousandths: 4000 is quality 4",
    lambda quality: f"{quality / 1000:g}",
)
PSNR = Field(
    "psnr",
    U16,
    range(2**16),
    "hundredths of a dB of the encoder's own picture, over what is seen; 65535: that is exact",
    _show_psnr,
)
TIME = Field("time", SIGNED, TICKS, "ticks")


def pack_start(kind: int) -> bytes:
    """How a file of this kind begins."""
    return MAGIC + pack_unsigned(VERSION, 1) + pack_unsigned(kind, 1)


def read_kind(reader: Reader) -> int:
    """Take the start of a file; FormatError if it is none of ours or of an unknown version."""
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
    return reader.unsigned(1, "the kind")


def read_start(reader: Reader, kind: int) -> None:
    """Take the start of a file that must be of this kind."""
    found = read_kind(reader)
    if found != kind:
        raise reader.error(f"kind {found} is not a {KINDS[kind]} ({kind})", len(MAGIC) + 1)


def pack_fields(
    what: str, start: bytes, fields: Sequence[Field], values: Mapping[str, Any], seed: int = 0
) -> bytes:
    """`start`, the fields, and a checksum that continues `seed` with both.

    UsageError names `what` and the field that is outside its range.
    """
    for field in fields:
        if trouble := field.trouble(values[field.name]):
            raise cannot_write(what, trouble)
    data = start + b"".join(field.wire.write(values[field.name]) for field in fields)
    return data + pack_unsigned(running_crc(data, seed), CRC_BYTES)


def cannot_write(what: str, trouble: str) -> UsageError:
    """The error for a header that would not be read again."""
    return UsageError(f"cannot write {what}: {trouble}")


def read_fields(
    reader: Reader, fields: Sequence[Field], seed: int = 0
) -> tuple[dict[str, Any], dict[str, int]]:
    """Values and offsets of fields, from a reader that has taken only what stands before them.

    The checksum, over all of the reader's data up to here, is compared before any value is
    judged, so a complaint about a value is no damage.
    """
    values: dict[str, Any] = {}
    offsets: dict[str, int] = {}
    for field in fields:
        offsets[field.name] = reader.offset
        values[field.name] = field.wire.read(reader, field.name)
    end = reader.offset
    if reader.unsigned(CRC_BYTES, "the checksum") != running_crc(reader.data[:end], seed):
        raise reader.error("the header is damaged: its checksum does not match", 0)
    for field in fields:
        if trouble := field.trouble(values[field.name]):
            raise reader.error(trouble, offsets[field.name])
    return values, offsets


def describe_fields(fields: Sequence[Field], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each field, for people, in the order of the file."""
    return [(field.name, field.show(values[field.name])) for field in fields]


def file_kind(start: bytes) -> str:
    """What a file is that begins with these (at least 5) bytes: "picture" or "video".

    FormatError if it is no flowcodec file, or one of a version or kind that is not known.
    """
    reader = Reader(start, 0, "header")
    kind = read_kind(reader)
    if kind not in KINDS:
        raise reader.error(
            f"kind {kind} is not known: a newer flowcodec may read the file", len(MAGIC) + 1
        )
    return KINDS[kind]

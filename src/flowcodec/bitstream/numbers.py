"""Numbers and checksums as SPEC.md section 1 defines them, and reading that checks what is left."""

import zlib

from flowcodec.errors import FormatError

CRC_BYTES = 4
VARINT_BITS = 32
VARINT_MAX = 2**VARINT_BITS - 1
LONG_BITS = 63
TICKS = range(-(2 ** (LONG_BITS - 1)), 2 ** (LONG_BITS - 1))  # what a signed number can be
_MOST_BYTES = {VARINT_BITS: "five", LONG_BITS: "nine"}


def pack_unsigned(value: int, size: int) -> bytes:
    """`value` in `size` bytes, the lowest first."""
    return value.to_bytes(size, "little")


def unpack_unsigned(data: bytes) -> int:
    """The number that `pack_unsigned` wrote."""
    return int.from_bytes(data, "little")


def pack_varint(value: int) -> bytes:
    """`value` (from 0) in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def pack_signed(value: int) -> bytes:
    """`value` (one of TICKS): twice itself as a varint, or one less than twice its opposite."""
    return pack_varint(2 * value if value >= 0 else -2 * value - 1)


def running_crc(data: bytes, before: int = 0) -> int:
    """CRC-32 of everything that gave the checksum `before`, followed by `data`."""
    return zlib.crc32(data, before)


class Reader:
    """Takes bytes from the front of `data` and never more than there are.

    `offset` is the position of the next byte and `unit` the name that errors carry. `base` is
    where in the file `data` begins, and `whole` what ends with it.
    """

    def __init__(self, data: bytes, offset: int, unit: str, base: int = 0, whole: str = "file"):
        self.data = data
        self.offset = offset
        self.unit = unit
        self.base = base
        self.whole = whole

    @property
    def left(self) -> int:
        """Bytes that have not been taken."""
        return len(self.data) - self.offset

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes; FormatError if the data end before."""
        if size > self.left:
            raise self.error(
                f"the {self.whole} is cut short: {what} needs {size} bytes, {self.left} left"
            )
        start = self.offset
        self.offset += size
        return self.data[start : self.offset]

    def unsigned(self, size: int, what: str) -> int:
        """The next `size` bytes as a number, the lowest first."""
        return unpack_unsigned(self.take(size, what))

    def varint(self, what: str, bits: int = VARINT_BITS) -> int:
        """The next varint; FormatError if it passes `bits` or is longer than it need be."""
        start = self.offset
        value = shift = 0
        while True:
            group = self.unsigned(1, what)
            value |= (group & 0x7F) << shift
            shift += 7
            if group < 0x80:
                break
            if shift >= bits:
                raise self.error(f"{what} is longer than {_MOST_BYTES[bits]} bytes", start)
        if value >> bits:
            raise self.error(f"{what} is above {2**bits - 1}", start)
        if group == 0 and shift > 7:
            raise self.error(f"{what} is padded with zero bits", start)
        return value

    def signed(self, what: str) -> int:
        """The number that `pack_signed` wrote."""
        value = self.varint(what, LONG_BITS)
        return -(value + 1 >> 1) if value & 1 else value >> 1

    def error(self, message: str, offset: int | None = None) -> FormatError:
        """An error at `offset` in the data, or at the next byte."""
        place = self.offset if offset is None else offset
        return FormatError(message, offset=self.base + place, unit=self.unit)

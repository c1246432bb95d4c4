"""Picture files put together by hand, for depths and damage that no encoder at hand writes."""

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

GRAY, RGB, PALETTE, GRAY_ALPHA = 0, 2, 3, 4


def png(
    width: int,
    height: int,
    depth: int,
    colour: int,
    rows: bytes,
    chunks: Iterable[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG file; `rows` are the packed samples of all rows, without filter bytes."""
    stride = len(rows) // height
    lines = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in body)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(
    samples: NDArray,
    photometric: int | None,
    bits: int,
    sample_format: int = 1,
    *,
    order: str = "<",
    big: bool = False,
    planar: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    compression: int = 1,
    encode: Callable[[bytes], bytes] = bytes,
    predictor: int = 1,
    tags: Iterable[tuple[int, int, Sequence[int] | bytes]] = (),
    after: int = 0,
) -> bytes:
    """A TIFF file of (H, W, C) samples of `bits` bits each, floats or codes of these bits.

    `tile` is columns and rows, `rows` those of a strip; `encode` compresses one of them. `tags`
    are more of them (tag, type, values), or others in place of those written here. `after` is
    where the next directory is.
    """
    height, width, channels = samples.shape
    columns, lines = tile or (width, rows or height)
    segments = []
    for plane in np.moveaxis(samples, 2, 0)[..., None] if planar else [samples]:
        for top in range(0, height, lines):
            for left in range(0, width, columns):
                part = plane[top : top + lines, left : left + columns]
                if tile:
                    missing = lines - part.shape[0], columns - part.shape[1]
                    part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
                segments.append(encode(_packed(part, bits, order, predictor)))
    places, counts = (324, 325) if tile else (273, 279)
    own = [
        (256, _LONG, [width]),
        (257, _LONG, [height]),
        (258, _SHORT, [bits] * channels),
        (259, _SHORT, [compression]),
        (277, _SHORT, [channels]),
        (284, _SHORT, [2 if planar else 1]),
        (339, _SHORT, [sample_format] * channels),
        (counts, _LONG, [len(segment) for segment in segments]),
    ]
    own += [(262, _SHORT, [photometric])] if photometric is not None else []
    own += [(317, _SHORT, [predictor])] if predictor != 1 else []
    own += [(322, _LONG, [columns]), (323, _LONG, [lines])] if tile else [(278, _LONG, [lines])]
    body = b"\0" * (16 if big else 8)
    offsets = []
    for segment in segments:
        offsets.append(len(body))
        body += segment + b"\0" * (len(segment) % 2)
    own.append((places, _LONG, offsets))
    return _directory(body, {row[0]: row for row in [*own, *tags]}, order, big, after)


_SHORT, _LONG = 3, 4
_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B", 11: "f", 12: "d", 16: "Q"}


def _directory(body: bytes, entries: dict, order: str, big: bool, after: int) -> bytes:
    """`body`, its first bytes replaced by the head of a TIFF file, and a directory behind it."""
    word, room = ("Q", 8) if big else ("I", 4)
    listed = struct.pack(order + ("Q" if big else "H"), len(entries))
    for tag, kind, values in sorted(entries.values()):
        data = struct.pack(f"{order}{len(values)}{_FORMS[kind]}", *values)
        count = len(values) // 2 if kind == 5 else len(values)
        listed += struct.pack(f"{order}HH{word}", tag, kind, count)
        if len(data) > room:
            listed += struct.pack(order + word, len(body))
            body += data + b"\0" * (len(data) % 2)
        else:
            listed += data.ljust(room, b"\0")
    mark = b"II" if order == "<" else b"MM"
    numbers = struct.pack(f"{order}HHHQ", 43, 8, 0, len(body)) if big else b""
    head = mark + (numbers or struct.pack(f"{order}HI", 42, len(body)))
    return head + body[len(head) :] + listed + struct.pack(order + word, after)


def _packed(part: NDArray, bits: int, order: str, predictor: int) -> bytes:
    """The bytes of a strip or tile before compression."""
    height, width, channels = part.shape
    if bits % 8:
        digits = (part[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        return np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    if predictor == 2:
        codes = part.view(f"u{bits // 8}")
        part = np.diff(codes, axis=1, prepend=codes[:, :1] * 0)
    if predictor == 3:
        parts = part.astype(f">f{bits // 8}").view(np.uint8).reshape(height, -1, bits // 8)
        planes = parts.swapaxes(1, 2).reshape(height, -1, channels)
        return np.diff(planes, axis=1, prepend=planes[:, :1] * 0).tobytes()
    return part.astype(part.dtype.newbyteorder(order)).tobytes()


def cmyk_profile(
    inks: dict[tuple[int, ...], tuple[int, int, int]], others: tuple[int, int, int]
) -> bytes:
    """An ICC profile for CMYK: L*, a*, b* of each full-ink corner in `inks`, else `others`."""
    corners = [tuple(index >> shift & 1 for shift in (3, 2, 1, 0)) for index in range(16)]
    lab = [inks.get(corner, others) for corner in corners]
    table = b"".join(bytes([round(L * 255 / 100), a + 128, b + 128]) for L, a, b in lab)
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *[0x10000 * (i % 4 == 0) for i in range(9)])
    grid = 2
    lut = b"mft1" + struct.pack(">4xBBBx", 4, 3, grid) + matrix + ramp * 4 + table + ramp * 3
    start = 128 + 4 + 12
    body = struct.pack(">I4sII", 1, b"A2B0", start, len(lut)) + lut
    header = struct.pack(
        ">I4xI4s4s4s12x4s28xIII48x",
        128 + len(body),
        0x02400000,
        b"prtr",
        b"CMYK",
        b"Lab ",
        b"acsp",
        0xF6D6,
        0x10000,
        0xD32D,
    )
    return header + body


def directory(order: str, start: int, entries: Iterable[tuple[int, int, int, bytes]]) -> bytes:
    """A directory of TIFF at `start`: (tag, type, count, values) each; "<" or ">" is the order."""
    entries = list(entries)
    table, values = struct.pack(f"{order}H", len(entries)), b""
    behind = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, data in entries:
        place = data.ljust(4, b"\0")
        if len(data) > 4:
            place = struct.pack(f"{order}I", behind + len(values))
            values += data + b"\0" * (len(data) % 2)
        table += struct.pack(f"{order}HHI", tag, kind, count) + place
    return table + bytes(4) + values


def exif(orientation: int, order: str = "<") -> bytes:
    """EXIF of a maker, an exposure time and a place, bare."""

    def longs(*values: int) -> bytes:
        return struct.pack(f"{order}{len(values)}I", *values)

    photo = [(0x829A, 5, 1, longs(1, 100)), (0x927C, 7, 12, b"maker's note")]
    place = [(1, 2, 2, b"N\0"), (2, 5, 3, longs(47, 1, 30, 1, 0, 1))]
    size = len(directory(order, 8, [(0x010F, 2, 6, b"Maker\0"), *[(0, 4, 1, longs(0))] * 3]))
    places = [8 + size, 8 + size + len(directory(order, 0, photo))]
    root = [
        (0x010F, 2, 6, b"Maker\0"),
        (0x0112, 3, 1, struct.pack(f"{order}H", orientation)),
        (0x8769, 4, 1, longs(places[0])),
        (0x8825, 4, 1, longs(places[1])),
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    parts = zip((8, *places), (root, photo, place), strict=True)
    return mark + longs(8) + b"".join(directory(order, start, part) for start, part in parts)


def jpeg_segment(marker: int, body: bytes, size: int | None = None) -> bytes:
    """A segment of JPEG; `size` is what it says of its length, if not the truth."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2 if size is None else size) + body


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of WebP."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_with(file: bytes, chunks: Iterable[bytes], width: int, height: int, flags: int) -> bytes:
    """A simple WebP file, extended by chunks behind the picture."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sizes) + file[12:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body

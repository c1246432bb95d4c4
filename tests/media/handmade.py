"""Picture files put together by hand, for depths and damage that no encoder at hand writes."""

import struct
import zlib
from collections.abc import Iterable

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


def tiff(samples: NDArray, photometric: int, bits: int, sample_format: int = 1) -> bytes:
    """An uncompressed little-endian TIFF file of (H, W, C) samples of `bits` bits."""
    height, width, channels = samples.shape
    data = np.ascontiguousarray(samples).tobytes()
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, bits),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
        (339, 3, channels, sample_format),
    ]
    # Values that do not fit into four bytes stand behind the samples.
    padding = b"\0" * (len(data) % 2)
    extra, entries = b"", b""
    for tag, kind, count, value in tags:
        if count > 2:
            place = struct.pack("<I", 8 + len(data) + len(padding) + len(extra))
            extra += struct.pack(f"<{count}H", *[value] * count) + b"\0" * (count % 2 * 2)
        else:
            place = struct.pack("<HH", *[value] * 2) if kind == 3 else struct.pack("<I", value)
        entries += struct.pack("<HHI", tag, kind, count) + place
    directory = 8 + len(data) + len(padding) + len(extra)
    head = b"II*\0" + struct.pack("<I", directory)
    return head + data + padding + extra + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"


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

"""SPEC.md says what the code does: its header table and its example are compared with it."""

import re
from pathlib import Path

from flowcodec import bitstream
from flowcodec.bitstream.header import FIELDS, MAX_TILE_PIXELS
from flowcodec.bitstream.picture_file import Tile, pack_picture, parse_picture
from flowcodec.bitstream.units import (
    ALPHA,
    EXIF,
    ICC,
    LEARNED,
    LOSSLESS,
    MATTE,
    PLAIN,
    UNIT_NAMES,
    XMP,
)
from flowcodec.codecs.systems import SYSTEMS

SPEC = Path(bitstream.__file__).with_name("SPEC.md").read_text("utf-8")


def rows_between(first: str, last: str) -> list[str]:
    """The lines of the table that lie between two given lines."""
    lines = SPEC.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith(last))
    return lines[start + 1 : end]


def test_header_table_is_the_one_that_is_read_and_written():
    table = [f"| {f.name} | {f.wire.name} | {f.allowed_text} | {f.meaning} |" for f in FIELDS]
    assert rows_between("| kind |", "| crc |") == table


def test_models_are_listed():
    for row in SYSTEMS.values():
        assert row.kind != "picture" or f"{row.code} is `{row.name}`" in SPEC


def test_unit_types_are_listed_in_the_order_of_the_file():
    rows = re.findall(r"^\| 0x(\w\w) \| (\w+) \|", SPEC, re.MULTILINE)
    assert [(int(type_, 16), name) for type_, name in rows] == [
        (type_, UNIT_NAMES[type_])
        for type_ in (ICC, EXIF, XMP, ALPHA, MATTE, LEARNED, PLAIN, LOSSLESS)
    ]


def test_tile_limit_is_stated():
    assert f"≤ {MAX_TILE_PIXELS}." in SPEC


def test_example_is_a_file_of_this_format():
    dump = SPEC.split("## 7.")[1].split("```")[1]
    pairs = re.findall(r"^((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)", dump, re.MULTILINE)
    example = bytes.fromhex(" ".join(pairs))

    file = parse_picture(example)
    assert (file.header.width, file.header.height) == (300, 2)
    assert file.exif == b"II*\0\x08" + bytes(9)
    assert file.tiles == [Tile(0x11223344, b"\xc0\xff\xee", LEARNED, offset=47)]
    assert pack_picture(file.header, file.tiles, exif=file.exif) == example

"""A .fci file: what is packed is parsed, and whatever else arrives is refused with its place."""

import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.bitstream.header import pack_header
from flowcodec.bitstream.picture_file import Tile, pack_picture, parse_picture
from flowcodec.bitstream.units import (
    ALPHA,
    EXIF,
    ICC,
    LEARNED,
    LOSSLESS,
    MATTE,
    PLAIN,
    SKIP_BIT,
    TILE_KINDS,
    UNIT_NAMES,
    XMP,
    pack_unit,
)
from flowcodec.errors import FormatError, UsageError
from tests.bitstream.samples import HEADER, headers, mend_checksums

TWO_TILES = replace(HEADER, width=100, height=50, alpha=True, tile=1)
SAMPLE_TILES = [
    Tile(0x01020304, b"first tile"),
    Tile(0xA0B0C0D0, b"second, longer tile" * 8, PLAIN),
]
SAMPLE_PARTS = {"alpha": b"alpha", "icc": b"icc", "exif": b"exif", "xmp": b"<xmp>"}
SAMPLE = pack_picture(TWO_TILES, SAMPLE_TILES, **SAMPLE_PARTS)


def build(header, units):
    """A file of any units in any order, with the checksums that such a file would have."""
    data = pack_header(header)
    crc = int.from_bytes(data[-4:], "little")
    for type_, payload in units:
        unit, crc = pack_unit(type_, payload, crc)
        data += unit
    return data


def tile(data=b"tile", kind=LEARNED):
    return kind, b"\1\2\3\4" + data


@given(st.data())
def test_every_file_comes_back(data):
    header = data.draw(headers(max_tiles=3))
    count = header.tile_count
    hashes, codes = st.integers(0, 2**32 - 1), st.binary(max_size=300)
    tile_values = st.builds(Tile, hashes, codes, st.sampled_from(list(TILE_KINDS)))
    tiles = data.draw(st.lists(tile_values, min_size=count, max_size=count))
    alpha = data.draw(st.binary(max_size=200)) if header.alpha else None
    icc, exif, xmp = (data.draw(st.none() | st.binary(max_size=200)) for _ in range(3))

    planes = {data.draw(st.sampled_from(["alpha", "matte"])): alpha}
    packed = pack_picture(header, tiles, icc=icc, exif=exif, xmp=xmp, **planes)
    file = parse_picture(packed)

    assert file.header == header
    assert [replace(tile, offset=0) for tile in file.tiles] == tiles
    assert (file.icc, file.exif, file.xmp) == (icc, exif, xmp)
    assert [file.alpha, file.matte] == [planes.get(name) for name in ("alpha", "matte")]
    assert sum(file.parts.values()) == len(packed)
    for tile_ in file.tiles:
        assert packed[tile_.offset] == tile_.type


def test_parts_say_where_the_bytes_went():
    assert parse_picture(SAMPLE).parts == {
        "header": 26,
        "unit frames": 5 * 6 + 7,  # a length from 128 on takes two bytes
        "hashes": 8,
        "icc": 3,
        "exif": 4,
        "xmp": 5,
        "alpha": 5,
        "matte": 0,
        "tiles": 10 + 152,
        "skipped units": 0,
        "after the end": 0,
    }


@pytest.mark.parametrize(("size", "overhead"), [(100, 38), (16_000, 39), (100_000, 40)])
def test_overhead_of_a_kodak_picture(size, overhead):
    assert len(pack_picture(HEADER, [Tile(0, bytes(size))])) == size + overhead


def test_no_cut_file_is_accepted():
    for size in range(len(SAMPLE)):
        with pytest.raises(FormatError):
            parse_picture(SAMPLE[:size])


def test_no_changed_byte_is_accepted():
    for offset in range(len(SAMPLE)):
        for flip in (*(1 << bit for bit in range(8)), 0xFF):
            damaged = bytearray(SAMPLE)
            damaged[offset] ^= flip
            with pytest.raises(FormatError):
                parse_picture(bytes(damaged))


@given(st.integers(0, len(SAMPLE)), st.integers(0, len(SAMPLE)), st.binary(max_size=20))
def test_no_replaced_stretch_is_accepted(start, end, stretch):
    damaged = SAMPLE[:start] + stretch + SAMPLE[end:]
    if not damaged.startswith(SAMPLE):
        with pytest.raises(FormatError):
            parse_picture(damaged)


@given(st.integers(5, len(SAMPLE)), st.integers(0, 3), st.binary(max_size=4))
def test_damage_under_whole_checksums_is_parsed_or_refused(start, dropped, stretch):
    damaged = mend_checksums(SAMPLE[:start] + stretch + SAMPLE[start + dropped :])
    try:
        file = parse_picture(damaged)
    except FormatError as error:
        assert "checksum" not in str(error) or "cut short" in str(error)
    else:
        assert len(file.tiles) == file.header.tile_count
        assert sum(file.parts.values()) == len(damaged)


@given(st.binary(max_size=200))
def test_no_noise_behind_a_header_is_accepted(noise):
    with pytest.raises(FormatError):
        parse_picture(pack_header(HEADER) + noise)


def test_damage_is_reported_for_the_unit_that_has_it():
    start = SAMPLE.index(b"first tile")
    damaged = SAMPLE.replace(b"first tile", b"fiRst tile").replace(b"second", b"Second")
    with pytest.raises(FormatError, match="checksum does not match") as caught:
        parse_picture(damaged)
    assert caught.value.unit == "tile 0"
    assert caught.value.offset == start - 4 - 6


def test_units_are_bound_to_their_place_and_file():
    header = replace(TWO_TILES, alpha=False)
    mine = build(header, [tile(b"a"), tile(b"b")])
    other = build(replace(header, quality=5000), [tile(b"a"), tile(b"b")])
    size = len(mine) - len(pack_header(header))
    first, second = mine[-size : -size // 2], mine[-size // 2 :]

    for units in (second + first, first + first, second + second, other[-size:]):
        with pytest.raises(FormatError, match="do not belong here") as caught:
            parse_picture(mine[:-size] + units)
        assert caught.value.unit in ("tile 0", "tile 1")


@pytest.mark.parametrize(
    ("units", "complaint", "unit"),
    [
        ([(ALPHA, b""), (LEARNED, b""), tile()], "begins with 4 bytes of hash", "tile 0"),
        ([(ALPHA, b""), tile(), (LOSSLESS, b"abc")], "begins with 4 bytes of hash", "tile 1"),
        ([tile(), tile()], "no alpha unit precedes", "tile 0"),
        ([tile(), (ALPHA, b""), tile()], "no alpha unit precedes", "tile 0"),
        ([(ALPHA, b""), (ICC, b""), tile(), tile()], "out of order", "icc"),
        ([(EXIF, b""), (ICC, b""), (ALPHA, b""), tile(), tile()], "out of order", "icc"),
        ([(ALPHA, b""), (ALPHA, b""), tile(), tile()], "repeated", "alpha"),
        ([(MATTE, b""), (MATTE, b""), tile(), tile()], "repeated", "matte"),
        ([(ALPHA, b""), (MATTE, b""), tile(), tile()], "repeated", "matte"),
        ([(MATTE, b""), (ALPHA, b""), tile(), tile()], "repeated", "alpha"),
        ([(MATTE, b""), (EXIF, b""), tile(), tile()], "out of order", "exif"),
        ([(MATTE, b""), tile(), (MATTE, b"")], "out of order", "matte"),
        ([(EXIF, b""), (EXIF, b""), (ALPHA, b""), tile(), tile()], "repeated", "exif"),
        ([(ALPHA, b""), tile(), (EXIF, b""), tile()], "out of order", "exif"),
        ([(XMP, b""), (EXIF, b""), (ALPHA, b""), tile(), tile()], "out of order", "exif"),
        ([(XMP, b""), (XMP, b""), (ALPHA, b""), tile(), tile()], "repeated", "xmp"),
        ([(ALPHA, b"long enough for"), tile()], "1 of 2 tiles", "tile 1"),
    ],
)
def test_wrong_units_are_refused(units, complaint, unit):
    with pytest.raises(FormatError, match=complaint) as caught:
        parse_picture(build(TWO_TILES, units))
    assert caught.value.unit == unit


@pytest.mark.parametrize("more", [b"\n", b"x" * 5000, SAMPLE])
def test_what_follows_the_last_tile_is_passed_over_and_told(more):
    alone, file = parse_picture(SAMPLE), parse_picture(SAMPLE + more)
    assert (file.header, file.tiles, file.exif) == (alone.header, alone.tiles, alone.exif)
    assert file.parts == alone.parts | {"after the end": len(more)}
    assert alone.notes == ()
    assert file.notes == (f"what follows the picture was passed over ({len(more):,} bytes)",)


@pytest.mark.parametrize("plane", [ALPHA, MATTE])
def test_alpha_without_the_flag_is_refused(plane):
    with pytest.raises(FormatError, match="the picture has no alpha"):
        parse_picture(build(HEADER, [(plane, b""), tile()]))


@given(
    st.integers(0, 255).filter(lambda type_: type_ not in UNIT_NAMES),
    st.integers(0, 4),
    st.binary(max_size=50),
)
def test_unknown_units_are_skipped_only_with_the_skip_bit(type_, place, payload):
    units = [(ICC, b"icc"), (EXIF, b"exif"), (ALPHA, b"alpha"), tile(b"0"), tile(b"1")]
    data = build(TWO_TILES, [*units[:place], (type_, payload), *units[place:]])
    if type_ & SKIP_BIT:
        file = parse_picture(data)
        assert (file.icc, file.exif, file.alpha) == (b"icc", b"exif", b"alpha")
        assert [tile.data for tile in file.tiles] == [b"0", b"1"]
        assert file.parts["skipped units"] == len(payload)
    else:
        with pytest.raises(FormatError, match=f"unit type 0x{type_:02x} is not known"):
            parse_picture(data)


def test_damage_in_a_skipped_unit_is_noticed():
    data = build(HEADER, [(SKIP_BIT | 0x3F, b"extra"), tile()])
    with pytest.raises(FormatError, match="checksum does not match") as caught:
        parse_picture(data.replace(b"extra", b"extrA"))
    assert caught.value.unit == "unit 0x7f"


@pytest.mark.parametrize("tile_steps", [1, 16, 32])
def test_a_short_file_that_claims_a_huge_picture_takes_no_memory(tile_steps):
    header = replace(HEADER, width=60_000, height=60_000, tile=tile_steps)
    data = pack_header(header) + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=f"60000x60000 pixels are {header.tile_count} tiles"):
            parse_picture(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_a_claimed_length_takes_no_memory():
    start = bytes([LEARNED]) + b"\xff\xff\xff\xff\x0f"
    data = pack_header(HEADER) + start + bytes(20)
    with pytest.raises(FormatError, match="its payload needs 4294967295 bytes, 16 left") as caught:
        parse_picture(data)
    assert caught.value.unit == "tile 0"


def test_checksums_are_the_crc_of_the_file_without_its_checksums():
    header = pack_header(HEADER)
    unit = build(HEADER, [tile()])[len(header) :]
    covered = header[:-4] + unit[:2] + unit[6:]
    assert int.from_bytes(unit[2:6], "little") == zlib.crc32(covered)


@pytest.mark.parametrize(
    ("header", "tiles", "alpha", "complaint"),
    [
        (HEADER, [], None, "asks for 1 tiles, 0 were given"),
        (HEADER, [Tile(0, b""), Tile(0, b"")], None, "asks for 1 tiles, 2 were given"),
        (HEADER, [Tile(0, b"")], b"", "alpha flag"),
        (replace(HEADER, alpha=True), [Tile(0, b"")], None, "alpha flag"),
        (HEADER, [Tile(2**32, b"")], None, "hash has 32 bits"),
        (replace(HEADER, tile=0), [Tile(0, b"")], None, "tile is 0"),
    ],
)
def test_contradictions_are_not_written(header, tiles, alpha, complaint):
    for name in ("alpha", "matte"):
        with pytest.raises(UsageError, match=complaint):
            pack_picture(header, tiles, **{name: alpha})


@pytest.mark.parametrize("flag", [True, False])
def test_alpha_is_not_written_twice(flag):
    with pytest.raises(UsageError, match="alpha flag"):
        pack_picture(replace(HEADER, alpha=flag), [Tile(0, b"")], alpha=b"a", matte=b"b")

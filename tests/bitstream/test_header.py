"""The header: every value that may be written comes back, every other is named and refused."""

from dataclasses import replace

import pytest
from hypothesis import given

from flowcodec.bitstream.header import describe_header, pack_header, parse_header
from flowcodec.errors import FormatError, UsageError
from tests.bitstream.samples import HEADER, headers, mend_header

PACKED = pack_header(HEADER)


@given(headers())
def test_every_header_comes_back(header):
    data = pack_header(header)
    assert parse_header(data + b"units") == (header, len(data))


@given(headers(max_tiles=4))
def test_tiles_cover_the_picture_without_overlap(header):
    boxes = [header.tile_box(index) for index in range(header.tile_count)]
    assert sum(box.height * box.width for box in boxes) == header.height * header.width
    assert len({(box.top, box.left) for box in boxes}) == len(boxes)
    for box in boxes:
        assert box.top % header.tile_side == box.left % header.tile_side == 0
        assert 1 <= box.height <= min(header.tile_side, header.height - box.top)
        assert 1 <= box.width <= min(header.tile_side, header.width - box.left)


def test_tiles_go_row_by_row():
    header = replace(HEADER, width=150, height=100, tile=1)
    assert [header.tile_box(index) for index in range(header.tile_count)] == [
        (0, 0, 64, 64),
        (0, 64, 64, 64),
        (0, 128, 64, 22),
        (64, 0, 36, 64),
        (64, 64, 36, 64),
        (64, 128, 36, 22),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"model": 0},
        {"model": 256},
        {"prior_hash": b"abc"},
        {"weights_hash": b"abcde"},
        {"width": 0},
        {"height": 2**20 + 1},
        {"quality": 999},
        {"quality": 8001},
        {"psnr": 65536},
        {"psnr": -1},
        {"tile": 0},
        {"tile": 256},
        {"width": 5000, "height": 5000, "tile": 100},
    ],
    ids=str,
)
def test_values_out_of_range_are_not_written(change):
    with pytest.raises(UsageError, match=list(change)[-1]):
        pack_header(replace(HEADER, **change))


@pytest.mark.parametrize(
    ("offset", "value", "complaint"),
    [
        (5, b"\x00", "model is 0, allowed are 1 to 255"),
        (14, b"\x80\x00", "width is padded"),
        (14, b"\xff\xff\xff\xff\x10", "width is above"),
        (14, b"\xff\xff\xff\xff\xff\x01", "width is longer than five bytes"),
        (14, b"\x00", "width is 0, allowed are 1 to 1048576"),
        (16, b"\x81\x80\x40", "height is 1048577, allowed are 1 to 1048576"),
        (18, b"\x04", "flags is 4, allowed are 0 to 3"),
        (19, b"\xe7\x03", "quality is 999, allowed are 1000 to 8000"),
        (23, b"\x00", "tile is 0, allowed are 1 to 255"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_out_of_range_are_refused_where_they_stand(offset, value, complaint):
    old = 2 if offset in (14, 16, 19) else 1
    data = mend_header(PACKED[:offset] + value + PACKED[offset + old : -4])
    with pytest.raises(FormatError, match=complaint) as caught:
        parse_header(data)
    assert (caught.value.unit, caught.value.offset) == ("header", offset)


def test_tiles_too_large_for_memory_are_refused():
    start = pack_header(replace(HEADER, width=16000, height=64, tile=255))[:-4]
    data = mend_header(start.replace(b"\x80\x7d\x40", b"\x80\x7d\x80\x7d"))
    with pytest.raises(FormatError, match="16000x16000 pixels is too large"):
        parse_header(data)


@pytest.mark.parametrize(
    ("data", "complaint", "offset"),
    [
        (b"", "not a flowcodec file: it is empty", 0),
        (b"\x89PNG", "not a flowcodec file: it starts with 89 50 4e", 0),
        (PACKED[:3] + b"\x02" + PACKED[4:], "format version 2 is not known", 3),
        (PACKED[:4] + b"\x02" + PACKED[5:], "kind 2 is not a picture", 4),
    ],
    ids=["empty", "png", "version", "kind"],
)
def test_other_files_are_refused(data, complaint, offset):
    with pytest.raises(FormatError, match=complaint) as caught:
        parse_header(data)
    assert caught.value.offset == offset


def test_description_is_for_people():
    header = replace(HEADER, alpha=True, quality=3500)
    assert dict(describe_header(header)) == {
        "model": "1",
        "prior_hash": "00010203",
        "weights_hash": "fcfdfeff",
        "width": "768 pixels",
        "height": "512 pixels",
        "flags": "RGB with alpha",
        "quality": "3.5",
        "psnr": "32.41 dB",
        "tile": "1024 pixels",
    }
    assert dict(describe_header(replace(HEADER, psnr=65535)))["psnr"] == "exact"

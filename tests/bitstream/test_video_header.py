"""The header of a video: what may be written comes back, all else is named and refused."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given

from flowcodec.bitstream.fields import file_kind
from flowcodec.bitstream.header import pack_header, parse_header
from flowcodec.bitstream.numbers import pack_varint
from flowcodec.bitstream.video_header import (
    MAX_HEADER_BYTES,
    describe_video_header,
    mended_header,
    pack_video_header,
    parse_video_header,
)
from flowcodec.errors import FormatError, UsageError
from tests.bitstream.samples import HEADER, mend_header
from tests.bitstream.video_samples import VIDEO, video_headers

PACKED = pack_video_header(VIDEO)
WIDTH, SAMPLING, FPS = 23, 27, 30
LARGEST = pack_varint(2**32 - 1)


@given(video_headers())
def test_every_header_comes_back(header):
    data = pack_video_header(header)
    assert parse_video_header(data + b"groups") == (header, len(data))
    assert 38 <= len(data) <= 66 <= MAX_HEADER_BYTES


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model": 0}, "model is 0"),
        ({"prior_hash": b"abc"}, "prior_hash has 3 bytes"),
        ({"inter_model": 256}, "inter_model is 256"),
        ({"inter_model": 0}, "its hashes are not zero"),
        ({"width": 0}, "width is 0"),
        ({"height": 2**20 + 1}, "height is 1048577"),
        ({"sampling": "411"}, "sampling 411"),
        ({"matrix": "rgb"}, "matrix rgb"),
        ({"fps": Fraction(0)}, "fps is 0/1"),
        ({"fps": Fraction(-25)}, "fps is -25/1"),
        ({"aspect": Fraction(2**32)}, "aspect is 4294967296/1"),
        ({"time_base": Fraction(1, 2**32)}, "time_base is 1/4294967296"),
    ],
    ids=str,
)
def test_values_out_of_range_are_not_written(change, complaint):
    with pytest.raises(UsageError, match=complaint):
        pack_video_header(replace(VIDEO, **change))


@pytest.mark.parametrize(
    ("offset", "old", "value", "complaint"),
    [
        (14, 1, b"\x00", "its hashes are not zero"),
        (WIDTH, 2, b"\x00", "width is 0, allowed are 1 to 1048576"),
        (SAMPLING, 1, b"\x05", "sampling 5 is not known"),
        (SAMPLING + 1, 1, b"\x00", "matrix 0 is not known"),
        (SAMPLING + 2, 1, b"\x02", "range 2 is not known"),
        (FPS, 2, b"\x00\x01", "fps is 0/1, both numbers must be 1 to 4294967295"),
        (FPS, 2, b"\x01\x00", "fps is 1/0"),
        (FPS, 2, b"\x04\x02", "fps is 4/2, not in lowest terms"),
        (FPS, 2, LARGEST + LARGEST, "not in lowest terms"),
    ],
)
def test_values_out_of_range_are_refused_where_they_stand(offset, old, value, complaint):
    data = mend_header(PACKED[:offset] + value + PACKED[offset + old : -4])
    with pytest.raises(FormatError, match=complaint) as caught:
        parse_video_header(data)
    assert (caught.value.unit, caught.value.offset) == ("header", offset)


def test_no_cut_header_is_accepted():
    for size in range(len(PACKED)):
        with pytest.raises(FormatError):
            parse_video_header(PACKED[:size])
    assert mended_header(PACKED[:-1]) is None


def test_pictures_and_videos_are_told_apart():
    picture = pack_header(HEADER)
    assert (file_kind(picture), file_kind(PACKED[:5])) == ("picture", "video")
    with pytest.raises(FormatError, match="kind 1 is not a video"):
        parse_video_header(picture)
    with pytest.raises(FormatError, match="kind 2 is not a picture"):
        parse_header(PACKED)
    with pytest.raises(FormatError, match="kind 3 is not known"):
        file_kind(PACKED[:4] + b"\3")
    with pytest.raises(FormatError, match="not a flowcodec file"):
        file_kind(b"YUV4MPEG2 W416 H240")


def test_one_wrong_byte_is_put_right_and_two_are_not():
    for offset in range(len(PACKED)):
        damaged = bytearray(PACKED + b"groups")
        damaged[offset] ^= 0x21
        assert mended_header(bytes(damaged)) == (PACKED + b"groups", offset)
    for pair in ((0, 4), (0, 30), (10, 11), (6, len(PACKED) - 1)):
        damaged = bytearray(PACKED)
        for offset in pair:
            damaged[offset] ^= 0xFF
        assert mended_header(bytes(damaged)) is None


def test_description_is_for_people():
    header = replace(VIDEO, fps=Fraction(30000, 1001), aspect=Fraction(16, 15))
    assert dict(describe_video_header(header)) == {
        "model": "1",
        "prior_hash": "00010203",
        "weights_hash": "fcfdfeff",
        "inter_model": "2",
        "inter_prior_hash": "10111213",
        "inter_weights_hash": "ecedeeef",
        "width": "416 pixels",
        "height": "240 pixels",
        "sampling": "420",
        "matrix": "bt601",
        "range": "limited",
        "fps": "30000/1001 frames a second",
        "aspect": "16/15",
        "time_base": "1/30 s",
    }
    alone = replace(VIDEO, inter_model=0, inter_prior_hash=bytes(4), inter_weights_hash=bytes(4))
    assert dict(describe_video_header(alone))["inter_model"] == "0"


def test_an_intra_frame_has_the_tiles_of_a_picture():
    picture = replace(VIDEO, width=1920, height=1080).picture(4500)
    assert (picture.tile_count, picture.tile_side, picture.quality) == (4, 1024, 4500)
    assert picture.tile_box(3) == (1024, 1024, 56, 896)
    assert picture.weights_hash == VIDEO.weights_hash

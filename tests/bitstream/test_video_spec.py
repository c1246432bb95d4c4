"""SPEC.md says of videos what the code does: its tables and its example are compared with it."""

import re
from fractions import Fraction
from io import BytesIO

from flowcodec.bitstream.picture_file import LEARNED, PLAIN, Tile
from flowcodec.bitstream.video_file import Inter, Intra, Repeat, VideoHeader, open_index
from flowcodec.bitstream.video_frames import FRAME_KINDS
from flowcodec.bitstream.video_groups import (
    GROUP_FIELDS,
    INDEX,
    INDEX_FIELDS,
    MAX_GROUP_BYTES,
    MIN_GROUP_BYTES,
    MIN_REPEAT_BYTES,
    SIDE_NAMES,
    SYNC,
)
from flowcodec.bitstream.video_header import VIDEO_FIELDS
from flowcodec.bitstream.video_index import END
from flowcodec.codecs.systems import SYSTEMS
from tests.bitstream.test_spec import SPEC
from tests.bitstream.video_samples import plain, write_video


def section(number: int) -> str:
    return SPEC.split(f"\n## {number}. ")[1].split("\n## ")[0]


def fields_of(number: int, before: str) -> list[str]:
    """The rows of a section's table between that of `before` and that of the checksum."""
    lines = section(number).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {before} |"))
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith("| crc |"))
    return lines[start + 1 : end]


def test_tables_are_those_that_are_read_and_written():
    for number, before, fields in (
        (11, "kind", VIDEO_FIELDS),
        (12, "sync", GROUP_FIELDS),
        (14, "marker", INDEX_FIELDS),
    ):
        table = [f"| {f.name} | {f.wire.name} | {f.allowed_text} | {f.meaning} |" for f in fields]
        assert fields_of(number, before) == table


def test_models_and_kinds_of_frames_are_listed():
    for row in SYSTEMS.values():
        assert row.kind != "inter" or f"{row.code} is `{row.name}`" in SPEC
    rows = re.findall(r"^\| (\w+) \| 0x(\w\w) \|", section(12), re.MULTILINE)
    assert {int(code, 16): name for name, code in rows} == FRAME_KINDS | SIDE_NAMES


def test_markers_and_limits_are_stated():
    for number, marker in ((12, SYNC), (14, INDEX), (14, END), (15, SYNC), (15, INDEX)):
        assert f"`{marker.hex(' ')}`" in section(number)
    assert MAX_GROUP_BYTES == 2**30
    assert "more than 2^30 bytes" in section(16)
    assert f"a group at least {MIN_GROUP_BYTES}" in section(16)
    assert f"a frame takes at least {MIN_REPEAT_BYTES} bytes" in section(16)


def test_example_is_a_file_of_this_format():
    dump = section(17).split("```")[1]
    pairs = re.findall(r"^((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)", dump, re.MULTILINE)
    example = bytes.fromhex(" ".join(pairs))

    index = open_index(BytesIO(example))
    groups = [index.read_group(number) for number in range(2)]
    assert index.header == VideoHeader(
        model=1,
        prior_hash=bytes.fromhex("0a1b2c3d"),
        weights_hash=bytes.fromhex("4e5f6071"),
        width=300,
        height=2,
        sampling="420",
        matrix="bt709",
        full_range=False,
        fps=Fraction(30000, 1001),
        time_base=Fraction(1001, 30000),
        inter_model=2,
        inter_prior_hash=bytes.fromhex("11223344"),
        inter_weights_hash=bytes.fromhex("55667788"),
    )
    frames = [
        [
            Intra(0, 4000, (Tile(0x11223344, b"\xc0\xff\xee", LEARNED),)),
            Inter(1, 4000, 0x55667788, b"\xbe\xef"),
            Repeat(2),
        ],
        [Intra(5, 4250, (Tile(0x99AABBCC, b"\xca\xfe", PLAIN),))],
    ]
    assert [plain(group.frames) for group in groups] == frames
    assert [group.header.psnr for group in groups] == [3241, 3305]

    first = write_video(index.header, frames[:1], 3241, finish=False)
    assert example.startswith(first)
    second = index.places[1]
    assert second.offset == len(first)
    assert example[second.offset :].startswith(SYNC)
    assert example[second.offset + second.length :].startswith(INDEX)

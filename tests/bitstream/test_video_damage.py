"""Damage costs its group only, is always told, and never takes memory that the bytes do not."""

import tracemalloc
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.bitstream.fields import pack_fields
from flowcodec.bitstream.numbers import pack_signed, pack_unsigned, pack_varint, running_crc
from flowcodec.bitstream.units import SKIP_BIT
from flowcodec.bitstream.video_file import open_index, read_groups
from flowcodec.bitstream.video_frames import FRAME_KINDS, INTER, INTRA, REPEAT
from flowcodec.bitstream.video_groups import INDEX, INDEX_FIELDS, Damage
from flowcodec.bitstream.video_header import pack_video_header
from flowcodec.bitstream.video_index import END
from flowcodec.errors import FormatError
from tests.bitstream.video_samples import (
    FRAMES,
    GROUPS,
    HEADER,
    SAMPLE,
    SEED,
    VIDEO,
    bounds,
    build_group,
    plain,
    read_by_index,
    read_leniently,
    sample_group,
    write_video,
)

WIDTH_OFFSET = 23
EDGES = bounds(SAMPLE)
PIECES = [SAMPLE[a:b] for a, b in zip(EDGES, EDGES[1:], strict=False)]
TAIL = SAMPLE[EDGES[-1] :]

FIRST_TIME, QUALITY = b"\0", pack_unsigned(4000, 2)
TILE = b"\1\4" + b"hash" + b"code"
INTRA_UNIT = (INTRA, FIRST_TIME + QUALITY + TILE)
INTER_UNIT = (INTER, b"\1" + QUALITY + b"hash" + b"code")
REPEAT_UNIT = (REPEAT, b"\1")


def assert_strict_refuses(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(read_groups(BytesIO(data))[1])


def lost(groups) -> list[int]:
    """Numbers of the groups of the sample that did not come back as they were written."""
    found = {group.header.number: group for group in groups}
    assert sorted(found) == [group.header.number for group in groups]
    for number, group in found.items():
        assert plain(group.frames) == GROUPS[number][: len(group.frames)]
    return [n for n in range(len(FRAMES)) if n not in found or not found[n].whole]


def region(offset: int) -> list[int]:
    """The group that a byte of the sample lies in, if it lies in one."""
    return [n for n in range(len(FRAMES)) if EDGES[n] <= offset < EDGES[n + 1]]


def place(offset: int) -> tuple[int, int]:
    """Begin and end of the group, or of the index, that a byte of the sample lies in."""
    ends = [*EDGES, len(SAMPLE)]
    return max(e for e in ends if e <= offset), min(e for e in ends if e > offset)


def test_a_changed_byte_costs_its_group_and_is_told():
    for offset in range(len(HEADER), len(SAMPLE)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(SAMPLE)
            damaged[offset] ^= flip
            for read in (read_leniently, read_by_index):
                groups, damage = read(bytes(damaged))
                assert lost(groups) == region(offset)
                begin, end = place(offset)
                assert begin <= damage[0].offset <= end
            assert_strict_refuses(bytes(damaged))


def test_a_damaged_frame_leaves_those_before_it():
    for number, group in enumerate(read_leniently(SAMPLE)[0]):
        for place, frame in enumerate(group.frames):
            damaged = bytearray(SAMPLE)
            damaged[frame.offset + 7 - 1] ^= 0x10
            for read in (read_leniently, read_by_index):
                groups, damage = read(bytes(damaged))
                assert len(groups[number].frames) == place
                (told,) = damage
                assert told.offset == frame.offset
                assert told.unit == f"frame {group.header.first + place}"
                assert f"{place} of the {FRAMES[number]} frames of group {number}" in told.text


def test_two_damaged_groups_are_both_told():
    frame = read_leniently(SAMPLE)[0][1].frames[1]
    damaged = bytearray(SAMPLE[: EDGES[-1]])
    damaged[frame.offset + 9] ^= 1
    damaged[EDGES[2] + 5] ^= 1
    groups, damage = read_leniently(bytes(damaged))
    assert lost(groups) == [1, 2]
    assert [told.unit for told in damage] == ["frame 5", "index"]
    _, damage = read_leniently(bytes(damaged) + TAIL)
    assert [told.unit for told in damage] == ["frame 5", "group 2"]
    assert "lost: group 2, frames 7 to 10" in damage[1].text


def test_every_cut_file_is_read_up_to_the_cut():
    offsets = [f.offset for group in read_leniently(SAMPLE)[0] for f in group.frames]
    ends = [
        end
        for n in range(3)
        for end in [*offsets[sum(FRAMES[:n]) + 1 : sum(FRAMES[: n + 1])], EDGES[n + 1]]
    ]
    for size in range(len(HEADER), len(SAMPLE)):
        cut = SAMPLE[:size]
        assert_strict_refuses(cut)
        whole = sum(end <= size for end in ends)
        for read in (read_leniently, read_by_index):
            groups, damage = read(cut)
            assert sum(len(group.frames) for group in groups) == whole
            assert [plain(g.frames) for g in groups] == [
                frames[: len(g.frames)] for g, frames in zip(groups, GROUPS, strict=False)
            ]
            assert damage


@given(st.integers(0, len(SAMPLE)), st.integers(0, len(SAMPLE)), st.binary(max_size=20))
def test_a_replaced_stretch_costs_the_groups_it_meets(start, end, stretch):
    start, end = sorted((start, end))
    damaged = SAMPLE[:start] + stretch + SAMPLE[end:]
    if damaged == SAMPLE or start < len(HEADER):
        return
    met = [n for n in range(3) if start < EDGES[n + 1] and end > EDGES[n]]
    for read in (read_leniently, read_by_index):
        groups, damage = read(damaged)
        assert set(lost(groups)) <= set(met)
        assert damage
    if not damaged.startswith(SAMPLE):  # what follows a whole file is only told
        assert_strict_refuses(damaged)


@pytest.mark.parametrize("offset", [0, 4, WIDTH_OFFSET, len(HEADER) - 1])
def test_a_changed_byte_of_the_header_costs_nothing_and_is_told(offset):
    damaged = bytearray(SAMPLE)
    damaged[offset] ^= 0xFF
    for read in (read_leniently, read_by_index):
        groups, damage = read(bytes(damaged))
        assert lost(groups) == []
        assert [(told.offset, told.unit) for told in damage] == [(offset, "header")]
    assert_strict_refuses(bytes(damaged))


def test_a_header_with_two_wrong_bytes_ends_it():
    damaged = b"\xfc\x46\x43\x01\x02\x01\x99\x99" + SAMPLE[8:]
    for read in (read_leniently, read_by_index):
        with pytest.raises(FormatError, match="checksum does not match"):
            read(damaged)


@pytest.mark.parametrize(
    ("order", "kept", "complaints"),
    [
        ((0, 2), [0, 2], ["lost: group 1, frames 4 to 6"]),
        ((2,), [2], ["lost: groups 0 to 1, frames 0 to 6"]),
        ((0, 1), [0, 1], ["lost: group 2, frames 7 to 10"]),
        ((), [], ["lost: groups 0 to 2, frames 0 to 10"]),
        ((0, 1, 1, 2), [0, 1, 2], ["group 1 does not belong here, after group 1"]),
        ((0, 0, 1, 2), [0, 1, 2], ["group 0 does not belong here, after group 0"]),
        ((0, 2, 1), [0, 2], ["lost: group 1", "group 1 does not belong here, after group 2"]),
        (
            (1, 0, 2),
            [1, 2],
            ["lost: group 0", "group 0 does not belong here, after group 1"],
        ),
    ],
)
def test_groups_that_are_missing_repeated_or_moved(order, kept, complaints):
    data = HEADER + b"".join(PIECES[n] for n in order) + TAIL
    groups, damage = read_leniently(data)
    assert [group.header.number for group in groups] == kept
    assert len(damage) == len(complaints)
    assert all(text in told.text for text, told in zip(complaints, damage, strict=True))
    assert_strict_refuses(data)

    groups, damage = read_by_index(data)
    assert set(lost(groups)) >= set(range(3)).difference(kept)
    assert damage


def test_groups_of_another_file_do_not_pass():
    for change in ({"width": 417}, {"weights_hash": b"abcd"}, {"matrix": "bt709"}):
        other = write_video(replace(VIDEO, **change), GROUPS)
        edges = bounds(other)
        foreign = other[edges[1] : edges[2]]
        for read in (read_leniently, read_by_index):
            groups, damage = read(HEADER + PIECES[0] + foreign + PIECES[2] + TAIL)
            assert lost(groups) == [1]
            assert "its checksum does not match" in damage[-1].text


def test_a_unit_of_another_group_does_not_pass():
    twin = write_video(VIDEO, [GROUPS[0], sample_group(4, 4), sample_group(8, 4)])
    edges = bounds(twin)
    second, third = (bytearray(twin[a:b]) for a, b in zip(edges[1:], edges[2:], strict=False))
    assert len(second) == len(third)
    second[-36:] = third[-36:]  # an inter frame and a repeated one
    data = HEADER + PIECES[0] + bytes(second) + bytes(third)
    groups, _ = read_leniently(data)
    assert [len(group.frames) for group in groups] == [4, 2, 4]


def test_bytes_that_belong_to_nothing_are_passed_over():
    for place in range(4):
        noise = b"\xfcGRP\xfcIDX" * 3
        pieces = [*PIECES, TAIL]
        pieces[place] = noise + pieces[place]
        data = HEADER + b"".join(pieces)
        groups, damage = read_leniently(data)
        assert lost(groups) == []
        (told,) = damage
        assert "24 bytes are passed over" in told.text
        assert told.offset == EDGES[place]


def test_a_missing_unit_costs_its_group_only():
    first = read_leniently(SAMPLE)[0][0].frames
    for this, following in zip(first, [*first[1:], None], strict=True):
        end = following.offset if following else EDGES[1]
        data = SAMPLE[: this.offset] + SAMPLE[end:]
        groups, damage = read_leniently(data)
        assert lost(groups) == [0]
        assert len(damage) == 1
        groups, damage = read_by_index(data)
        assert lost(groups) == [0]
        assert len(damage) == 2  # the index no longer leads to the groups


def test_an_index_that_is_missing_or_damaged_is_made_again():
    whole = open_index(BytesIO(SAMPLE))
    for data in (SAMPLE[: EDGES[-1]], SAMPLE[:-5], SAMPLE[:-10] + bytes(10)):
        damage = []
        index = open_index(BytesIO(data), damage.append)
        assert list(index.places) == list(whole.places)
        assert index.frame_count == sum(FRAMES)
        (told,) = damage
        assert told.text.endswith("; its groups are looked for one by one")
        with pytest.raises(FormatError):
            open_index(BytesIO(data))


@pytest.mark.parametrize("more", [b"\n", b"more" * 30_000, SAMPLE, SAMPLE[-30:]])
def test_what_follows_the_index_is_passed_over_and_told(more):
    data, damage = SAMPLE + more, []
    index = open_index(BytesIO(data), damage.append)
    assert list(index.places) == list(open_index(BytesIO(SAMPLE)).places)
    groups = list(read_groups(BytesIO(data), damage.append)[1])
    assert lost(groups) == []
    expected = Damage(len(SAMPLE), "index", "what follows the index is passed over", harmless=True)
    assert damage == [expected] * 2
    assert len(list(read_groups(BytesIO(data))[1])) == len(groups)
    open_index(BytesIO(data))


def test_frames_of_lost_groups_lead_to_the_next_group():
    damaged = bytearray(SAMPLE[: EDGES[-1]])
    damaged[EDGES[1]] ^= 1
    index = open_index(BytesIO(bytes(damaged)), [].append)
    assert [index.group_of_frame(frame) for frame in range(11)] == [0] * 4 + [1] * 7
    assert index.read_group(1).header.number == 2
    assert index.group_at_time(5) == 0


def index_of(groups: int, frames: int, entries: bytes) -> bytes:
    """An index that says what it is told, with checksums and trailer."""
    values = {"groups": groups, "frames": frames, "size": len(entries)}
    head = pack_fields("the index", INDEX, INDEX_FIELDS, values, SEED)
    crc = running_crc(entries, int.from_bytes(head[-4:], "little"))
    index = head + entries + pack_unsigned(crc, 4)
    return index + pack_unsigned(len(index), 4) + END


def entry(count: int, length: int, time: int, first: bool = False) -> bytes:
    packed = pack_signed(time) if first else pack_varint(time)
    return pack_varint(count) + pack_varint(length) + packed


ENTRIES = [
    entry(count, len(piece), 0 if n == 0 else FRAMES[n - 1], n == 0)
    for n, (count, piece) in enumerate(zip(FRAMES, PIECES, strict=True))
]


def test_the_index_is_as_described():
    assert index_of(3, 11, b"".join(ENTRIES)) == TAIL


@pytest.mark.parametrize(
    "index",
    [
        index_of(2, 11, b"".join(ENTRIES)),
        index_of(2, 7, b"".join(ENTRIES[:2])),
        index_of(4, 12, b"".join([*ENTRIES, entry(1, 60, 4)])),
        index_of(3, 12, b"".join(ENTRIES)),
        index_of(3, 11, b"".join(ENTRIES) + b"\0"),
        index_of(3, 11, b"".join(ENTRIES)[:-1]),
        index_of(3, 11, b"".join([ENTRIES[0], entry(3, len(PIECES[1]), 2**62), ENTRIES[2]])),
        index_of(3, 11, b"".join([entry(0, len(PIECES[0]), 0, True), *ENTRIES[1:]])),
        index_of(2**22, 2**32 - 1, b"".join(ENTRIES)),
        TAIL[:-8] + pack_unsigned(len(TAIL), 4) + END,
        TAIL[:-8] + pack_unsigned(2**32 - 1, 4) + END,
        TAIL[:-8] + pack_unsigned(len(TAIL) - 8 + len(PIECES[2]), 4) + END,
    ],
)
def test_an_index_that_does_not_fit_is_told_and_not_used(index):
    data = HEADER + b"".join(PIECES) + index
    for read in (read_leniently, read_by_index):
        groups, damage = read(data)
        assert lost(groups) == []
        assert damage
    assert_strict_refuses(data)


def test_an_index_of_other_times_is_told():
    entries = b"".join([ENTRIES[0], entry(3, len(PIECES[1]), 3), ENTRIES[2]])
    data = HEADER + b"".join(PIECES) + index_of(3, 11, entries)
    groups, damage = read_leniently(data)
    assert (lost(groups), [d.text for d in damage]) == ([], ["the index lists other groups"])
    groups, damage = read_by_index(data)
    assert lost(groups) == [1, 2]
    assert all("another group stands here" in told.text for told in damage)


@pytest.mark.parametrize(
    ("units", "values", "whole", "complaint"),
    [
        ([REPEAT_UNIT], {}, 0, "begins with an intra frame"),
        ([(INTRA, b"\1" + INTRA_UNIT[1][1:])], {}, 0, "begins at the time that its header states"),
        ([INTRA_UNIT, REPEAT_UNIT], {}, 1, "more than the 1 frames"),
        ([INTRA_UNIT], {"count": 2}, 1, "the group is cut short"),
        ([INTRA_UNIT, (REPEAT, b"\1\0")], {"count": 2}, 1, "1 bytes too many"),
        ([INTRA_UNIT, (REPEAT, b"")], {"count": 2}, 1, "the frame is cut short: its time"),
        ([INTRA_UNIT, (REPEAT, b"\xff" * 9)], {"count": 2}, 1, "longer than nine bytes"),
        ([INTRA_UNIT, REPEAT_UNIT], {"count": 2, "start": 2**62 - 1}, 1, "time is 461168"),
        ([INTRA_UNIT, (INTER, b"\1\0\0hash")], {"count": 2}, 1, "quality is 0"),
        ([INTRA_UNIT, (INTER, b"\1" + QUALITY)], {"count": 2}, 1, "its hash needs 4 bytes"),
        ([INTRA_UNIT, (0x14, b"")], {"count": 2}, 1, "0x14 is not known and may not be skipped"),
        ([(INTRA, FIRST_TIME + QUALITY)], {}, 0, "1 tiles and need at least 6 bytes, 0 left"),
        ([(INTRA, FIRST_TIME + QUALITY + b"\2" + TILE[1:])], {}, 0, "type 0x02, which is not"),
        ([(INTRA, FIRST_TIME + QUALITY + TILE[:-1])], {}, 0, "tile 0 needs 4 bytes, 3 left"),
        ([(INTRA, FIRST_TIME + QUALITY + TILE + TILE)], {}, 0, "10 bytes too many"),
    ],
)
def test_frames_that_no_writer_writes(units, values, whole, complaint):
    groups, damage = read_leniently(HEADER + build_group(units, **values) + index_of(1, 1, b""))
    assert [len(group.frames) for group in groups] == [whole]
    assert complaint in damage[0].text


def test_inter_frames_need_a_model():
    alone = replace(VIDEO, inter_model=0, inter_prior_hash=bytes(4), inter_weights_hash=bytes(4))
    header = pack_video_header(alone)
    group = build_group([INTRA_UNIT, INTER_UNIT], header=header, count=2)
    groups, damage = read_leniently(header + group)
    assert [len(group.frames) for group in groups] == [1]
    assert "the header names no model for inter frames" in damage[0].text


@pytest.mark.parametrize(
    "values",
    [{"number": 1, "first": 0}, {"number": 1, "first": 2}, {"number": 2, "first": 1}],
    ids=str,
)
def test_groups_that_contradict_each_other(values):
    first = build_group([INTRA_UNIT], start=5)
    second = build_group([INTRA_UNIT], start=5, **values)
    groups, damage = read_leniently(HEADER + first + second)
    assert [group.header.number for group in groups] == [0]
    assert "does not go with the group before it" in damage[0].text


def test_groups_whose_time_falls_contradict_each_other():
    data = HEADER + build_group([INTRA_UNIT], start=5)
    data += build_group([INTRA_UNIT], start=4, number=1, first=1)
    groups, damage = read_leniently(data)
    assert [group.header.number for group in groups] == [0]
    assert "does not go with the group before it" in damage[0].text


@given(
    st.integers(0, 255).filter(lambda type_: type_ not in FRAME_KINDS),
    st.integers(0, 3),
    st.binary(max_size=50),
)
def test_unknown_units_are_skipped_only_with_the_skip_bit(type_, place, payload):
    units = [INTRA_UNIT, INTER_UNIT, REPEAT_UNIT]
    plain_group = build_group(units, count=3)
    units.insert(place, (type_, payload))
    data = HEADER + build_group(units, count=3)
    groups, damage = read_leniently(data)
    if type_ & SKIP_BIT:
        assert plain(groups[0].frames) == plain(read_leniently(HEADER + plain_group)[0][0].frames)
    else:
        assert len(groups[0].frames) == place
        assert f"unit type 0x{type_:02x} is not known" in damage[0].text


def peak_of(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HUGE = {"count": 2**16, "size": 2**30, "first": 0}


@pytest.mark.parametrize(
    "tail",
    [
        build_group([INTRA_UNIT], **HUGE),
        build_group([INTRA_UNIT], **HUGE) + b"\x11\xff\xff\xff\xff\x0f" + bytes(200),
        build_group([INTRA_UNIT], count=2, size=2**30) + b"\x12\xff\xff\xff\x7f" + bytes(99),
        pack_fields(
            "the index",
            INDEX,
            INDEX_FIELDS,
            {"groups": 2**22, "frames": 2**32 - 1, "size": 2**27 - 1},
            SEED,
        )
        + bytes(100),
        index_of(2**22, 2**32 - 1, b""),
        b"\xfcGRP" * 1000 + b"\xfcIDX" * 1000,
    ],
    ids=["group", "unit", "second unit", "index", "whole index", "markers"],
)
def test_claims_take_no_memory(tail):
    data = HEADER + tail
    for read in (read_leniently, read_by_index):
        read(data)
        assert peak_of(lambda read=read: read(data)) < 150_000


def test_a_huge_frame_takes_no_memory():
    header = pack_video_header(replace(VIDEO, width=2**20, height=2**20))
    data = header + build_group([INTRA_UNIT], header=header)
    groups, damage = read_leniently(data)
    assert groups[0].frames == ()
    assert "1048576 tiles and need at least 6291456 bytes" in damage[0].text
    assert peak_of(lambda: read_leniently(data)) < 150_000


def test_memory_holds_one_group_however_long_the_video():
    def peak(count: int) -> int:
        frames = sample_group(0, 3)
        frames[1] = replace(frames[1], data=bytes(100_000))
        data = write_video(VIDEO, [frames] + [[replace(f, time=9) for f in frames]] * count)

        def run():
            for _ in read_groups(BytesIO(data))[1]:
                pass

        return peak_of(run)

    assert peak(40) < peak(4) + 50_000

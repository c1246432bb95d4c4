"""A .fcv file: what is written is read, one after the other or by index, and nothing else is."""

import os
import threading
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.bitstream.picture_file import Tile
from flowcodec.bitstream.video_file import (
    Colour,
    Inter,
    Intra,
    Repeat,
    VideoWriter,
    open_index,
    read_groups,
)
from flowcodec.bitstream.video_frames import INTRA as INTRA_KIND
from flowcodec.bitstream.video_groups import COLOUR, ENDING
from flowcodec.errors import UsageError
from tests.bitstream.video_samples import (
    FRAMES,
    GROUPS,
    HEADER,
    SAMPLE,
    VIDEO,
    bounds,
    build_group,
    groups_of,
    plain,
    sample_group,
    video_headers,
    write_video,
)

ALONE = replace(VIDEO, inter_model=0, inter_prior_hash=bytes(4), inter_weights_hash=bytes(4))
INTRA = Intra(0, 4000, (Tile(0, b"code"),))


class OneWay(BytesIO):
    """A pipe: no seeking, and reads that return less than was asked for."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError("a pipe cannot seek")

    def tell(self):
        raise OSError("a pipe has no place")

    def read(self, size=-1):
        return super().read(min(size, 7))


@given(st.data())
def test_every_file_comes_back(data):
    header = data.draw(video_headers(max_side=2100))
    groups = data.draw(groups_of(header))
    psnr = data.draw(st.integers(0, 65535))
    packed = write_video(header, groups, psnr)

    found, sequence = read_groups(BytesIO(packed))
    sequence = list(sequence)
    index = open_index(BytesIO(packed))

    assert found == index.header == header
    assert [plain(group.frames) for group in sequence] == groups
    assert all(group.whole and group.header.psnr == psnr for group in sequence)
    assert [index.read_group(n) for n in range(len(index.places))] == sequence
    assert index.frame_count == sum(map(len, groups))
    for group in sequence:
        assert [packed[frame.offset] for frame in group.frames] == [f.type for f in group.frames]


def test_pipes_are_written_and_read():
    pipe = OneWay()
    writer = VideoWriter(pipe, VIDEO)
    sizes = [writer.write_group(frames, 3300) for frames in GROUPS]
    assert writer.finish() == len(SAMPLE)
    assert pipe.getvalue() == SAMPLE
    assert sizes == [group.length for group in read_groups(OneWay(SAMPLE))[1]]


def test_a_group_can_be_read_before_the_next_is_written():
    out, into = os.pipe()
    got: list[int] = []
    with os.fdopen(into, "wb") as sink, os.fdopen(out, "rb") as source:
        writer = VideoWriter(sink, VIDEO)
        arrived = threading.Semaphore(0)

        def read():
            for group in read_groups(source)[1]:
                got.append(group.header.number)
                arrived.release()

        reader = threading.Thread(target=read)
        reader.start()
        for number, frames in enumerate(GROUPS):
            writer.write_group(frames, 3300)
            assert arrived.acquire(timeout=60)
            assert got[-1] == number
        writer.finish()
        sink.close()
        reader.join()
    assert got == [0, 1, 2]


def test_one_group_touches_its_own_bytes_only():
    touched: list[range] = []

    class Watched(BytesIO):
        def read(self, size=-1):
            start = self.tell()
            data = super().read(size)
            touched.append(range(start, start + len(data)))
            return data

    index = open_index(Watched(SAMPLE))
    edges = bounds(SAMPLE)
    for number in (2, 0, 1):
        touched.clear()
        index.read_group(number)
        assert min(r.start for r in touched) == edges[number]
        assert max(r.stop for r in touched) == edges[number + 1]

    touched.clear()
    open_index(Watched(SAMPLE))
    assert not any(r.start < edges[-1] and r.stop > edges[1] for r in touched)


def test_groups_are_found_by_frame_and_by_time():
    starts = (100, 110, 110, 130)
    groups = [sample_group(start, 4) for start in starts[:1]]
    groups += [[replace(INTRA, time=start)] * 5 for start in starts[1:]]
    index = open_index(BytesIO(write_video(VIDEO, groups)))

    assert index.frame_count == 19
    frames = [index.group_of_frame(frame) for frame in range(19)]
    assert frames == [0] * 4 + [1] * 5 + [2] * 5 + [3] * 5
    ticks = (-5, 99, 100, 109, 110, 129, 130, 2**70)
    assert [index.group_at_time(tick) for tick in ticks] == [0, 0, 0, 0, 2, 2, 3, 3]
    for frame in (-1, 19):
        with pytest.raises(UsageError, match=f"no frame {frame}, the video has 19"):
            index.group_of_frame(frame)


def test_a_video_may_be_empty():
    data = write_video(VIDEO, [])
    assert list(read_groups(BytesIO(data))[1]) == []
    index = open_index(BytesIO(data))
    assert index.frame_count == len(index.places) == 0
    with pytest.raises(UsageError, match="no frame 0"):
        index.group_of_frame(0)
    with pytest.raises(UsageError, match="no frames"):
        index.group_at_time(0)


@pytest.mark.parametrize(
    ("header", "frames", "psnr", "complaint"),
    [
        (VIDEO, [], 0, "begins with an intra frame"),
        (VIDEO, [Repeat(0)], 0, "begins with an intra frame"),
        (VIDEO, [INTRA], 65536, "psnr is 65536"),
        (VIDEO, [INTRA] * 65537, 0, "count is 65537"),
        (VIDEO, [replace(INTRA, time=2**62)], 0, "time is 4611686018427387904"),
        (VIDEO, [INTRA, Repeat(2**62)], 0, "time is 4611686018427387904"),
        (VIDEO, [INTRA, Repeat(-1)], 0, "the time of a frame is -1, the frame before has 0"),
        (VIDEO, [replace(INTRA, quality=999)], 0, "quality is 999"),
        (VIDEO, [replace(INTRA, tiles=())], 0, "has 1 tiles, 0 were given"),
        (VIDEO, [replace(INTRA, tiles=(Tile(2**32, b""),))], 0, "hash has 32 bits"),
        (VIDEO, [INTRA, Inter(1, 4000, -1, b"")], 0, "hash has 32 bits"),
        (ALONE, [INTRA, Inter(1, 4000, 0, b"")], 0, "no model for inter frames"),
    ],
)
def test_contradictions_are_not_written(header, frames, psnr, complaint):
    stream = BytesIO()
    writer = VideoWriter(stream, header)
    writer.write_group([INTRA], 0)
    before = stream.getvalue()
    with pytest.raises(UsageError, match=complaint):
        writer.write_group(frames, psnr)
    assert stream.getvalue() == before


def test_time_does_not_fall_between_groups():
    writer = VideoWriter(BytesIO(), VIDEO)
    writer.write_group(sample_group(10, 4), 0)
    with pytest.raises(UsageError, match="begins at the time 12, the frame before it has 13"):
        writer.write_group(sample_group(12, 4), 0)
    writer.write_group(sample_group(13, 4), 0)


def test_overhead_in_groups_of_twelve():
    code = 416 * 240 // 100
    groups = []
    for start in range(0, 96, 12):
        inter = [Inter(start + i, 4000, i, bytes(code)) for i in range(1, 12)]
        groups.append([Intra(start, 4000, (Tile(0, bytes(code * 8)),)), *inter])
    data = write_video(VIDEO, groups)
    codes = sum(frame.code_bytes for group in groups for frame in group)
    assert (len(data) - codes) / 96 < 18


def test_framing_of_each_kind_of_frame():
    intra = replace(INTRA, tiles=(Tile(0, bytes(300)),))
    sizes = [
        len(write_video(VIDEO, [[intra, *more]], finish=False))
        for more in ([], [Inter(1, 4000, 0, bytes(100))], [Repeat(1)])
    ]
    assert (sizes[1] - sizes[0] - 100, sizes[2] - sizes[0]) == (13, 7)
    assert sizes[0] - 300 == len(HEADER) + 16 + 17


def test_a_writer_that_is_stopped_leaves_whole_groups():
    stream = BytesIO()
    writer = VideoWriter(stream, VIDEO)
    for number, frames in enumerate(GROUPS):
        writer.write_group(frames, 3300)
        damage = []
        groups = list(read_groups(BytesIO(stream.getvalue()), damage.append)[1])
        assert [len(group.frames) for group in groups] == list(FRAMES[: number + 1])
        assert [str(d) for d in damage] == [
            f"the file ends here, without its index (in index, at byte {len(stream.getvalue())})"
        ]


def test_every_group_is_handed_on_at_once(tmp_path):
    with (tmp_path / "clip.fcv").open("wb") as stream:
        writer = VideoWriter(stream, VIDEO)
        for frames in GROUPS:
            writer.write_group(frames, 3300)
            assert (tmp_path / "clip.fcv").stat().st_size == stream.tell()


def test_colour_and_ending_come_back_and_cost_a_few_bytes():
    stream = BytesIO()
    writer = VideoWriter(stream, VIDEO, Colour(9, 16))
    for number, frames in enumerate(GROUPS):
        writer.write_group(frames, 3300, 2**40 if number == 2 else None)
    writer.finish()
    _, groups = read_groups(BytesIO(stream.getvalue()))
    groups = list(groups)
    assert [(group.colour, group.ending) for group in groups] == [
        (Colour(9, 16), None),
        (Colour(9, 16), None),
        (Colour(9, 16), 2**40),
    ]
    assert [plain(group.frames) for group in groups] == GROUPS
    assert len(stream.getvalue()) - len(SAMPLE) == 3 * 8 + 12
    index = open_index(BytesIO(stream.getvalue()))
    assert [index.read_group(number) for number in range(3)] == groups


@pytest.mark.parametrize("colour", [Colour(256, 1), Colour(1, -1)])
def test_colours_that_are_no_codes_are_not_written(colour):
    with pytest.raises(UsageError, match="is a code from 0 to 255"):
        VideoWriter(BytesIO(), VIDEO, colour).write_group(GROUPS[0], 0)


@pytest.mark.parametrize("ending", [-1, 2**62])
def test_an_ending_that_is_no_time_is_not_written(ending):
    with pytest.raises(UsageError, match="ticks"):
        VideoWriter(BytesIO(), VIDEO).write_group(GROUPS[0], 0, ending)


@pytest.mark.parametrize("payload", [b"", b"\x89", b"\xff" * 10, b"\xff" * 8 + b"\x7f"])
@pytest.mark.parametrize("kind", [COLOUR, ENDING])
def test_colour_or_ending_that_is_no_such_thing_costs_nothing(kind, payload):
    unit = (INTRA_KIND, b"\0" + b"\xa0\x0f" + b"\1\4hashcode")
    data = HEADER + build_group([unit, (kind, payload)])
    group = next(read_groups(BytesIO(data), [].append)[1])
    assert (len(group.frames), group.ending) == (1, None)
    assert group.colour == (Colour(255, 255) if kind == COLOUR and len(payload) > 1 else None)

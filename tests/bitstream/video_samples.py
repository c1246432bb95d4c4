"""Videos for the tests of the format: headers, frames, groups and files of any kind."""

from dataclasses import replace
from fractions import Fraction
from io import BytesIO

from hypothesis import strategies as st

from flowcodec.bitstream.fields import pack_fields
from flowcodec.bitstream.numbers import unpack_unsigned
from flowcodec.bitstream.picture_file import Tile
from flowcodec.bitstream.units import TILE_KINDS, pack_unit
from flowcodec.bitstream.video_file import (
    Inter,
    Intra,
    Repeat,
    VideoHeader,
    VideoWriter,
    open_index,
    read_groups,
)
from flowcodec.bitstream.video_groups import GROUP_FIELDS, SYNC
from flowcodec.bitstream.video_header import (
    MATRICES,
    SAMPLINGS,
    pack_video_header,
)

VIDEO = VideoHeader(
    model=1,
    prior_hash=b"\x00\x01\x02\x03",
    weights_hash=b"\xfc\xfd\xfe\xff",
    width=416,
    height=240,
    sampling="420",
    matrix="bt601",
    full_range=False,
    fps=Fraction(30),
    time_base=Fraction(1, 30),
    inter_model=2,
    inter_prior_hash=b"\x10\x11\x12\x13",
    inter_weights_hash=b"\xec\xed\xee\xef",
)
FRAMES = (4, 3, 4)


def sample_group(start: int, count: int) -> list[Intra | Inter | Repeat]:
    """An intra frame, inter frames and a repeated one, a tick apart."""
    inter = [Inter(start + i, 4100, 2**32 - i, b"inter %d " % i * i) for i in range(1, count - 1)]
    return [Intra(start, 4000, (Tile(7, b"a picture"),)), *inter, Repeat(start + count - 1)]


def write_video(header, groups, psnr=3300, finish=True) -> bytes:
    """A whole file, or one whose writer was stopped after its last group."""
    stream = BytesIO()
    writer = VideoWriter(stream, header)
    for frames in groups:
        writer.write_group(frames, psnr)
    if finish:
        writer.finish()
    return stream.getvalue()


GROUPS = [sample_group(sum(FRAMES[:n]), count) for n, count in enumerate(FRAMES)]
SAMPLE = write_video(VIDEO, GROUPS)
HEADER = pack_video_header(VIDEO)
SEED = unpack_unsigned(HEADER[-4:])


def bounds(data: bytes) -> list[int]:
    """Where the groups of a whole file begin, and at last where its index does."""
    places = list(open_index(BytesIO(data)).places)
    return [place.offset for place in places] + [places[-1].offset + places[-1].length]


def plain(frames):
    """Frames without the offsets of their tiles, which those not yet written lack."""
    return [
        replace(frame, tiles=tuple(replace(tile, offset=0) for tile in frame.tiles))
        if isinstance(frame, Intra)
        else frame
        for frame in frames
    ]


def read_leniently(data: bytes):
    """Groups one after the other, and the damage that was reported."""
    damage = []
    _, groups = read_groups(BytesIO(data), damage.append)
    return list(groups), damage


def read_by_index(data: bytes):
    """Groups by way of the index, and the damage that was reported."""
    damage = []
    index = open_index(BytesIO(data), damage.append)
    return [index.read_group(n) for n in range(len(index.places))], damage


def build_group(units, header: bytes = HEADER, **values) -> bytes:
    """A group of any units under a header, with the checksums that it would have."""
    size = sum(len(pack_unit(*unit, 0)[0]) for unit in units)
    fields = {"number": 0, "first": 0, "count": 1, "start": 0, "size": size, "psnr": 0} | values
    data = pack_fields("the group", SYNC, GROUP_FIELDS, fields, unpack_unsigned(header[-4:]))
    crc = unpack_unsigned(data[-4:])
    for unit in units:
        packed, crc = pack_unit(*unit, crc)
        data += packed
    return data


ratios = st.builds(Fraction, st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
hashes = st.integers(0, 2**32 - 1)
four_bytes = st.binary(min_size=4, max_size=4)


@st.composite
def video_headers(draw: st.DrawFn, max_side: int = 2**20) -> VideoHeader:
    """Any header that may be written."""
    inter_model = draw(st.sampled_from([0, 2, 255]))
    return VideoHeader(
        model=1,
        prior_hash=draw(four_bytes),
        weights_hash=draw(four_bytes),
        width=draw(st.integers(1, max_side)),
        height=draw(st.integers(1, max_side)),
        sampling=draw(st.sampled_from(list(SAMPLINGS.values()))),
        matrix=draw(st.sampled_from(list(MATRICES.values()))),
        full_range=draw(st.booleans()),
        fps=draw(ratios),
        time_base=draw(ratios),
        aspect=draw(ratios),
        inter_model=inter_model,
        inter_prior_hash=draw(four_bytes) if inter_model else bytes(4),
        inter_weights_hash=draw(four_bytes) if inter_model else bytes(4),
    )


@st.composite
def groups_of(draw: st.DrawFn, header: VideoHeader):
    """Any groups that may be written under a header: up to four of up to four frames."""
    count = header.picture(4000).tile_count
    tiles = st.builds(Tile, hashes, st.binary(max_size=40), st.sampled_from(list(TILE_KINDS)))
    qualities = st.integers(1000, 8000)
    time = draw(st.integers(-(2**62), 2**61))
    groups = []
    for _ in range(draw(st.integers(0, 4))):
        frames = []
        for number in range(draw(st.integers(1, 4))):
            time += draw(st.integers(0, 2**56))
            kinds = "intra", "repeat", *(["inter"] if header.inter_model else [])
            kind = draw(st.sampled_from(kinds)) if number else "intra"
            if kind == "intra":
                drawn = draw(st.lists(tiles, min_size=count, max_size=count))
                frames.append(Intra(time, draw(qualities), tuple(drawn)))
            elif kind == "inter":
                code = draw(st.binary(max_size=200))
                frames.append(Inter(time, draw(qualities), draw(hashes), code))
            else:
                frames.append(Repeat(time))
        groups.append(frames)
    return groups

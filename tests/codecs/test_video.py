"""Whole videos: groups, repeats, cuts, times, damage, other machines; with small models."""

import os
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import otherwise
from flowcodec.bitstream.video_file import Inter, Intra, Repeat, open_index, read_groups
from flowcodec.codecs.groups import LONG
from flowcodec.codecs.loading import load
from flowcodec.codecs.memory import give_back
from flowcodec.codecs.systems.video_mofnet import MofNetModel
from flowcodec.codecs.video import VideoCodec, load_for_video, psnr_of, squared_error
from flowcodec.errors import FormatError, UsageError, WeightsError
from flowcodec.media.video.format import usual_format
from tests.codecs.inter_samples import Still, untrained

FORMAT = usual_format(53, 37, Fraction(25))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_weights):
    """A folder with the weights of both models."""
    found = tmp_path_factory.mktemp("weights")
    (found / "tiny.safetensors").write_bytes(tiny_weights.read_bytes())
    untrained("patch", found)
    return found


@pytest.fixture(scope="module")
def codec(folder):
    from flowcodec.codecs.weights import load_weights

    weights = load_weights(folder / "patch.safetensors")
    inter = MofNetModel(weights, threads=1, estimator=Still())
    return VideoCodec(load(weights=folder / "tiny.safetensors", threads=1), inter)


def clip(count, height=37, width=53, seed=0):
    """A pattern that drifts."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((height, width + 3 * count))
    base = 125 + 60 * np.sin(rows / (5 + seed) + columns / 9)
    whole = np.stack([base, base[::-1], 250 - base], 2) + rng.normal(0, 3, (*base.shape, 3))
    whole = np.clip(np.rint(whole), 0, 255).astype(np.uint8)
    return [np.ascontiguousarray(whole[:, 3 * n : 3 * n + width]) for n in range(count)]


def written(codec, frames, gop=4, quality=4.0, ticks=None, format=FORMAT, jobs=1):
    stream = BytesIO()
    timed = zip(range(len(frames)) if ticks is None else ticks, frames, strict=True)
    done = codec.write(timed, format, stream, quality, gop=gop, jobs=jobs)
    return stream.getvalue(), done


def decoded(codec, data, report=None):
    header, groups = read_groups(BytesIO(data), *([report] if report else []))
    codec.check(header)
    return [
        item
        for group in groups
        for item in codec.decode(header, group, *([report] if report else []))
    ]


def kinds(data):
    _, groups = read_groups(BytesIO(data))
    return [[type(frame) for frame in group.frames] for group in groups]


def test_frames_come_back_with_their_times(codec, folder):
    frames = clip(10)
    ticks = [0, 1, 2, 5, 6, 7, 30, 31, 32, 33]
    data, done = written(codec, frames, ticks=ticks)
    assert (done.frames, done.bytes) == (10, len(data))
    header, _ = read_groups(BytesIO(data))
    other = load_for_video(header, weights=folder, threads=1)
    shown = decoded(other, data)
    assert [tick for tick, _ in shown] == ticks
    error = sum(squared_error(a, b) for a, (_, b) in zip(frames, shown, strict=True))
    assert psnr_of(error, 10 * frames[0].size) == pytest.approx(done.psnr)
    assert kinds(data) == [
        [Intra, Inter, Inter, Inter],
        [Intra, Inter, Inter, Inter],
        [Intra, Inter],
    ]


def test_groups_store_their_quality(codec):
    frames = clip(6)
    data, _ = written(codec, frames, gop=3)
    header, groups = read_groups(BytesIO(data))
    for number, group in enumerate(groups):
        part = frames[3 * number : 3 * number + 3]
        shown = [frame for _, frame in codec.decode(header, group)]
        error = sum(map(squared_error, part, shown))
        assert group.header.psnr / 100 == pytest.approx(psnr_of(error, 3 * part[0].size), abs=0.006)


def test_a_repeated_frame_costs_a_few_bytes(codec):
    frames = clip(3)
    still = [frames[0], frames[1], frames[1], frames[1], frames[2]]
    data, _ = written(codec, still, gop=9)
    assert kinds(data) == [[Intra, Inter, Repeat, Repeat, Inter]]
    without, _ = written(codec, frames, gop=9)
    assert len(data) - len(without) < 20
    shown = [frame for _, frame in decoded(codec, data)]
    np.testing.assert_array_equal(shown[1], shown[3])


def test_a_cut_begins_a_group(codec):
    """Of two scenes that have nothing in common; where the inter model is no good at all."""
    frames = clip(3) + [255 - frame for frame in clip(3, seed=7)]
    data, _ = written(codec, frames, gop=9)
    assert [len(group) for group in kinds(data)] == [3, 3]


def test_a_group_decodes_without_the_others(codec):
    data, _ = written(codec, clip(10))
    index = open_index(BytesIO(data))
    alone = list(codec.decode(index.header, index.read_group(2)))
    for (tick, frame), (other_tick, other) in zip(alone, decoded(codec, data)[8:], strict=True):
        assert tick == other_tick
        np.testing.assert_array_equal(frame, other)


def test_damage_costs_its_group(codec):
    frames = clip(12)
    data, _ = written(codec, frames)
    whole = decoded(codec, data)
    places = [(place.offset, place.length) for place in open_index(BytesIO(data)).places]
    for offset in range(places[1][0], sum(places[1]), 37):
        damaged = bytearray(data)
        damaged[offset] ^= 1 << offset % 8
        found = []
        shown = dict(decoded(codec, bytes(damaged), found.append))
        assert found
        for tick, frame in whole[:4] + whole[8:]:
            np.testing.assert_array_equal(shown[tick], frame)
        with pytest.raises(FormatError):
            decoded(codec, bytes(damaged))


def test_a_file_that_is_cut_decodes_up_to_the_cut(codec):
    data, _ = written(codec, clip(8))
    whole = decoded(codec, data)
    places = list(open_index(BytesIO(data)).places)
    for cut in range(places[0].offset + 1, len(data), 61):
        found = []
        shown = decoded(codec, data[:cut], found.append)
        assert found
        full = sum(place.count for place in places if place.offset + place.length <= cut)
        assert len(shown) >= full
        for (tick, frame), (other_tick, other) in zip(shown, whole, strict=False):
            assert tick == other_tick
            np.testing.assert_array_equal(frame, other)


def test_weights_of_another_file_are_refused(codec, folder, tmp_path):
    data, _ = written(codec, clip(2))
    header, _ = read_groups(BytesIO(data))
    with pytest.raises(WeightsError, match=header.weights_hash.hex()):
        load_for_video(header, weights=tmp_path)
    (tmp_path / "tiny.safetensors").write_bytes((folder / "tiny.safetensors").read_bytes())
    with pytest.raises(WeightsError, match=header.inter_weights_hash.hex()):
        load_for_video(header, weights=tmp_path)


@pytest.mark.parametrize(("quality", "gop", "count"), [(0.5, 4, 2), (4, 0, 2), (4, 4, 0)])
def test_bad_wishes_are_refused(codec, quality, gop, count):
    with pytest.raises(UsageError):
        written(codec, clip(2)[:count], gop=gop, quality=quality)


DECODE = """
import sys
from pathlib import Path
import numpy as np
from benchmarks.otherwise import run_otherwise
from flowcodec.bitstream.video_file import read_groups
from flowcodec.codecs.video import load_for_video

file, weights, threads, out, machine = sys.argv[1:]
if "as drawn" in machine:
    run_otherwise()
with open(file, "rb") as stream:
    header, groups = read_groups(stream)
    codec = load_for_video(header, weights=Path(weights), threads=int(threads))
    frames = [frame for group in groups for _, frame in codec.decode(header, group)]
np.save(out, np.stack(frames))
"""
MACHINES = {"two threads": (2, {}), "as drawn, SSE4.1": (1, otherwise.OPENBLAS)}


@pytest.mark.parametrize("machine", MACHINES)
def test_other_machines_get_the_same_symbols_and_pictures(codec, folder, tmp_path, machine):
    """A frame that stands alone and 95 after it: to and fro, so that differences could add up.

    The hash in each frame, compared while decoding, covers all symbols.
    """
    there = clip(13)
    frames = [there[n % 24 if n % 24 < 13 else 24 - n % 24] for n in range(96)]
    data, _ = written(codec, frames, gop=96)
    ours = [frame for _, frame in decoded(codec, data)]
    file, out = tmp_path / "clip.fcv", tmp_path / "frames.npy"
    file.write_bytes(data)
    threads, settings = MACHINES[machine]
    subprocess.run(
        [sys.executable, "-c", DECODE, file, folder, str(threads), out, machine],
        check=True,
        env={**os.environ, **settings},
        cwd=Path(__file__).parents[2],
    )
    for own, other, source in zip(ours, np.load(out), frames, strict=True):
        psnrs = [psnr_of(squared_error(source, shown), source.size) for shown in (own, other)]
        assert abs(psnrs[0] - psnrs[1]) < 0.05


def test_memory_does_not_grow_with_the_video(codec):
    """NumPy's to the byte, whatever tests before left in the heap; torch's by the process."""
    process, there = psutil.Process(), clip(5, 192, 320)
    resident, traced = [], []
    format = usual_format(320, 192, Fraction(25))

    def frames():
        for number in range(40):
            resident.append(process.memory_info().rss)
            traced.append(tracemalloc.get_traced_memory()[0])
            yield number, there[number % 5].copy()

    give_back()
    tracemalloc.start()
    try:
        codec.write(frames(), format, BytesIO(), gop=6)
    finally:
        tracemalloc.stop()
    assert resident[-1] - resident[16] < 8 * 2**20
    assert max(traced[34:]) - max(traced[10:16]) < 5 * there[0].nbytes


def test_memory_does_not_grow_with_workers_either(folder):
    """Here groups under way are held, in workers one of them; and of a long group a few frames."""
    codec = load("video-mofnet", weights=folder / "patch.safetensors", threads=1)
    process, there = psutil.Process(), clip(5, 192, 320)
    format = usual_format(320, 192, Fraction(25))
    resident, traced = [], []

    def frames(count):
        for number in range(count):
            crew = process.children()
            resident.append(sum(each.memory_info().rss for each in crew) / max(1, len(crew)))
            traced.append(tracemalloc.get_traced_memory()[0])
            yield number, there[number % 5].copy()

    size = there[0].nbytes
    tracemalloc.start()
    try:
        codec.write(frames(72), format, BytesIO(), gop=6, jobs=2)
        assert max(traced[36:]) - max(traced[12:36]) < 5 * size
        assert resident[-1] - resident[36] < 16 * 2**20
        traced.clear()
        codec.write(frames(LONG + 40), format, BytesIO(), gop=2 * LONG, jobs=2)
        assert max(traced[LONG + 20 :]) - max(traced[LONG : LONG + 20]) < 5 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("gop", "wanted"), [(1, [4000] * 4), (2, [4700, 4035] * 2), (4, [4700, 4035, 4070, 4106])]
)
def test_frames_get_the_quality_of_their_place(codec, gop, wanted):
    """Finer where others follow, then rising against what each inherits from the one before."""
    data, _ = written(codec, clip(4), gop=gop)
    _, groups = read_groups(BytesIO(data))
    assert [frame.quality for group in groups for frame in group.frames] == wanted


def test_jobs_are_a_whole_number_of_any_library(codec):
    data, _ = written(codec, clip(2), jobs=np.int64(1))
    assert len(decoded(codec, data)) == 2
    with pytest.raises(UsageError, match="jobs is a whole number"):
        written(codec, clip(2), jobs=2.0)

"""`-j` with videos: the same bytes and frames, whatever the number of workers and threads."""

import json
import os
import subprocess
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest

from flowcodec.bitstream.video_file import read_groups
from flowcodec.codecs.loading import load
from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip, folder  # noqa: F401

FORMAT = usual_format(53, 37, Fraction(25))
ONE, TWO, THREE = ("-j", 1, "--threads", 1), ("-j", 2), ("-j", 3)


@pytest.fixture(scope="module")
def run(flowcodec_command):
    def call(*arguments, status=0, **options):
        done = subprocess.run(
            [*flowcodec_command, *map(str, arguments)], capture_output=True, **options
        )
        assert done.returncode == status, done.stderr.decode()
        return done

    return call


@pytest.fixture(scope="module")
def place(folder, run, tmp_path_factory):  # noqa: F811
    """A clip with a cut and repeated frames, coded in groups of 3, 3, 2, 3 and 1."""
    place = tmp_path_factory.mktemp("place")
    still = clip(8)
    frames = [*still[:3], still[2], *still[3:7], *(255 - frame for frame in clip(4, seed=7))]
    with create_video(place / "clip.y4m", FORMAT) as writer:
        for frame in frames:
            writer.write(frame)
    encode(run, folder, place / "clip.y4m", place / "clip.fcv", "--threads", 1)
    return place


def encode(run, weights, source, target, *words):
    own = weights / "patch.safetensors"
    return run("encode", source, "-o", target, "--gop", 3, "--weights", own, "--json", *words)


def decode(run, weights, source, target, *words, **options):
    return run("decode", source, "-o", target, "--weights", weights, "--json", *words, **options)


def test_the_clip_has_groups_of_all_kinds(place):
    with (place / "clip.fcv").open("rb") as stream:
        lengths = [len(group.frames) for group in read_groups(stream)[1]]
    assert lengths == [3, 3, 2, 3, 1]


@pytest.mark.parametrize("way", [("--threads", 2), TWO, THREE])
def test_files_are_the_same(run, folder, place, tmp_path, way):  # noqa: F811
    done = encode(run, folder, place / "clip.y4m", tmp_path / "a.fcv", *way)
    assert json.loads(done.stdout)["frames"] == 12
    assert (tmp_path / "a.fcv").read_bytes() == (place / "clip.fcv").read_bytes()


@pytest.mark.parametrize(
    "words", [(), ("--start", 0.16), ("--frames", 5), ("--start", 0.2, "--frames", 1)]
)
def test_parts_that_are_verified_are_the_same(run, folder, place, tmp_path, words):  # noqa: F811
    told, shown = [], []
    for number, way in enumerate((ONE, TWO)):
        target = tmp_path / f"{number}.y4m"
        verify = ("--verify", place / "clip.y4m")
        done = decode(run, folder, place / "clip.fcv", target, *verify, *words, *way)
        facts = json.loads(done.stdout)
        told.append({name: facts[name] for name in ("frames", "groups", "verified_groups")})
        shown.append(target.read_bytes())
    assert told[0] == told[1]
    assert told[0]["groups"] == told[0]["verified_groups"]
    assert shown[0] == shown[1]


def test_a_target_leads_to_the_same_file(run, folder, place, tmp_path):  # noqa: F811
    target = (place / "clip.fcv").stat().st_size * 8 // 10
    coded = []
    for number, way in enumerate((ONE, TWO)):
        path = tmp_path / f"{number}.fcv"
        encode(run, folder, place / "clip.y4m", path, "--target-size", target, *way)
        coded.append(path.read_bytes())
    assert coded[0] == coded[1]
    assert len(coded[0]) <= target


def test_damage_is_told_in_order(run, folder, place, tmp_path):  # noqa: F811
    data = bytearray((place / "clip.fcv").read_bytes())
    with (place / "clip.fcv").open("rb") as stream:
        groups = list(read_groups(stream)[1])
    for group in groups[1:4]:
        data[group.offset + group.length - 12] ^= 1  # of the last frame
    (tmp_path / "bad.fcv").write_bytes(data[:-9])  # without a whole index
    told = []
    target = tmp_path / "out.y4m"
    for way in (ONE, TWO):
        done = decode(run, folder, tmp_path / "bad.fcv", target, *way, status=2)
        told.append((done.stderr, json.loads(done.stdout)["damage"], target.read_bytes()))
    assert len(told[0][1]) == 4
    assert told[0] == told[1]


def test_a_damaged_source_gives_what_is_whole(run, folder, place, tmp_path):  # noqa: F811
    data = (place / "clip.y4m").read_bytes()
    (tmp_path / "cut.y4m").write_bytes(data[: len(data) * 3 // 5])
    told = []
    for number, way in enumerate((ONE, TWO)):
        path = tmp_path / f"{number}.fcv"
        own = folder / "patch.safetensors"
        words = ("encode", tmp_path / "cut.y4m", "-o", path, "--gop", 3, "--weights", own, *way)
        told.append((run(*words, "--quiet", status=2).stderr, path.read_bytes()))
    assert told[0] == told[1]
    assert b"it is cut inside frame 7" in told[0][0]


def test_a_source_that_fails_leaves_whole_groups(run, folder, tmp_path):  # noqa: F811
    with create_video(tmp_path / "frames", FORMAT) as writer:
        for frame in clip(8):
            writer.write(frame)
    with create_video(tmp_path / "other", usual_format(20, 20, Fraction(25))) as writer:
        writer.write(clip(1, 20, 20)[0])
    last = sorted((tmp_path / "frames").iterdir())[-1]
    next((tmp_path / "other").iterdir()).rename(last)
    told = []
    for number, way in enumerate((ONE, TWO)):
        path = tmp_path / f"{number}.fcv"
        own = folder / "patch.safetensors"
        words = ("encode", tmp_path / "frames", "-o", path, "--gop", 3, "--weights", own, *way)
        lines = run(*words, "--quiet", status=2).stderr.decode().splitlines()
        part = path.with_name(path.name + ".part").read_bytes()
        told.append((lines[-1], len(lines), part))
        assert not path.exists()
    assert told[0] == told[1]
    assert "all must have one size" in told[0][0]
    with (tmp_path / "1.fcv.part").open("rb") as stream:
        assert [len(g.frames) for g in read_groups(stream, lambda damage: None)[1]] == [3, 3]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_told_in_one_line(run, folder, place):  # noqa: F811
    own = folder / "patch.safetensors"
    words = ("encode", place / "clip.y4m", "-o", "/dev/full", "--gop", 3, "--weights", own, "-j", 2)
    (line,) = run(*words, status=2).stderr.decode().splitlines()
    assert "No space left on device" in line


def test_python_callers_have_it_too(folder, place):  # noqa: F811
    codec = load("video-mofnet", weights=folder / "patch.safetensors", threads=1)
    stream = BytesIO()
    with open_video(place / "clip.y4m") as video:
        codec.write(video.timed, video.format, stream, gop=3, ending=lambda: video.ending, jobs=2)
    assert stream.getvalue() == (place / "clip.fcv").read_bytes()
    stream.seek(0)
    alone = list(codec.read(stream))
    stream.seek(0)
    for (tick, frame), (other_tick, other) in zip(alone, codec.read(stream, jobs=2), strict=True):
        assert tick == other_tick
        np.testing.assert_array_equal(frame, other)

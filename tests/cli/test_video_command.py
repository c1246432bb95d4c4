"""`flowcodec encode` and `decode` of videos, by the command itself."""

import json
import os
import signal
import subprocess
import time
from fractions import Fraction

import numpy as np
import pytest

from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip, folder  # noqa: F401

FORMAT = usual_format(53, 37, Fraction(25))


@pytest.fixture(scope="module")
def run(flowcodec_command, folder):  # noqa: F811
    def call(*arguments, status=0, **options):
        done = subprocess.run(
            [*flowcodec_command, *map(str, arguments)], capture_output=True, **options
        )
        assert done.returncode == status, done.stderr.decode()
        return done

    return call


def video(path, count=6):
    with create_video(path, FORMAT) as writer:
        for frame in clip(count):
            writer.write(frame)
    return path


def frames_of(path):
    with open_video(path) as found:
        return list(found.timed), found.format


def test_there_and_back(run, folder, tmp_path):  # noqa: F811
    source = video(tmp_path / "clip.mkv")
    done = run(
        "encode", source, "-q", 6, "--gop", 4, "--weights", folder / "patch.safetensors", "--json"
    )
    told = json.loads(done.stdout)
    assert told["frames"] == 6
    assert told["bytes"] == (tmp_path / "clip.fcv").stat().st_size
    back = tmp_path / "back.mkv"
    done = run(
        "decode", tmp_path / "clip.fcv", "-o", back, "--lossless", "--weights", folder,
        "--verify", source, "--json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["frames"], told["verified_groups"], told["damage"]) == (6, 2, [])
    (there, format), (here, other) = frames_of(source), frames_of(back)
    assert (other.sampling, other.matrix) == (format.sampling, format.matrix)
    assert [tick * other.time_base for tick, _ in here] == pytest.approx(
        [tick * format.time_base for tick, _ in there]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.mkv", "clip.fcv", "clip.mkv"]


def test_info_says_where_the_bytes_went(run, folder, tmp_path):  # noqa: F811
    source = video(tmp_path / "clip.mkv", 6)
    run("encode", source, "--gop", 4, "--weights", folder / "patch.safetensors", "--quiet")
    (told,) = json.loads(run("info", tmp_path / "clip.fcv", "--json").stdout)
    size = (tmp_path / "clip.fcv").stat().st_size
    assert (told["kind"], told["frames"], told["bytes"]) == ("video", 6, size)
    assert told["kinds"] == {"intra": 2, "inter": 4}
    assert sum(told["parts"].values()) == size
    assert told["parts"]["framing"] + told["parts"]["header and index"] < 60 * 6
    assert [group["frames"] for group in told["groups"]] == [4, 2]
    text = run("info", tmp_path / "clip.fcv").stdout.decode()
    assert "6 in 2 groups: 4 inter, 2 intra" in text
    data = bytearray((tmp_path / "clip.fcv").read_bytes())
    data[size // 2] ^= 4
    (tmp_path / "bad.fcv").write_bytes(data)
    assert b"bad.fcv" in run("info", tmp_path / "bad.fcv", status=2).stderr


def test_pipes_on_both_sides(run, folder, tmp_path):  # noqa: F811
    y4m = video(tmp_path / "clip.y4m").read_bytes()
    weights = folder / "patch.safetensors"
    coded = run("encode", "-", "-o", tmp_path / "a.fcv", "--weights", weights, input=y4m)
    assert b"6 frames" in coded.stdout
    shown = run("decode", tmp_path / "a.fcv", "-o", "-", "--weights", folder)
    assert shown.stdout.startswith(b"YUV4MPEG2 W53 H37 F25:1 ")
    assert len(shown.stdout) == len(y4m)
    shown = run("decode", tmp_path / "a.fcv", "-o", tmp_path / "frames", "--weights", folder)
    assert len(list((tmp_path / "frames").glob("*.png"))) == 6


def test_a_part_of_a_video(run, folder, tmp_path):  # noqa: F811
    source = video(tmp_path / "clip.mkv", 10)
    run("encode", source, "--gop", 4, "--weights", folder / "patch.safetensors")
    run("decode", tmp_path / "clip.fcv", "-o", tmp_path / "all.y4m", "--weights", folder)
    run(
        "decode", tmp_path / "clip.fcv", "-o", tmp_path / "part.y4m", "--weights", folder,
        "--start", 0.2, "--frames", 3,
    )  # fmt: skip
    whole, part = frames_of(tmp_path / "all.y4m")[0], frames_of(tmp_path / "part.y4m")[0]
    assert len(part) == 3
    for (_, frame), (_, other) in zip(whole[5:8], part, strict=True):
        np.testing.assert_array_equal(frame, other)


def test_a_video_comes_to_its_size(run, folder, tmp_path):  # noqa: F811
    source = video(tmp_path / "clip.mkv", 24)
    weights = folder / "patch.safetensors"
    sizes = []
    for quality in (2, 7):
        done = run("encode", source, "-q", quality, "--gop", 4, "--weights", weights, "--json")
        sizes.append(json.loads(done.stdout)["bytes"])
    target = sum(sizes) // 2
    run("encode", source, "--target-size", target, "--gop", 4, "--weights", weights, "--quiet")
    assert 0.95 * target <= (tmp_path / "clip.fcv").stat().st_size <= target
    bpp = 8 * target / (53 * 37 * 24)
    done = run("encode", source, "--target-bpp", bpp, "--gop", 24, "--weights", weights, "--json")
    assert 0.95 * bpp <= json.loads(done.stdout)["bpp"] <= bpp


def test_a_size_out_of_reach_is_told(run, folder, tmp_path):  # noqa: F811
    source = video(tmp_path / "clip.mkv", 6)
    weights = folder / "patch.safetensors"
    wish = ("encode", source, "--gop", 2, "--weights", weights)
    done = run(*wish, "--target-size", 200, status=2)
    assert b"clip.mkv: cannot be coded in 200 bytes: at quality 1, 4 of its 6 frames" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]
    done = run(*wish, "--target-size", "1M")
    size = (tmp_path / "clip.fcv").stat().st_size
    assert f"quality 8, the highest, takes {size:,} of the 1,000,000 bytes" in done.stderr.decode()
    best = run(*wish, "-q", 8, "--json")
    assert json.loads(best.stdout)["bytes"] == size


def test_damage_is_told_and_the_rest_decodes(run, folder, tmp_path):  # noqa: F811
    source = video(tmp_path / "clip.mkv", 8)
    run("encode", source, "--gop", 4, "--weights", folder / "patch.safetensors")
    data = bytearray((tmp_path / "clip.fcv").read_bytes())
    data[len(data) // 2 + 40] ^= 1
    (tmp_path / "bad.fcv").write_bytes(data)
    done = run(
        "decode", tmp_path / "bad.fcv", "-o", tmp_path / "bad.y4m", "--weights", folder, status=2
    )
    assert b"warning" in done.stderr
    assert b"bad.fcv is damaged" in done.stderr.splitlines()[-1]
    assert 4 <= len(frames_of(tmp_path / "bad.y4m")[0]) < 8


def test_a_killed_encoder_leaves_its_groups(flowcodec_command, run, folder, tmp_path):  # noqa: F811
    y4m = video(tmp_path / "clip.y4m", 8).read_bytes()
    process = subprocess.Popen(
        [*flowcodec_command, "encode", "-", "-o", str(tmp_path / "a.fcv"), "--gop", "2",
         "--weights", str(folder / "patch.safetensors"), "--quiet"],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    head, frame = y4m.partition(b"\n")[0], len(b"FRAME\n") + FORMAT.frame_bytes
    process.stdin.write(y4m[: len(head) + 1 + 7 * frame])
    process.stdin.flush()
    part = tmp_path / "a.fcv.part"
    for _ in range(1200):
        if part.exists() and part.stat().st_size > 500:
            break
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a.fcv").exists()
    done = run("decode", part, "-o", tmp_path / "rest.y4m", "--weights", folder, status=2)
    assert b"warning" in done.stderr
    assert len(frames_of(tmp_path / "rest.y4m")[0]) >= 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("encode", "{clip}", "{clip}"), "alone"),
        (("encode", "{clip}", "--target-psnr", "30"), "--target-psnr is for pictures"),
        (("encode", "{clip}", "-o", "{clip}"), "overwritten"),
        (("encode", "none.mp4"), "none.mp4"),
        (("decode", "none.fcv"), "none.fcv"),
        (("decode", "{clip}.fcv", "--start", "1"), "not a flowcodec file"),
        (("encode", "photo.png", "--gop", "3"), "--gop is for videos"),
    ],
)
def test_bad_wishes_get_one_line(run, tmp_path, arguments, text):
    source = video(tmp_path / "clip.mkv", 2)
    (tmp_path / "clip.mkv.fcv").write_bytes(b"something else")
    done = run(*(word.format(clip=source) for word in arguments), status=2, cwd=tmp_path)
    assert text in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_raw_planes_are_coded_as_the_same_y4m_is(run, folder, tmp_path):  # noqa: F811
    weights = folder / "patch.safetensors"
    source = video(tmp_path / "clip.y4m", 3)
    frame = 53 * 37 + 2 * 27 * 19  # bytes
    _, data = source.read_bytes().split(b"\n", 1)
    starts = range(len(b"FRAME\n"), len(data), len(b"FRAME\n") + frame)
    planes = tmp_path / "planes.yuv"
    planes.write_bytes(b"".join(data[start : start + frame] for start in starts))
    coded = [tmp_path / name for name in ("y4m.fcv", "raw.fcv")]
    run("encode", source, "-o", coded[0], "--weights", weights)
    run("encode", planes, "-o", coded[1], "--raw", "53x37:420:25", "--weights", weights)
    shown = []
    for path in coded:
        back = tmp_path / f"{path.stem}.mkv"
        run("decode", path, "-o", back, "--lossless", "--weights", folder)
        shown.append([frame for _, frame in frames_of(back)[0]])
    assert len(shown[1]) == 3
    assert np.array_equal(*shown)


@pytest.mark.parametrize(
    "text", ["53x37:420", "53x37:410:25", "0x37:420:25", "53x37:420:25:srgb", "53x37:420:0"]
)
def test_a_wrong_format_of_raw_planes_is_told(run, tmp_path, text):
    (tmp_path / "planes.yuv").write_bytes(bytes(10))
    done = run("encode", tmp_path / "planes.yuv", "--raw", text, status=2)
    (line,) = done.stderr.decode().splitlines()
    assert text in line

"""Where coded videos go: names, folders, devices, pipes, and OUT.part."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from fractions import Fraction

import pytest

from flowcodec.cli.main import main
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip, folder  # noqa: F401

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix files")

FORMAT = usual_format(53, 37, Fraction(25))


@pytest.fixture(scope="module")
def weights(folder):  # noqa: F811
    return {"encode": folder / "patch.safetensors", "decode": folder}


@pytest.fixture
def run(weights, capsys):
    """Runs the command in this process: status, stdout, stderr."""

    def call(command, *words):
        own = ["--weights", str(weights[command])] if command in weights else []
        status = main([command, *map(str, words), *own])
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "clip.y4m"
    with create_video(path, FORMAT) as writer:
        for frame in clip(6):
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def coded(source, weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("coded") / "clip.fcv"
    words = ["encode", str(source), "-o", str(path), "--gop", "2", "--quiet"]
    assert main([*words, "--weights", str(weights["encode"])]) == 0
    return path


def frames_in(path):
    with open_video(path) as video:
        return sum(1 for _ in video.frames)


def read_in_background(path):
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    return reader, got


def test_a_device_stays_a_device(run, source, coded, tmp_path):
    null = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes device nodes")
    assert run("encode", source, "-o", null)[0] == 0
    assert run("decode", coded, "-o", null)[0] == 0
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert list(tmp_path.iterdir()) == [null]


@pytest.mark.parametrize("target", [[], ["--target-size", "1500"]])
def test_a_fifo_gets_the_file(run, source, tmp_path, target):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader, got = read_in_background(pipe)
    status, _, err = run("encode", source, "-o", pipe, "--gop", 2, *target)
    reader.join(60)
    assert (status, err) == (0, "")
    (tmp_path / "got.fcv").write_bytes(got[0])
    assert json.loads(run("info", tmp_path / "got.fcv", "--json")[1])[0]["frames"] == 6
    assert not target or len(got[0]) <= 1500
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m", ""])
def test_a_fifo_gets_a_video_that_plays(run, coded, tmp_path, suffix):
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    reader, got = read_in_background(pipe)
    assert run("decode", coded, "-o", pipe)[0] == 0
    reader.join(60)
    (tmp_path / "got").write_bytes(got[0])
    assert frames_in(tmp_path / "got") == 6
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_dev_stdout_is_standard_output(flowcodec_command, weights, source):
    words = ["encode", str(source), "-o", "/dev/stdout", "--weights", str(weights["encode"])]
    done = subprocess.run([*flowcodec_command, *words], capture_output=True)
    assert done.stdout.startswith(b"\xfcFC") and b"6 frames" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["full.mkv", "full.mp4", "full.y4m", "full"])
def test_a_full_disk_is_one_line(run, source, coded, tmp_path, name):
    (tmp_path / name).symlink_to("/dev/full")
    target = tmp_path / name
    command, given = ("encode", source) if name == "full" else ("decode", coded)
    status, out, err = run(command, given, "-o", target)
    assert (status, out) == (2, "")
    assert err == f"flowcodec: error: cannot write {target}: No space left on device\n"


def test_a_link_stays_and_its_file_is_replaced(run, source, tmp_path):
    (tmp_path / "deep").mkdir()
    link = tmp_path / "link.fcv"
    link.symlink_to("deep/real.fcv")
    assert run("encode", source, "-o", link)[0] == 0
    real = tmp_path / "deep" / "real.fcv"
    real.chmod(0o640)
    assert run("encode", source, "-o", link, "-q", 2)[0] == 0
    assert link.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["real.fcv"]


@pytest.mark.parametrize(
    ("command", "name", "why"),
    [
        ("encode", "there.fcv", "is a folder"),
        ("encode", "new/", "is a folder"),
        ("encode", "file/clip.fcv", "Not a directory"),
        ("encode", "holiday.mp4", "holiday.mp4 would hold a .fcv file"),
        ("encode", "holiday.FCI", "holiday.FCI would hold a .fcv file"),
        ("decode", "there.mp4", "is a folder"),
        ("decode", "there.y4m", "is a folder"),
        ("decode", "full", "is there already"),
        ("decode", "file", "several files need a folder"),
        ("decode", "file/clip.mp4", "Not a directory"),
        ("decode", "clip.png", "cannot tell a video format"),
    ],
)
def test_an_output_that_cannot_be_is_told_before_work(
    run, source, coded, tmp_path, monkeypatch, command, name, why
):
    for made in ("there.fcv", "there.mp4", "there.y4m", "full/of"):
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))

    def no_work(*words, **more):
        raise AssertionError("weights are loaded")

    monkeypatch.setattr("flowcodec.codecs.loading.load", no_work)
    monkeypatch.setattr("flowcodec.codecs.video.load_for_video", no_work)
    given = source if command == "encode" else coded
    status, out, err = run(command, given, "-o", f"{tmp_path}/{name}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert why in err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_that_is_there_is_filled(run, coded, tmp_path):
    there = tmp_path / "there"
    there.mkdir(mode=0o750)
    inode = there.stat().st_ino
    assert run("decode", coded, "-o", there)[0] == 0
    assert (len(list(there.iterdir())), there.stat().st_ino) == (6, inode)
    assert run("decode", coded, "-o", f"{tmp_path}/new.d/")[0] == 0
    assert len(list((tmp_path / "new.d").glob("*.png"))) == 6


def test_nothing_is_claimed_where_no_group_was_coded(run, source, tmp_path):
    cut = tmp_path / "cut.y4m"
    cut.write_bytes(source.read_bytes()[:60])
    status, _, err = run("encode", cut, "-o", tmp_path / "out.fcv")
    assert status == 2
    assert "coded so far" not in err
    assert list(tmp_path.iterdir()) == [cut]


def test_a_failed_encoder_says_where_its_groups_are(run, source, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    for number, frame in enumerate([*clip(5), clip(1, 30, 20)[0]]):
        write_picture(Picture(frame), bad / f"{number}.png")
    status, _, err = run("encode", bad, "-o", tmp_path / "out.fcv", "--gop", 2)
    part = tmp_path / "out.fcv.part"
    assert status == 2 and f"What was coded so far is in {part}." in err
    assert sorted(tmp_path.iterdir()) == [bad, part]
    status, out, _ = run("info", part, "--json")
    (told,) = json.loads(out)
    assert (status, told["frames"], told["whole"], told["damage"]) == (0, 4, False, [])
    assert "unfinished" in run("info", part)[1]
    status, _, err = run("decode", part)
    assert status == 2 and frames_in(tmp_path / "out.mp4") == 4

    # Another run that fails at once leaves it, one that works replaces it.
    assert run("encode", tmp_path / "missing.mp4", "-o", tmp_path / "out.fcv")[0] == 2
    assert json.loads(run("info", part, "--json")[1])[0]["frames"] == 4
    assert run("encode", source, "-o", tmp_path / "out.fcv", "--gop", 2)[0] == 0
    assert not part.exists()
    assert run("info", tmp_path / "out.fcv")[0] == 0


def test_a_part_of_something_else_is_not_replaced(run, source, tmp_path):
    part = tmp_path / "out.fcv.part"
    part.write_bytes(b"half a download")
    status, _, err = run("encode", source, "-o", tmp_path / "out.fcv")
    assert status == 2 and f"{part} is there and no video of ours" in err
    assert part.read_bytes() == b"half a download"


def test_two_encoders_to_one_output_do_not_mix(flowcodec_command, run, weights, source, tmp_path):
    data = source.read_bytes()
    words = ["encode", "-", "-o", str(tmp_path / "a.fcv"), "--gop", "2", "--quiet"]
    first = subprocess.Popen(
        [*flowcodec_command, *words, "--weights", str(weights["encode"])], stdin=subprocess.PIPE
    )
    assert first.stdin is not None
    first.stdin.write(data[: len(data) // 2])
    first.stdin.flush()
    part = tmp_path / "a.fcv.part"
    for _ in range(1200):
        if part.exists() and part.stat().st_size:
            break
        assert first.poll() is None
        time.sleep(0.05)
    status, _, err = run("encode", source, "-o", tmp_path / "a.fcv")
    assert status == 2 and err.count("\n") == 1
    assert f"{part} is being written by another encoder" in err
    first.communicate(data[len(data) // 2 :])
    assert first.returncode == 0
    assert run("info", tmp_path / "a.fcv")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.fcv"]


def test_a_terminated_encoder_leaves_its_groups(flowcodec_command, run, weights, source, tmp_path):
    data = source.read_bytes()
    words = ["encode", "-", "-o", str(tmp_path / "a.fcv"), "--gop", "2"]
    process = subprocess.Popen(
        [*flowcodec_command, *words, "--weights", str(weights["encode"])],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(data[: 5 * len(data) // 6])
    process.stdin.flush()
    part = tmp_path / "a.fcv.part"
    for _ in range(1200):
        if part.exists() and part.stat().st_size > 300:
            break
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert b"What was coded so far is in" in err
    assert json.loads(run("info", part, "--json")[1])[0]["frames"] >= 2

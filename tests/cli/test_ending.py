"""Whatever ends the command: soon no process and no unfinished file is left."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import flowcodec
from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.bitstream.video_file import read_groups
from flowcodec.errors import FormatError
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video.format import usual_format
from tests.training.pictures import draw

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix signals")

SOON = 3  # seconds: what users are promised
PATIENCE = 60  # for things to begin
LARGE = 5  # pictures of the folder that take long, after a small one


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder whose first picture is coded at once and whose others take seconds each."""
    folder = tmp_path_factory.mktemp("pictures")
    write_picture(Picture(draw(1, 40, 50)), folder / "0.png")
    noise = np.random.default_rng(1).integers(0, 256, (1100, 1500, 3), np.uint8)
    write_picture(Picture(draw(2, 1100, 1500) // 2 + noise // 2), folder / "1.png")
    for number in range(2, LARGE + 1):
        shutil.copy(folder / "1.png", folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def coded(pictures, tmp_path_factory):
    """The same as .fci files."""
    folder = tmp_path_factory.mktemp("coded")
    codec = flowcodec.load(threads=1)
    for name in ("0", "1"):
        data = codec.encode(
            flowcodec.read_picture(pictures / f"{name}.png"), kinds=["learned"]
        ).data
        (folder / f"{name}.fci").write_bytes(data)
    for number in range(2, LARGE + 1):
        shutil.copy(folder / "1.fci", folder / f"{number}.fci")
    return folder


@pytest.fixture(scope="module")
def video():
    """A .fcv file of eight groups, as bytes."""
    codec = flowcodec.load("video-mofnet", threads=1)
    stream = BytesIO()
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(8)]
    codec.write(enumerate(frames), usual_format(64, 48, Fraction(25), "420"), stream, 7.0, gop=1)
    assert len(stream.getvalue()) > 20_000  # more than is read to see what it is
    return stream.getvalue()


class Running:
    """The command at work, in a process group of its own, as a terminal would start it."""

    def __init__(self, command, words, place, **options):
        self.place = place
        self.process = subprocess.Popen(
            [*command, *map(str, words)],
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )

    def wait_for(self, condition):
        begun = time.monotonic()
        while not condition():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            assert time.monotonic() - begun < PATIENCE
            time.sleep(0.02)
        everyone = psutil.Process(self.process.pid)
        self.all = [everyone, *everyone.children(recursive=True)]

    @property
    def workers(self):
        """Processes that do jobs."""
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has just ended
                if "spawn_main" in " ".join(each.cmdline()):
                    found.append(each)
        return found

    def ends_after(self, how):
        """Send what ends it, and return the exit status; all processes are gone soon."""
        pid = self.process.pid
        match how:
            case "Ctrl-C":
                os.killpg(pid, signal.SIGINT)
            case "Ctrl-C twice":
                os.killpg(pid, signal.SIGINT)
                time.sleep(0.1)
                os.killpg(pid, signal.SIGINT)
            case "SIGTERM to all":
                os.killpg(pid, signal.SIGTERM)
            case _:
                os.kill(pid, getattr(signal, how))
        _, alive = psutil.wait_procs(self.all[1:], SOON)
        assert alive == []
        return self.process.wait(SOON)


@pytest.fixture
def start(flowcodec_command, tmp_path):
    """Starts the command in a folder of its own; nothing outlives the test."""
    started = []

    def call(*words, **options):
        started.append(Running(flowcodec_command, words, tmp_path, **options))
        return started[-1]

    yield call
    for running in started:
        with running.process as process:
            for each in getattr(running, "all", []):
                if each.is_running():
                    each.kill()
            process.kill()


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


STATUS = {
    "Ctrl-C": 130,
    "Ctrl-C twice": 130,
    "SIGTERM": 143,
    "SIGTERM to all": 143,
    "SIGHUP": 129,
    "SIGKILL": -9,
}


@pytest.mark.parametrize(
    ("command", "jobs", "how"),
    [
        ("encode", 1, "Ctrl-C"),
        ("encode", 1, "SIGKILL"),
        ("encode", 4, "Ctrl-C twice"),
        ("encode", 2, "SIGTERM"),
        ("encode", 2, "SIGKILL"),
        ("decode", 1, "Ctrl-C twice"),
        ("decode", 1, "SIGTERM"),
        ("decode", 2, "Ctrl-C"),
        ("decode", 2, "SIGTERM to all"),
        ("decode", 2, "SIGHUP"),
        ("decode", 2, "SIGKILL"),
    ],
)
def test_folders_of_pictures(start, pictures, coded, tmp_path, command, jobs, how):
    source = pictures if command == "encode" else coded
    running = start(command, source, "-o", "out", "-j", jobs, "--threads", 1)
    suffix = "fci" if command == "encode" else "png"
    running.wait_for((tmp_path / "out" / f"0.{suffix}").exists)
    assert running.ends_after(how) == STATUS[how]
    assert running.process.stderr.read() == b""
    done = files_in(tmp_path / "out")
    assert done[0] == f"0.{suffix}"
    assert len(done) < LARGE
    for name in done:
        path = tmp_path / "out" / name
        if command == "encode":
            parse_picture(path.read_bytes())
        else:
            with Image.open(path) as picture:
                picture.load()


@pytest.mark.parametrize(
    ("target", "how"),
    [
        ("out.mkv", "Ctrl-C"),
        ("out.mkv", "SIGKILL"),
        ("out.mp4", "SIGHUP"),
        ("frames", "SIGTERM"),
        ("frames", "SIGKILL"),
    ],
)
def test_decoding_of_a_video(start, video, tmp_path, target, how):
    running = start("decode", "-", "-o", target, "--threads", 1, stdin=subprocess.PIPE)
    running.process.stdin.write(video[: len(video) // 2])  # the rest never comes
    running.process.stdin.flush()
    pipe = running.process.stdin

    with pipe:
        running.wait_for(lambda: is_asleep(running.process.pid))
        assert len(files_in(tmp_path)) == (4 if target == "frames" else 0)
        assert running.ends_after(how) == STATUS[how]
    assert files_in(tmp_path) == []
    assert [path for path in tmp_path.iterdir() if path.name != "frames"] == []


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGKILL"])
def test_encoding_of_a_video_leaves_its_part_alone(start, tmp_path, how):
    running = start(
        *("encode", "-", "-o", "out.fcv", "--gop", 1, "--threads", 1), stdin=subprocess.PIPE
    )
    with running.process.stdin as pipe:
        pipe.write(HEAD + FRAME * 3)
        pipe.flush()
        part = tmp_path / "out.fcv.part"
        running.wait_for(lambda: part.exists() and part.stat().st_size > 100)
        assert running.ends_after(how) == STATUS[how]
    assert files_in(tmp_path) in (["out.fcv.part"], [])


HEAD = b"YUV4MPEG2 W64 H64 F25:1 C420mpeg2\n"
FRAME = b"FRAME\n" + bytes(range(96)) * 64


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM to all", "SIGKILL"])
def test_encoding_side_by_side(start, tmp_path, how):
    """Five groups can be coded; the last wait until those after them have been read."""
    before = shared_memory()
    running = start("encode", "-", "-o", "out.fcv", "--gop", 2, "-j", 2, stdin=subprocess.PIPE)
    with running.process.stdin as pipe:
        pipe.write(HEAD + FRAME * 11)
        pipe.flush()
        part = tmp_path / "out.fcv.part"
        running.wait_for(lambda: part.exists() and groups_in(part) == [2] * 3)
        running.wait_for(lambda: all(is_asleep(each.pid) for each in running.workers))
        assert running.ends_after(how) == STATUS[how]
    assert files_in(tmp_path) == ["out.fcv.part"]
    assert len(groups_in(part)) in ((3,) if how == "SIGKILL" else (4, 5))
    told = running.process.stderr.read().decode()
    assert told == ("" if how == "SIGKILL" else f"What was coded so far is in {part}.\n")
    assert shared_memory() == before


@pytest.mark.parametrize("how", ["Ctrl-C twice", "SIGTERM", "SIGKILL"])
def test_decoding_side_by_side(start, video, tmp_path, how):
    before = shared_memory()
    running = start("decode", "-", "-o", "out.mkv", "-j", 2, stdin=subprocess.PIPE)
    with running.process.stdin as pipe:
        pipe.write(video[: len(video) // 2])  # the rest never comes
        pipe.flush()
        running.wait_for(lambda: len(running.workers) == 2)
        running.wait_for(lambda: all(is_asleep(each.pid) for each in running.workers))
        assert running.ends_after(how) == STATUS[how]
    assert files_in(tmp_path) == []
    assert running.process.stderr.read() == b""
    assert shared_memory() == before


@pytest.fixture(scope="module")
def noise():
    """A clip of 24 frames as y4m, of which each takes a while."""
    rng = np.random.default_rng(1)
    frames = (b"FRAME\n" + rng.bytes(6 * 192 * 256 // 4) for _ in range(24))
    return b"YUV4MPEG2 W256 H192 F25:1 C420mpeg2\n" + b"".join(frames)


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_worker_that_is_killed_ends_a_video(start, noise, tmp_path, command):
    (tmp_path / "clip.y4m").write_bytes(noise)
    words = ("encode", "clip.y4m", "-o", "clip.fcv", "--gop", 4)
    part = tmp_path / "clip.fcv.part"
    if command == "decode":
        assert start(*words, "--threads", 1).process.wait(PATIENCE) == 0
        words = ("decode", "clip.fcv", "-o", "frames")
    begun = files_in(tmp_path)
    running = start(*words, "-j", 2)
    running.wait_for(lambda: groups_in(part) or len(files_in(tmp_path)) > len(begun) + 1)
    for each in running.workers:
        each.kill()
    assert running.process.wait(PATIENCE) == 2
    *more, line = running.process.stderr.read().decode().splitlines()
    assert line.startswith("flowcodec: error: a worker was ended, ")
    if command == "encode":
        assert more == [f"What was coded so far is in {part}."]
        assert set(groups_in(part)) == {4}
    else:
        assert (more, files_in(tmp_path)) == ([], begun)


def groups_in(path: Path) -> list[int]:
    with contextlib.suppress(FormatError, FileNotFoundError), path.open("rb") as stream:
        return [len(group.frames) for group in read_groups(stream, lambda damage: None)[1]]
    return []


def shared_memory() -> set[str]:
    """Names of what processes share on Linux."""
    return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()


def is_asleep(pid: int) -> bool:
    """Whether a process uses no time for a while: it waits for its input."""
    before = sum(psutil.Process(pid).cpu_times()[:2])
    time.sleep(0.3)
    return before > 0.3 and sum(psutil.Process(pid).cpu_times()[:2]) == before


def test_a_worker_that_is_killed_costs_its_picture_only(start, pictures, tmp_path):
    """Each of two workers has done nothing or one picture, and waits for one that never comes."""
    for folder in ("first", "last"):
        (tmp_path / folder).mkdir()
    shutil.copy(pictures / "0.png", tmp_path / "first")
    write_picture(Picture(draw(5, 30, 30)), tmp_path / "last" / "3.png")
    pipes = [tmp_path / "1.png", tmp_path / "2.png"]
    for pipe in pipes:
        os.mkfifo(pipe)
    running = start(
        "encode", "first", "1.png", "2.png", "last", "-o", "out", "-j", 2, "--threads", 1
    )
    writing: dict[Path, int] = {}

    def are_read() -> bool:
        for pipe in set(pipes).difference(writing):
            with contextlib.suppress(OSError):  # nobody reads it yet
                writing[pipe] = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        return len(writing) == len(pipes)

    running.wait_for(are_read)
    for each in running.workers:
        each.kill()
    for number in writing.values():
        os.close(number)
    assert running.process.wait(PATIENCE) == 2
    *errors, summary = running.process.stderr.read().decode().splitlines()
    told = "a worker was ended, most likely for want of memory; lower -j"
    assert errors == [f"flowcodec: error: {number}.png: {told}" for number in (1, 2)]
    assert summary == "flowcodec: 2 coded, 2 failed"
    assert files_in(tmp_path / "out") == ["0.fci", "3.fci"]


def test_a_long_call_does_not_keep_the_command(tmp_path):
    code = (
        "import ctypes, sys; from flowcodec.cli.process import own_process; own_process()\n"
        "print(flush=True); ctypes.CDLL(None).sleep(30)"  # Python handles no signal meanwhile
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        while process.poll() is None and time.monotonic() - began < 20:
            time.sleep(0.05)
            process.send_signal(signal.SIGCONT)
        assert process.poll() == 143


def test_a_signal_that_is_ignored_stays_so(flowcodec_command, tmp_path, pictures):
    words = " ".join([*flowcodec_command, "encode", str(pictures / "0.png"), "-o", "out.fci"])
    subprocess.run(
        ["sh", "-c", f"trap '' HUP; {words} --quiet & sleep 0.3; kill -HUP $!; wait $!"],
        cwd=tmp_path,
        check=True,
    )
    assert (tmp_path / "out.fci").exists()


def test_libraries_say_nothing():
    code = (
        "from flowcodec.cli.process import own_process; own_process()\n"
        "import logging, warnings; warnings.warn('odd'); logging.getLogger('PIL').error('odd')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")

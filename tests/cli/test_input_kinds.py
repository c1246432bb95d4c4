"""Inputs are what their first bytes say, also from pipes; names that lie are refused."""

import io
import os
import subprocess
import sys
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from flowcodec.cli.main import main
from flowcodec.media.kinds import HEAD_BYTES, kind_of
from flowcodec.media.peeking import peeked
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip, folder  # noqa: F401
from tests.training.pictures import draw

FORMAT = usual_format(53, 37, Fraction(25))


@pytest.fixture(scope="module")
def files(folder, tmp_path_factory):  # noqa: F811
    """A photo and a clip in several kinds, and what they become."""
    place = tmp_path_factory.mktemp("kinds")
    write_picture(Picture(draw(3, 40, 50)), place / "photo.png")
    for name in ("clip.y4m", "clip.mkv", "clip.mp4"):
        with create_video(place / name, FORMAT) as writer:
            for frame in clip(3):
                writer.write(frame)
    for source, weights in (("photo.png", "tiny"), ("clip.y4m", "patch")):
        words = ["encode", str(place / source), "--quiet"]
        assert main([*words, "--weights", str(folder / f"{weights}.safetensors")]) == 0
    return place


@pytest.fixture
def run(folder, capfdbinary, monkeypatch):  # noqa: F811
    """Runs the command in this process: status, stdout, stderr. stdin: bytes or a file."""

    def call(command, *words, stdin=b"", weights=None):
        stream = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        weights = weights or ("patch.safetensors" if command == "encode" else "")
        own = ["--weights", str(folder / weights)]
        status = main([command, *map(str, words), *(own if command != "info" else [])])
        sys.stdout.flush()
        told = capfdbinary.readouterr()
        return status, told.out, told.err.decode()

    return call


def pipe_of(data, pieces=1):
    """An open pipe that gives bytes bit by bit."""
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb", buffering=0) as stream:
            for start in range(0, 4 * pieces, pieces):
                stream.write(data[start : start + pieces])
            stream.write(data[4 * pieces :])

    threading.Thread(target=write, daemon=True).start()
    return os.fdopen(reading, "rb")


@pytest.mark.parametrize("name", ["other.dat", "VIDEO.FCV", "bare", "lie.mp4", "lie.fci"])
def test_a_coded_video_decodes_under_any_name(run, files, tmp_path, name):
    coded = tmp_path / name
    coded.write_bytes((files / "clip.fcv").read_bytes())
    assert run("info", coded)[1].count(b"video, format") == 1
    assert run("decode", coded, "-o", tmp_path / "out.y4m")[0] == 0
    with open_video(tmp_path / "out.y4m") as video:
        assert sum(1 for _ in video.frames) == 3


@pytest.mark.parametrize("name", ["other.dat", "lie.fcv", "lie.fcv.part", "bare"])
def test_a_coded_picture_decodes_under_any_name(run, files, tmp_path, name):
    coded = tmp_path / name
    coded.write_bytes((files / "photo.fci").read_bytes())
    assert run("info", coded)[1].count(b"picture, format") == 1
    assert run("decode", coded, "-o", tmp_path / "out.png")[0] == 0
    assert (tmp_path / "out.png").exists()


def test_coded_files_from_pipes(run, files, tmp_path):
    video, picture = (files / name for name in ("clip.fcv", "photo.fci"))
    status, out, _ = run("decode", "-", stdin=pipe_of(video.read_bytes()))
    assert status == 0 and out.startswith(b"YUV4MPEG2 W53 H37")
    assert run("decode", "-", "--start", "0.08", stdin=pipe_of(video.read_bytes()))[1].count(
        b"FRAME\n"
    ) == 1  # fmt: skip
    status, out, _ = run("decode", "-", "--format", "ppm", stdin=pipe_of(picture.read_bytes()))
    assert status == 0 and out.startswith(b"P6")
    for coded, kind in ((video, b"video"), (picture, b"picture")):
        assert kind in run("info", "-", stdin=pipe_of(coded.read_bytes()))[1]
    if os.name == "posix":
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        threading.Thread(target=fifo.write_bytes, args=(video.read_bytes(),), daemon=True).start()
        assert run("decode", fifo, "-o", tmp_path / "out.mkv")[0] == 0
        threading.Thread(target=fifo.write_bytes, args=(b"GIF89a nothing",), daemon=True).start()
        status, _, err = run("encode", fifo, "-o", tmp_path / "out.fcv")
        assert (status, str(fifo) in err) == (2, True), err


class Endless(io.RawIOBase):
    """A stream of zeros that must not be read far."""

    given = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        self.given += len(buffer)
        assert self.given < 1 << 20
        buffer[:] = bytes(len(buffer))
        return len(buffer)


@pytest.mark.parametrize(
    ("command", "why"),
    [("encode", "is not a picture of a known kind"), ("decode", "this is not a flowcodec file")],
)
def test_what_is_of_no_kind_is_not_read_to_its_end(run, tmp_path, command, why):
    output = tmp_path / {"encode": "a.fci", "decode": "a.png"}[command]
    stdin = io.BufferedReader(Endless())
    status, _, err = run(command, "-", "-o", output, stdin=stdin)
    assert (status, why in err, err.count("\n")) == (2, True, 1)


@pytest.mark.parametrize("name", ["clip.y4m", "clip.mkv", "clip.mp4"])
@pytest.mark.parametrize("way", ["pipe", "file", "name"])
def test_a_video_is_coded_without_a_suffix(run, files, tmp_path, name, way):
    data = (files / name).read_bytes()
    bare = tmp_path / "bare"
    bare.write_bytes(data)
    if way == "name":
        assert run("encode", bare)[0] == 0
        coded = (tmp_path / "bare.fcv").read_bytes()
    else:
        stdin = pipe_of(data, 5) if way == "pipe" else bare.open("rb")
        status, coded, err = run("encode", "-", stdin=stdin)
        assert status == 0 and "3 frames" in err
    assert run("info", "-", "--json", stdin=coded)[1].count(b'"frames": 3') == 2


def test_pictures_under_names_of_videos_and_the_reverse(run, files, tmp_path):
    for source, name, made, weights in (
        ("photo.png", "photo.mp4", "photo.fci", "tiny"),
        ("photo.png", "bare", "bare.fci", "tiny"),
        ("clip.mkv", "clip.png", "clip.fcv", "patch"),
    ):
        (tmp_path / name).write_bytes((files / source).read_bytes())
        assert run("encode", tmp_path / name, weights=f"{weights}.safetensors")[0] == 0
        assert (tmp_path / made).exists()
    data = (files / "photo.png").read_bytes()
    status, coded, _ = run("encode", "-", stdin=pipe_of(data), weights="tiny.safetensors")
    assert status == 0 and coded == (files / "photo.fci").read_bytes()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["encode", "photo.png", "-o", "{0}/a.jpg"], "a.jpg would hold a .fci file"),
        (["encode", "photo.png", "-o", "{0}/a.MP4"], "a.MP4 would hold a .fci file"),
        (["encode", "photo.png", "-o", "photo.png"], "overwritten"),
        (["encode", "clip.mp4", "-o", "{0}/holiday.mp4"], "would hold a .fcv file"),
        (["encode", "clip.mp4", "-o", "{0}/holiday.fci"], "would hold a .fcv file"),
        (["encode", "clip.fcv"], "clip.fcv is a coded video already"),
        (["encode", "photo.fci"], "photo.fci is a coded picture already"),
        (["encode", "photo.fci", "-o", "{0}/b.fci"], "photo.fci is a coded picture already"),
        (["encode", "photo.fci", "-o", "{0}/b.fcv"], "photo.fci is a coded picture already"),
        (["decode", "photo.fci", "-o", "{0}/c.fci"], "cannot tell a picture format"),
        (["decode", "photo.fci", "-o", "{0}/c.jpg", "--format", "png"], "would hold a .png file"),
        (["decode", "clip.fcv", "-o", "{0}/c.fcv"], "cannot tell a video format"),
        (["decode", "clip.fcv", "-o", "clip.fcv"], "overwritten"),
        (["decode", "clip.mp4"], "not a flowcodec file"),
        (["encode", ".", "-o", "{0}/d.mp4"], "several files need a folder"),
        (["decode", ".", "-o", "{0}/d.png"], "several files need a folder"),
    ],
)
def test_names_that_lie_are_refused(run, files, tmp_path, monkeypatch, words, why):
    monkeypatch.chdir(files)
    status, out, err = run(*(word.format(tmp_path) for word in words))
    assert (status, out, err.count("\n")) == (2, b"", 1)
    assert why in err
    assert list(tmp_path.iterdir()) == []


def test_one_input_that_is_none_does_not_stop_the_others(run, files, tmp_path):
    good, bad = files / "photo.png", tmp_path / "missing.png"
    (tmp_path / "coded.dat").write_bytes((files / "photo.fci").read_bytes())
    words = [good, tmp_path / "coded.dat", bad, "-o", tmp_path / "out"]
    status, _, err = run("encode", *words, weights="tiny.safetensors")
    assert status == 2 and err.count("\n") == 2
    assert (tmp_path / "out" / "photo.fci").exists()


def animated(path, count):
    frames = [Image.fromarray(np.full((20, 30, 3), 60 * n, np.uint8)) for n in range(count)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=40)
    return path


def test_a_gif_is_a_video_where_it_moves(run, tmp_path):
    moving, still = animated(tmp_path / "moving.gif", 3), animated(tmp_path / "still.gif", 1)
    assert run("encode", moving)[0] == 0
    assert (tmp_path / "moving.fcv").exists()
    status, _, err = run("encode", still)
    assert status == 2 and "still.gif is GIF, which is not read" in err


@pytest.mark.parametrize("format", ["mpegts", "mpeg", "avi", "flv", "ogg", "h264", "hevc", "ivf"])
def test_videos_are_known_by_their_first_bytes(format, tmp_path):
    codec = {"ogg": "libtheora", "hevc": "libx265", "ivf": "libvpx", "h264": "libx264"}
    name = codec.get(format, "mpeg1video" if format.startswith("mpeg") else "mpeg4")
    data = io.BytesIO()
    with av.open(data, "w", format=format) as container:
        try:
            stream = container.add_stream("flv" if format == "flv" else name, rate=25)
        except Exception:
            pytest.skip(f"this ffmpeg has no encoder {name}")
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in clip(2, 48, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert kind_of(data.getvalue()[:HEAD_BYTES], ".dat") == "video"


def test_a_look_loses_nothing():
    data = bytes(range(256)) * 1000
    for stream in (pipe_of(data), io.BytesIO(data)):
        head, same = peeked(stream, 100)
        assert head == data[:100]
        again, same = peeked(same, 5000)
        assert again == data[:5000]
        assert same.read(7) + same.read() == data
    assert peeked(io.BytesIO(b"ab"), 100)[0] == b"ab"


def test_dev_stdin_is_standard_input(flowcodec_command, files, folder, tmp_path):  # noqa: F811
    with (files / "clip.fcv").open("rb") as stream:
        done = subprocess.run(
            [*flowcodec_command, "decode", "/dev/stdin", "-o", "/dev/fd/1", "--weights", folder],
            stdin=stream,
            capture_output=True,
        )
    assert done.returncode == 0 and done.stdout.startswith(b"YUV4MPEG2")

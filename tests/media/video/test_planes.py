"""Videos whose planes lie one after another: y4m of all kinds, raw planes; cuts and damage."""

import os
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from flowcodec.errors import MediaError
from flowcodec.media.video import open_raw, open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.media.video.test_formats import FPS, HEIGHT, WIDTH, smooth, written

LUMA, SHARED = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
LEVELS = 126, 90, 170  # Y, Cb, Cr of one colour, 8 bits


def flat(parts: tuple[int, ...], depth: int = 8) -> bytes:
    """Planes of these numbers of samples, each of its level."""
    kind = np.dtype("<u2" if depth > 8 else "u1")
    return b"".join(
        np.full(count, level << (depth - 8), kind).tobytes()
        for count, level in zip(parts, (*LEVELS, 255), strict=False)
    )


def y4m(colours: str, frame: bytes, count: int = 3, line: bytes = b"FRAME\n") -> bytes:
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip A0:0{colours}\n".encode()
    return head + (line + frame) * count


def walked(source: BytesIO | Path) -> tuple[int, str]:
    """How many frames came, and what was said of others in the end."""
    with open_video(source) as video:
        return sum(1 for _ in video.timed), "; ".join(video.damage)


KINDS = [
    ("", (LUMA, SHARED, SHARED), 8, "420", ()),
    (" C420jpeg", (LUMA, SHARED, SHARED), 8, "420", ()),
    (" C420paldv", (LUMA, SHARED, SHARED), 8, "420", ()),
    (" C422", (LUMA, 2 * SHARED, 2 * SHARED), 8, "422", ()),
    (" C444", (LUMA, LUMA, LUMA), 8, "444", ()),
    (" C444alpha", (LUMA,) * 4, 8, "444", ("its transparency is left out",)),
    (" Cmono", (LUMA,), 8, "gray", ()),
    (" C420p10", (LUMA, SHARED, SHARED), 10, "420", ("its 10 bits a sample are rounded to 8",)),
    (" C422p12", (LUMA, 2 * SHARED, 2 * SHARED), 12, "422", ("its 12 bits a sample are ro",)),
    (" Cmono16", (LUMA,), 16, "gray", ("its 16 bits a sample are rounded to 8",)),
]


@pytest.mark.parametrize(("colours", "parts", "depth", "sampling", "notes"), KINDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_y4m_of_any_kind(colours, parts, depth, sampling, notes, count):
    frame = flat(parts, depth)
    with open_video(BytesIO(y4m(colours, frame, count))) as video:
        assert video.format.sampling == sampling
        assert (video.fps, video.format.aspect, video.count) == (25, 1, None)
        assert len(video.notes) == len(notes)
        assert all(found.startswith(note) for found, note in zip(video.notes, notes, strict=True))
        frames = list(video.frames)
    assert len(frames) == count
    gray = sampling == "gray"
    expected = [126] * 3 if gray else [195, 109, 51]  # BT.601, limited
    assert np.abs(frames[-1].astype(int) - expected).max() <= 2


@pytest.mark.parametrize(("colours", "parts", "depth"), [kind[:3] for kind in KINDS])
@pytest.mark.parametrize("line", [b"FRAME\n", b"FRAME Ip\n"])
@pytest.mark.parametrize("missing", ["a byte", "most of the frame", "its line"])
def test_every_kind_of_y4m_that_is_cut_is_noticed(tmp_path, colours, parts, depth, line, missing):
    frame = flat(parts, depth)
    left = {"a byte": len(line) + len(frame) - 1, "most of the frame": len(line) + 1, "its line": 3}
    whole = y4m(colours, frame, 2, line)
    data = whole + (line + frame)[: left[missing]]
    path = tmp_path / "cut.y4m"
    path.write_bytes(data)
    for source in (BytesIO(data), path):
        count, error = walked(source)
        assert (count, "is cut inside frame 2" in error) == (2, True)


@pytest.mark.parametrize("place", range(6))
def test_a_damaged_frame_line_costs_its_frame_only(place):
    frame = flat((LUMA, SHARED, SHARED))
    data = bytearray(y4m("", frame, 6))
    data[data.index(b"\n") + 1 + 2 * (len(frame) + 6) + place] ^= 1
    assert walked(BytesIO(data)) == (5, "frame 2 does not begin with FRAME: it is left out")


@pytest.mark.parametrize(
    "head",
    [
        "YUV4MPEG2 W50\n",
        "YUV4MPEG2 W0 H3 F1:1\n",
        "YUV4MPEG2 W-5 H-3\n",
        "YUV4MPEG2 W99999999 H99999999\n",
        "YUV4MPEG2 W5 H3 Fx:y\n",
        "YUV4MPEG2 W5 H3 F25\n",
        "YUV4MPEG2 W5 H3 C999\n",
        "YUV4MPEG2 W5 H3 C414\n",
    ],
)
def test_a_header_that_cannot_be_followed_is_shown(head):
    with pytest.raises(MediaError, match="header is damaged, .*" + head.strip()):
        walked(BytesIO(head.encode() + bytes(100)))


@pytest.mark.parametrize("full", [False, True])
def test_y4m_says_its_range(full):
    pipe = BytesIO()
    format = replace(usual_format(WIDTH, HEIGHT, FPS, "444"), full_range=full)
    frame = smooth(1)[0]
    with create_video(pipe, format) as writer:
        writer.write(frame)
    pipe.seek(0)
    with open_video(pipe) as video:
        assert video.format.full_range == full
        assert np.abs(next(video.frames).astype(int) - frame).max() <= 4


def test_a_file_is_what_it_holds_whatever_its_name(tmp_path):
    format = usual_format(WIDTH, HEIGHT, FPS)
    written(tmp_path / "clip.mkv", format, smooth(3))
    written(tmp_path / "clip.y4m", format, smooth(3))
    (tmp_path / "clip.mkv").rename(tmp_path / "a.y4m")
    (tmp_path / "clip.y4m").rename(tmp_path / "b.mkv")
    for name in ("a.y4m", "b.mkv"):
        with open_video(tmp_path / name) as video:
            assert video.count == 3
            assert len(list(video.frames)) == 3


@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
def test_a_named_pipe_is_read(tmp_path, suffix):
    path, pipe = tmp_path / f"clip{suffix}", tmp_path / "pipe"
    written(path, usual_format(WIDTH, HEIGHT, FPS), smooth(4))
    os.mkfifo(pipe)
    Thread(target=pipe.write_bytes, args=[path.read_bytes()], daemon=True).start()
    assert walked(pipe) == (4, "")


@pytest.mark.parametrize("sampling", ["rgb", "gray", "420", "422", "444"])
@pytest.mark.parametrize(("width", "height"), [(50, 38), (33, 17)])
def test_raw_planes_and_y4m(tmp_path, sampling, width, height):
    format = usual_format(width, height, FPS, sampling)
    frames = smooth(4, width, height)
    if sampling == "gray":
        frames = [np.repeat(frame[:, :, :1], 3, 2) for frame in frames]
    written(tmp_path / "clip.yuv", format, frames)
    assert (tmp_path / "clip.yuv").stat().st_size == 4 * format.frame_bytes
    with open_raw(tmp_path / "clip.yuv", format) as video:
        assert video.count == 4
        for read, given in zip(video.frames, frames, strict=True):
            assert np.abs(read.astype(int) - given).mean() < 2
    written(tmp_path / "clip.y4m", format, frames)
    with open_video(tmp_path / "clip.y4m") as video:
        assert video.format.sampling == ("444" if sampling == "rgb" else sampling)
        assert (video.fps, video.count) == (FPS, 4)
        for read, given in zip(video.frames, frames, strict=True):
            assert np.abs(read.astype(int) - given).mean() < 2.5


@pytest.mark.parametrize("bytes_", [0, 7])
def test_raw_planes_without_a_whole_frame_are_refused(tmp_path, bytes_):
    format = usual_format(WIDTH, HEIGHT, FPS)
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(bytes_))
    for source in (path, BytesIO(bytes(bytes_))):
        with pytest.raises(MediaError, match=r"no whole frame: 50x38 in 420 are 2850 bytes"):
            opened(lambda source=source: open_raw(source, format))


def test_raw_planes_that_are_cut_keep_their_whole_frames(tmp_path):
    format = usual_format(WIDTH, HEIGHT, FPS)
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(2 * 2850 + 7))
    for source in (path, BytesIO(path.read_bytes())):
        with open_raw(source, format) as video:
            assert [tick for tick, _ in video.timed] == [0, 1]
            (damage,) = video.damage
        assert "no whole number of frames: 50x38 in 420 are 2850 bytes, frame 2 has 7" in damage


@pytest.mark.parametrize(("width", "height"), [(0, 38), (50, 0)])
def test_raw_planes_need_a_size(tmp_path, width, height):
    (tmp_path / "clip.yuv").write_bytes(bytes(100))
    with pytest.raises(MediaError, match="holds nothing"):
        opened(lambda: open_raw(tmp_path / "clip.yuv", usual_format(width, height, FPS)))


def test_raw_planes_are_not_guessed(tmp_path):
    (tmp_path / "clip.yuv").write_bytes(bytes(100))
    with pytest.raises(MediaError, match="do not say what they are.*--raw"):
        walked(tmp_path / "clip.yuv")


def opened(open_: Callable) -> None:
    with open_() as video:
        list(video.frames)

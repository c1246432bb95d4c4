"""Videos that were cut or damaged: whole frames come, all else is told, and nothing good is."""

import os
import re
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path

import av
import numpy as np
import pytest

from flowcodec.errors import MediaError
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import open_video
from flowcodec.media.video.decoding import Decoding
from flowcodec.media.video.format import Found
from flowcodec.media.video.hearing import Complaints
from flowcodec.media.video.size import stated_size
from tests.media.video.clips import H264, SOUND, clip

LONG = "testsrc2=s=96x64:r=25:d=1.2"  # 30 frames
GROUPS = ("-g", 12)
OPEN = "open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=2:b-adapt=0"
FAST = ("-deadline", "realtime", "-cpu-used", "8")
FILES = {
    "clip.mp4": (*H264, *GROUPS, "-movflags", "faststart"),
    "b-frames.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "faststart"),
    "fragments.mp4": (*H264, *GROUPS, "-movflags", "frag_keyframe+empty_moov"),
    "clip.mkv": (*H264, *GROUPS),
    "sound.mkv": (*SOUND, *H264, *GROUPS),
    "clip.webm": ("-c:v", "libvpx-vp9", *FAST, *GROUPS),
    "clip.avi": ("-c:v", "mpeg4", "-q:v", 3, *GROUPS),
    "clip.flv": (*H264, *GROUPS),
    "clip.ts": (*H264, *GROUPS),
    "clip.mpg": ("-c:v", "mpeg2video", "-q:v", 3, *GROUPS),
    "clip.wmv": ("-c:v", "wmv2", "-q:v", 3, *GROUPS),
    "clip.ogv": ("-c:v", "libtheora", *GROUPS),
    "clip.nut": (*H264, *GROUPS),
    "clip.h264": (*H264, *GROUPS),
    "clip.ivf": ("-c:v", "libvpx", *FAST, *GROUPS),
    "clip.gif": (),
    "clip.y4m": (),
    "jpegs.mov": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-movflags", "faststart"),
    "ffv1.mkv": ("-c:v", "ffv1"),
    "pictures.avi": ("-c:v", "png"),
    "open.mpg": ("-c:v", "mpeg2video", "-q:v", 3, "-bf", 2, *GROUPS),
    "open.mkv": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", OPEN),
    "raw.mkv": ("-c:v", "rawvideo"),
}
# What nothing tells of: a transport or raw stream ends anywhere.
ENDS_ANYWHERE = ("clip.ts", "clip.h264", "clip.mpg", "open.mpg")
# Decoders that take whatever they find.
UNCHECKED = ("clip.ivf", "clip.webm", "clip.gif", "clip.y4m", "clip.wmv", "jpegs.mov", "raw.mkv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Each file, made once, and its frames."""
    folder, found = tmp_path_factory.mktemp("whole"), {}

    def get(name):
        if name not in found:
            path = clip(folder / name, *FILES[name], picture=LONG)
            found[name] = path.read_bytes(), read(path)
        return found[name]

    return get


def read(path: Path):
    with open_video(path) as video:
        base = video.format.time_base
        return [(tick * base, frame) for tick, frame in video.timed], video.damage


def damaged(folder: Path, name: str, data: bytes):
    path = folder / f"damaged-{name}"
    path.write_bytes(data)
    return read(path)


def assert_whole(frames, of) -> None:
    """Each frame is one of the video, pixel for pixel, in order."""
    rest = iter(of)
    for _, frame in frames:
        assert any(np.array_equal(frame, other) for _, other in rest)


@pytest.mark.parametrize("name", FILES)
def test_what_is_whole_is_silent(whole, name):
    _, (frames, damage) = whole(name)
    assert (len(frames), damage) == (30, [])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_a_cut_file_keeps_its_whole_frames(whole, tmp_path, name, share):
    data, (original, _) = whole(name)
    frames, damage = damaged(tmp_path, name, data[: int(share * len(data))])
    assert 8 <= len(frames) <= 30
    assert_whole(frames, original)
    assert damage or name in ENDS_ANYWHERE
    assert frames[0][0] == 0


@pytest.mark.parametrize("name", [name for name in FILES if name not in UNCHECKED])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_damage_in_the_midst_costs_what_hangs_on_it(whole, tmp_path, name, place):
    data, (original, _) = whole(name)
    start = int(place * len(data))
    broken = data[:start] + bytes(1200) + data[start + 1200 :]
    frames, damage = damaged(tmp_path, name, broken)
    assert_whole(frames, original)
    assert bool(damage) == (len(frames) < 30)
    assert "before frame 0" not in " ".join(damage)
    # A group is 12 frames, that of b-frames.mp4 the whole video.
    assert len(frames) >= {"b-frames.mp4": 1, "clip.nut": 5}.get(name, 11)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.flv", "clip.ts", "clip.mpg"])
def test_bytes_that_are_lost_are_noticed(whole, tmp_path, name):
    data, (original, _) = whole(name)
    unit = 188 if name == "clip.ts" else 2048 if name == "clip.mpg" else 1
    start = int(0.4 * len(data)) // unit * unit
    lost = 188 * 5 if name == "clip.ts" else 2048 if name == "clip.mpg" else 1500
    frames, damage = damaged(tmp_path, name, data[:start] + data[start + lost :])
    assert_whole(frames, original)
    assert damage
    assert 10 <= len(frames) < 30


def test_the_frame_before_broken_bytes_is_broken_too(whole, tmp_path):
    """Raw samples pass for whole; only their container notices, when it looks for the next."""
    data, (original, _) = whole("raw.mkv")
    start = int(0.4 * len(data))
    broken = data[:start] + bytes(9300) + data[start + 9300 :]
    frames, damage = damaged(tmp_path, "raw.mkv", broken)
    assert_whole(frames, original)
    assert damage
    assert len(frames) >= 10


def test_frames_that_are_lost_from_a_raw_stream_are_missed(whole, tmp_path):
    data, (original, _) = whole("clip.h264")
    units = re.split(rb"(?=\x00\x00\x01[\x41\x61])", data)
    assert len(units) == 1 + 27  # but for those that stand alone, which come with what is before
    frames, damage = damaged(tmp_path, "clip.h264", b"".join(units[:5] + units[6:]))
    assert_whole(frames, original)
    assert damage
    assert 20 <= len(frames) < 29


def test_frames_that_are_lost_before_one_that_stands_alone_are_missed(whole, tmp_path):
    data, (original, _) = whole("clip.ts")
    packets = [data[offset : offset + 188] for offset in range(0, len(data), 188)]
    video = [n for n, packet in enumerate(packets) if packet[1:3] == b"\x41\0"]
    assert len(video) == 30  # the first packets of frames
    frames, damage = damaged(
        tmp_path, "clip.ts", b"".join(packets[: video[9]] + packets[video[12] :])
    )
    assert_whole(frames, original)
    assert len(frames) == 27
    assert damage == ["something is missing before frame 9: bytes of the transport stream are lost"]


def test_what_is_missing_is_told_by_number(whole, tmp_path):
    data, _ = whole("clip.mp4")
    frames, damage = damaged(tmp_path, "clip.mp4", data[: int(0.6 * len(data))])
    count = len(frames)
    assert damage[-1] == f"it is cut: {int(0.6 * len(data))} of its {len(data)} bytes are there"
    if len(damage) == 3:
        assert damage[0] == f"frame {count} is damaged and left out"
        count += 1
    assert damage[-2] == f"frames {count} to 29 are missing, of 30"


def test_a_video_of_which_nothing_is_whole_is_refused(whole, tmp_path):
    data, _ = whole("clip.mp4")
    first = data.index(b"mdat") + 4
    path = tmp_path / "clip.mp4"
    path.write_bytes(data[: first + 100])
    with pytest.raises(MediaError, match=r"holds no frame that is whole: .*0 is damaged"):
        read(path)


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4", "ogv", "wmv"])
def test_files_state_their_size(tmp_path, suffix):
    codec = {"avi": "mpeg4", "wmv": "wmv2", "ogv": "libtheora"}.get(suffix, "libx264")
    path = clip(tmp_path / f"clip.{suffix}", "-c:v", codec)
    size = path.stat().st_size
    with path.open("rb") as file:
        assert stated_size(file, size) == size
    for cut in (size - 1, size // 2, 70):
        os.truncate(path, cut)
        with path.open("rb") as file:
            assert (stated_size(file, cut) or size) > cut


@pytest.mark.parametrize(
    "data", [b"", b"\x1a\x45\xdf\xa3", b"RIFF", b"RIFF\0\0\0\0AVI ", b"OggS", b"\0\0\0\1ftyp", b"x"]
)
def test_files_that_state_no_size(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert (stated_size(file, len(data)) or len(data)) >= len(data)


def test_a_broken_picture_among_frames_is_left_out(tmp_path):
    for number in range(5):
        write_picture(Picture(np.full((20, 30, 3), number, np.uint8)), tmp_path / f"{number}.png")
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    with open_video(tmp_path) as video:
        shown = [(tick, int(frame[0, 0, 0])) for tick, frame in video.timed]
        assert video.count == 5
    assert shown == [(0, 1), (1, 2), (3, 4)]
    assert len(video.damage) == 2
    for damage, number in zip(video.damage, (0, 3), strict=True):
        assert damage.startswith(f"frame {number} is left out: cannot read")
        assert f"{number}.png" in damage


def test_a_folder_of_broken_pictures_is_refused(tmp_path):
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(MediaError, match=r"0\.png"):
        read(tmp_path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "libx265"])
@pytest.mark.parametrize("share", [0, 0.2, 0.6])
def test_a_recording_may_begin_anywhere(tmp_path, codec, share):
    """Of a broadcast in open groups: what comes before a frame that stands alone is no damage."""
    settings = {
        "libx264": ("-pix_fmt", "yuv420p", "-x264-params", OPEN),
        "mpeg2video": ("-bf", 2, "-g", 12, "-q:v", 3),
        "libx265": ("-x265-params", f"log-level=none:{OPEN}"),
    }[codec]
    path = clip(tmp_path / "clip.ts", "-c:v", codec, *settings, picture=LONG)
    data = path.read_bytes()
    original, damage = read(path)
    assert (len(original), damage) == (30, [])
    frames, damage = damaged(tmp_path, "late.ts", data[int(share * len(data)) // 188 * 188 :])
    assert damage == []
    assert len(frames) in ((30,) if not share else (18, 6))
    assert_whole(frames, original)


def test_a_file_does_not_begin_anywhere(whole, tmp_path):
    data, (original, _) = whole("clip.mp4")
    first = data.index(b"mdat") + 4
    frames, damage = damaged(tmp_path, "clip.mp4", data[:first] + bytes(800) + data[first + 800 :])
    assert damage == ["frames 0 to 11 are damaged and left out"]
    assert len(frames) == 18
    assert_whole(frames, original)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_a_cut_file_on_standard_input_is_noticed(whole, name):
    data, (original, _) = whole(name)
    cut = data[: int(0.6 * len(data))]
    for pipe in (BytesIO(cut), BufferedReader(OneWay(cut))):
        with open_video(pipe) as video:
            frames = [(0, frame) for frame in video.frames]
        assert video.damage
        assert video.ending is None
        assert 10 <= len(frames) < 30
        assert_whole(frames, original)


class OneWay(RawIOBase):
    """A pipe."""

    def __init__(self, data):
        self.data = data

    def readable(self):
        return True

    def readinto(self, buffer):
        piece, self.data = self.data[: len(buffer)], self.data[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_packet_of_unknown_time_that_came_damaged_is_not_taken_for_the_first(whole, tmp_path):
    data, _ = whole("clip.mp4")
    (tmp_path / "clip.mp4").write_bytes(data)
    found, heard = Found(), Complaints(corrupt=[(0, None)])
    with av.open(str(tmp_path / "clip.mp4")) as container:
        decoding = Decoding(container, container.streams.video[0], heard, found)
        assert [number for number, _ in decoding.frames()] == list(range(30))
    assert found.damage == []

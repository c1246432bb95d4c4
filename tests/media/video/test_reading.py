"""Videos in and out: files, folders, pipes; colour, rotation, odd sizes, damage."""

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from av.video.frame import VideoFrame

from flowcodec.errors import MediaError
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import open_raw, open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video

FPS = Fraction(30000, 1001)
ONE = 1 << 16  # in a display matrix


def moving(count: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Waves that travel right and down, a pixel a frame."""
    y, x = np.mgrid[0:height, 0:width]
    for t in range(count):
        red = 128 + 90 * np.sin((x - t) / 9 + (y - t) / 13)
        blue = 128 + 90 * np.cos((x - t) / 15 - (y - t) / 11)
        yield np.stack([red, (red + blue) / 2, blue], axis=2).astype(np.uint8)


def frames_of(source: Path | BytesIO) -> list[np.ndarray]:
    with open_video(source) as video:
        return list(video.frames)


def write_file(
    path: Path,
    planes: np.ndarray,
    kind: str,
    *,
    matrix: int = 2,
    full: bool = False,
) -> None:
    """Two lossless frames of ffmpeg pixel format `kind`, tagged as said."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        shape = planes.shape[1:] if kind.startswith("yuv444p") else planes.shape[:2]
        stream.height, stream.width = shape
        stream.pix_fmt = kind
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        for _ in range(2):
            frame = VideoFrame.from_ndarray(planes, format=kind)
            frame.colorspace, frame.color_range = matrix, 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 63), (16, 16)])
def test_a_file_keeps_frames_rate_and_count(tmp_path, monkeypatch, suffix, height, width):
    monkeypatch.chdir(tmp_path)
    path = Path(f"take 1: sea{suffix}")
    with create_video(path, usual_format(width, height, FPS)) as writer:
        for frame in moving(7, height, width):
            writer.write(frame)
    with open_video(path) as video:
        assert (video.width, video.height) == (width + width % 2, height + height % 2)
        assert (video.fps, video.count, video.name) == (FPS, 7, str(path))
        frames = list(video.frames)
    for read, written in zip(frames, moving(7, height, width), strict=True):
        difference = read[:height, :width].astype(float) - written
        assert np.square(difference).mean() < 30
        assert abs(difference.mean()) < 1
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_y4m_goes_through_a_pipe():
    pipe = BytesIO()
    with create_video(pipe, usual_format(63, 49, FPS, "444")) as writer:
        for frame in moving(5, 49, 63):
            writer.write(frame)
    size = 49 * 63 * 3
    head, _, body = pipe.getvalue().partition(b"\n")
    assert head == b"YUV4MPEG2 W63 H49 F30000:1001 Ip A1:1 C444 XCOLORRANGE=LIMITED"
    assert len(body) == 5 * (len(b"FRAME\n") + size)
    pipe.seek(0)
    with open_video(pipe) as video:
        assert (video.name, video.width, video.height) == ("standard input", 63, 49)
        assert video.fps == FPS
        for read, written in zip(video.frames, moving(5, 49, 63), strict=True):
            assert np.abs(read.astype(int) - written).max() <= 2


def test_frames_are_read_as_they_come():
    """Constant memory: a pipe is not read to its end before the first frame is there."""
    pipe = BytesIO()
    with create_video(pipe, usual_format(320, 240, FPS)) as writer:
        for frame in moving(60, 240, 320):
            writer.write(frame)
    total = pipe.tell()

    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    source = Pipe(pipe.getvalue())
    with open_video(source) as video:
        assert video.count is None
        next(video.frames)
        assert source.tell() < total / 2
        assert sum(1 for _ in video.frames) == 59


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.y4m", "clip.yuv", "frames"])
def test_memory_does_not_grow_with_the_video(tmp_path, name):
    process, path, format = psutil.Process(), tmp_path / name, usual_format(480, 270, FPS)
    pixels = next(moving(1, 270, 480))
    few, many = 60, 300

    def grown(resident: list[int]) -> int:
        assert len(resident) == many
        return max(resident[-20:]) - max(resident[few - 20 : few])

    resident = []
    with create_video(path, format, lossless=name == "clip.mkv") as writer:
        for number in range(many):
            writer.write(np.roll(pixels, number, 1))
            resident.append(process.memory_info().rss)
    # A frame is 0.4 MB, so keeping all would take 90 MB from the few to the many.
    assert grown(resident) < 15e6
    with open_raw(path, format) if name == "clip.yuv" else open_video(path) as video:
        assert grown([process.memory_info().rss for _ in video.frames]) < 15e6


@pytest.mark.parametrize(
    ("matrix", "kr", "kb"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (9, 0.2627, 0.0593)]
)
@pytest.mark.parametrize("full", [False, True])
def test_colours_follow_matrix_and_range_of_the_stream(tmp_path, matrix, kr, kb, full):
    rgb = np.random.default_rng(1).integers(0, 256, (32, 48, 3)).astype(float)
    r, g, b = np.moveaxis(rgb, 2, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    chroma = np.stack([(b - y) / (1 - kb), (r - y) / (1 - kr)]) / 2
    scaled = [y, *(chroma + 128)] if full else [16 + y * 219 / 255, *(128 + chroma * 224 / 255)]
    path = tmp_path / "clip.mkv"
    planes = np.rint(scaled).clip(0, 255).astype(np.uint8)
    write_file(path, planes, "yuv444p", matrix=matrix, full=full)
    for frame in frames_of(path):
        assert np.abs(frame - rgb).max() <= 2.5


@pytest.mark.parametrize(
    ("height", "width", "matrix"), [(64, 64, 6), (576, 64, 6), (578, 64, 1), (64, 1280, 1)]
)
def test_without_a_matrix_the_size_decides(tmp_path, height, width, matrix):
    planes = np.empty((3, height, width), np.uint8)
    planes[:] = np.array([90, 60, 200], np.uint8)[:, None, None]
    for name, tag in (("tagged", matrix), ("untagged", 2)):
        write_file(tmp_path / f"{name}.mkv", planes, "yuv444p", matrix=tag)
    tagged, untagged = (frames_of(tmp_path / f"{name}.mkv")[0] for name in ("tagged", "untagged"))
    assert np.array_equal(tagged, untagged)


@pytest.mark.parametrize("height", [64, 720])
def test_written_files_name_their_matrix_and_range(tmp_path, height):
    path = tmp_path / "clip.mp4"
    with create_video(path, usual_format(64, height, FPS)) as writer:
        writer.write(np.zeros((height, 64, 3), np.uint8))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.colorspace == (1 if height == 720 else 6)
        assert context.color_range == 1


def test_gray_and_ten_bits_become_rgb(tmp_path):
    level = np.full((32, 48), 77, np.uint8)
    write_file(tmp_path / "gray.mkv", level, "gray", full=True)
    assert np.array_equal(frames_of(tmp_path / "gray.mkv")[0], np.repeat(level[..., None], 3, 2))
    with av.open(str(tmp_path / "deep.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p10le"
        for frame in moving(3, 32, 48):
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    for read, written in zip(frames_of(tmp_path / "deep.mkv"), moving(3, 32, 48), strict=True):
        assert np.abs(read.astype(float) - written).mean() < 4


MARKS = np.zeros((32, 48, 3), np.uint8)
MARKS[:16, :24] = (200, 0, 0)
MARKS[:16, 24:] = (0, 200, 0)
MARKS[16:, :24] = (0, 0, 200)


@pytest.mark.parametrize(
    ("degrees", "mirrored", "expected"),
    [
        (0, False, MARKS),
        (90, False, np.rot90(MARKS, 1)),
        (180, False, np.rot90(MARKS, 2)),
        (270, False, np.rot90(MARKS, 3)),
        (0, True, MARKS[:, ::-1]),
        (90, True, np.rot90(MARKS, 1)[:, ::-1]),
    ],
)
def test_rotation_is_applied(tmp_path, degrees, mirrored, expected):
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb24"
        stream.set_display_rotation(degrees, hflip=mirrored)
        for _ in range(2):
            container.mux(stream.encode(VideoFrame.from_ndarray(MARKS, format="rgb24")))
        container.mux(stream.encode(None))
    with open_video(path) as video:
        assert (video.height, video.width) == expected.shape[:2]
        for frame in video.frames:
            assert np.array_equal(frame, expected)


def test_a_folder_is_a_video_in_order_of_its_numbers(tmp_path):
    for number in (10, 9, 1):
        write_picture(Picture(np.full((20, 30, 3), number, np.uint8)), tmp_path / f"f{number}.png")
    write_picture(Picture(np.full((20, 30, 1), 11, np.uint8)), tmp_path / "f11.pgm")
    (tmp_path / "deep").mkdir()
    write_picture(Picture(np.zeros((9, 9, 3), np.uint8)), tmp_path / "deep" / "f3.png")
    (tmp_path / "notes.txt").write_text("no picture")
    with open_video(tmp_path) as video:
        assert (video.width, video.height, video.fps, video.count) == (30, 20, 25, 4)
        frames = list(video.frames)
    assert [int(frame[0, 0, 0]) for frame in frames] == [1, 9, 10, 11]
    assert {frame.shape for frame in frames} == {(20, 30, 3)}


def test_the_odd_picture_of_a_folder_is_named(tmp_path):
    for number, width in enumerate((30, 30, 31)):
        write_picture(Picture(np.zeros((20, width, 3), np.uint8)), tmp_path / f"{number}.png")
    with pytest.raises(MediaError, match=r"2\.png is 31x20, the frames before it are 30x20"):
        frames_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing.mp4", "cannot read .*missing.mp4: No such file"),
        ("notes.txt", "notes.txt holds no video"),
        ("notes.md", "cannot read .*notes.md: Invalid data"),
        ("sound.wav", "sound.wav holds no video"),
        ("empty", "empty holds no picture"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, name, text):
    for notes in ("notes.txt", "notes.md"):
        (tmp_path / notes).write_text("no video\n" * 100)
    (tmp_path / "empty").mkdir()
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(MediaError, match=text):
        frames_of(tmp_path / name)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"no video\n" * 100, b""])
def test_other_bytes_on_a_pipe_are_refused(data):
    with pytest.raises(MediaError, match=r"standard input(:| holds no| is no)"):
        frames_of(BytesIO(data))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, BrokenPipeError])
def test_an_error_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")
    with pytest.raises(error), create_video(path, usual_format(64, 48, FPS)) as writer:
        for frame in moving(3, 48, 64):
            writer.write(frame)
        raise error
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("shape", [(48, 63, 3), (48, 64, 1), (48, 64)])
def test_frames_of_another_shape_are_refused(tmp_path, shape):
    for target in (tmp_path / "clip.mkv", BytesIO()):
        with (
            pytest.raises(MediaError, match=r"must be uint8 \(48, 64, 3\), not uint8"),
            create_video(target, usual_format(64, 48, FPS)) as writer,
        ):
            writer.write(np.zeros(shape, np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("clip.avi", "end it in .mp4, .mkv"), ("missing/clip.mp4", "cannot write .*clip.mp4")],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, text):
    with (
        pytest.raises(MediaError, match=text),
        create_video(tmp_path / name, usual_format(64, 48, FPS)) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8))

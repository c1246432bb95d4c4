"""What travels with a video: sampling, matrix, range, rate, times, aspect; raw planes; folders."""

from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest

from flowcodec.errors import MediaError
from flowcodec.media.video import open_raw, open_video
from flowcodec.media.video_format import VideoFormat, usual_format
from flowcodec.media.video_writing import create_video

FPS = Fraction(30000, 1001)
WIDTH, HEIGHT = 50, 38


def smooth(count: int, width: int = WIDTH, height: int = HEIGHT) -> list[np.ndarray]:
    """Frames of which 4:2:0 loses little."""
    rows, columns = np.indices((height, width))
    frames = []
    for number in range(count):
        wave = np.sin((rows + 2 * number) / 17), np.cos(columns / 23), np.sin((rows + columns) / 29)
        frames.append(np.stack([120 + 60 * part for part in wave], 2).round().astype(np.uint8))
    return frames


def written(path, format: VideoFormat, frames, ticks=None, lossless=False):
    with create_video(path, format, lossless=lossless) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, None if ticks is None else ticks[number])


@pytest.mark.parametrize("sampling", ["rgb", "gray", "420", "422", "444"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_ffv1_keeps_samples_and_what_they_mean(tmp_path, sampling, matrix, full_range):
    format = replace(
        usual_format(WIDTH, HEIGHT, FPS, sampling),
        matrix=matrix,
        full_range=full_range,
    )
    frames = smooth(3)
    if sampling == "gray":
        frames = [np.repeat(frame[:, :, :1], 3, 2) for frame in frames]
    path = tmp_path / "clip.mkv"
    written(path, format, frames, lossless=True)
    with open_video(path) as video:
        found = video.format
        assert (found.width, found.height, found.sampling) == (WIDTH, HEIGHT, sampling)
        assert found.fps == pytest.approx(FPS, rel=1e-3)
        if sampling not in ("rgb", "gray"):
            assert (found.matrix, found.full_range) == (matrix, full_range)
        for read, given in zip(video.frames, frames, strict=True):
            limit = {"rgb": 0, "gray": 2, "444": 3}.get(sampling, 6)
            assert np.abs(read.astype(int) - given).max() <= limit
        again = tmp_path / "again.mkv"
    with open_video(path) as video:
        written(again, video.format, video.frames, lossless=True)
    with open_video(path) as one, open_video(again) as two:
        difference = [
            np.abs(a.astype(int) - b).mean() for a, b in zip(one.frames, two.frames, strict=True)
        ]
        assert max(difference) < 1


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "clip.y4m"])
def test_the_aspect_of_pixels_is_kept(tmp_path, name):
    format = replace(usual_format(WIDTH, HEIGHT, FPS), aspect=Fraction(12, 11))
    written(tmp_path / name, format, smooth(2))
    with open_video(tmp_path / name) as video:
        assert video.format.aspect == Fraction(12, 11)


def test_times_of_a_variable_rate_are_kept(tmp_path):
    ticks = [0, 40, 41, 120, 1000, 1040]
    format = replace(usual_format(WIDTH, HEIGHT, Fraction(25)), time_base=Fraction(1, 1000))
    for name in ("clip.mkv", "clip.mp4"):
        written(tmp_path / name, format, smooth(len(ticks)), ticks)
        with open_video(tmp_path / name) as video:
            base = video.format.time_base
            seconds = [float(tick * base) for tick, _ in video.timed]
        assert seconds == pytest.approx([tick / 1000 for tick in ticks], abs=0.002)


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
        assert video.fps == FPS
        for read, given in zip(video.frames, frames, strict=True):
            assert np.abs(read.astype(int) - given).mean() < 2.5


@pytest.mark.parametrize("missing", [1, 500, 50 * 38 * 3 // 2, 50 * 38 * 3 // 2 + 5])
def test_a_cut_y4m_is_noticed(tmp_path, missing):
    pipe = BytesIO()
    with create_video(pipe, usual_format(WIDTH, HEIGHT, FPS)) as writer:
        for frame in smooth(3):
            writer.write(frame)
    data = pipe.getvalue()[:-missing]
    path = tmp_path / "cut.y4m"
    path.write_bytes(data)
    for source in (BytesIO(data), path):
        with open_video(source) as video:
            seen = 0
            with pytest.raises(MediaError, match="cut inside frame 2"):
                for _ in video.frames:
                    seen += 1
        assert seen == 2


def test_raw_planes_that_are_cut_are_refused(tmp_path):
    format = usual_format(WIDTH, HEIGHT, FPS)
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(2 * format.frame_bytes + 7))
    with open_raw(path, format) as video, pytest.raises(MediaError, match="whole number"):
        list(video.frames)


def test_a_folder_of_pictures_is_whole_or_absent(tmp_path):
    format = usual_format(WIDTH, HEIGHT, FPS, "rgb")
    frames = smooth(3)
    written(tmp_path / "frames", format, frames)
    with open_video(tmp_path / "frames") as video:
        assert video.format.sampling == "rgb"
        for read, given in zip(video.frames, frames, strict=True):
            np.testing.assert_array_equal(read, given)
    with pytest.raises(MediaError, match="already"), create_video(tmp_path / "frames", format):
        pass
    with pytest.raises(KeyboardInterrupt), create_video(tmp_path / "new", format) as writer:
        writer.write(frames[0])
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_what_is_left_out_is_noted(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(path, "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        picture = container.add_stream("ffv1", rate=25)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        for frame in smooth(3):
            given = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p10le")
            container.mux(picture.encode(given))
        noise = np.zeros((1, 800), np.int16)
        tone = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        tone.sample_rate, tone.pts = 8000, 0
        container.mux(sound.encode(tone))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    with open_video(path) as video:
        assert video.notes == (
            "its sound is left out",
            "its 10 bits a sample are rounded to 8",
        )
        for read, given in zip(video.frames, smooth(3), strict=True):
            assert np.abs(read.astype(int) - given).mean() < 3

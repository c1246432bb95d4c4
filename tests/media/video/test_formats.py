"""What travels with a video: sampling, siting, matrix, range, rate, times, aspect; folders."""

from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise

import av
import numpy as np
import pytest

from flowcodec.errors import MediaError
from flowcodec.media.video import open_raw, open_video
from flowcodec.media.video.format import VideoFormat, sampling_of, usual_format
from flowcodec.media.video.writing import create_video

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


def slope() -> np.ndarray:
    """Colour that rises to the right: half a pixel of it is a unit."""
    columns = np.indices((48, 64))[1]
    return np.stack([60 + 2 * columns, 0 * columns + 100, 200 - 2 * columns], 2).astype(np.uint8)


@pytest.mark.parametrize("sampling", ["420", "422"])
@pytest.mark.parametrize("name", ["clip.y4m", "clip.yuv", "clip.mkv", "lossy.mkv", "clip.mp4"])
def test_colour_stays_in_its_place(tmp_path, name, sampling):
    path, format = tmp_path / name, usual_format(64, 48, FPS, sampling)
    written(path, format, [slope()] * 2, lossless=name == "clip.mkv")
    with open_raw(path, format) if path.suffix == ".yuv" else open_video(path) as video:
        for read in video.frames:
            drift = (read.astype(float) - slope())[8:-8, 8:-8].mean((0, 1))
            assert np.abs(drift).max() < 0.7  # half a pixel off is 1


def test_colour_stands_where_y4m_says(tmp_path):
    path = tmp_path / "clip.y4m"
    written(path, usual_format(64, 48, FPS), [slope()])
    left = path.read_bytes()
    centre = left.replace(b"C420mpeg2", b"C420jpeg")
    frames = []
    for data in (left, centre):
        with open_video(BytesIO(data)) as video:
            frames.append(next(video.frames).astype(float)[8:-8, 8:-8, 0].mean())
    assert frames[0] - frames[1] == pytest.approx(0.85, abs=0.15)  # half a pixel to the right


@pytest.mark.parametrize(
    ("matrix", "tags"), [("bt601", (6, 6, 6)), ("bt709", (1, 1, 1)), ("bt2020", (9, 9, 14))]
)
@pytest.mark.parametrize("lossless", [False, True])
def test_matrix_primaries_and_transfer_are_named(tmp_path, matrix, tags, lossless):
    format = replace(usual_format(WIDTH, HEIGHT, FPS), matrix=matrix)
    written(tmp_path / "clip.mkv", format, smooth(2), lossless=lossless)
    with av.open(tmp_path / "clip.mkv") as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == tags


@pytest.mark.parametrize(
    ("pixels", "sampling"),
    [("pal8", "rgb"), ("gbrp10le", "rgb"), ("ya8", "gray"), ("nv12", "420"), ("yuv440p", "444")],
)
def test_the_sampling_of_unusual_pixels(pixels, sampling):
    assert sampling_of(av.VideoFormat(pixels, 64, 64)) == sampling


def test_the_encoder_chooses_its_own_kinds_of_frames(tmp_path):
    written(tmp_path / "clip.mp4", usual_format(WIDTH, HEIGHT, FPS), smooth(30))
    with av.open(tmp_path / "clip.mp4") as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) == 1


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


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_times_below_zero_are_moved_together(tmp_path, name):
    ticks = [-80, -40, 0, 40, 100]
    format = replace(usual_format(WIDTH, HEIGHT, Fraction(25)), time_base=Fraction(1, 1000))
    written(tmp_path / name, format, smooth(len(ticks)), ticks)
    with open_video(tmp_path / name) as video:
        seconds = [float(tick * video.format.time_base) for tick, _ in video.timed]
    steps = [b - a for a, b in pairwise(seconds)]
    assert steps == pytest.approx([0.04, 0.04, 0.04, 0.06], abs=0.002)


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


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(MediaError, match="cannot write .*frames"),
        create_video(tmp_path / "file" / "frames", usual_format(WIDTH, HEIGHT, FPS)) as writer,
    ):
        writer.write(smooth(1)[0])


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
        assert video.notes == [
            "its sound is left out",
            "its 10 bits a sample are rounded to 8",
        ]
        for read, given in zip(video.frames, smooth(3), strict=True):
            assert np.abs(read.astype(int) - given).mean() < 3


def test_transparency_further_video_and_high_range_are_noted(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(path, "w") as container:
        pictures = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for picture in pictures:
            picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuva444p"
            picture.codec_context.color_trc = 16
        for picture in pictures:
            for frame in smooth(2):
                seen = np.dstack([frame, frame[:, :, 0]])
                given = av.VideoFrame.from_ndarray(seen, format="rgba")
                container.mux(picture.encode(given.reformat(format="yuva444p")))
        for picture in pictures:
            container.mux(picture.encode(None))
    with open_video(path) as video:
        assert video.notes == [
            "its further video is left out",
            "its high dynamic range (PQ) is coded as if it were the usual one",
        ]
        assert len(list(video.frames)) == 2
        assert video.notes[2:] == ["its transparency is left out"]


def test_subtitles_are_noted(tmp_path):
    lines = tmp_path / "lines.srt"
    lines.write_text("1\n00:00:00,000 --> 00:00:01,000\nwaves\n")
    path = tmp_path / "clip.mkv"
    with av.open(lines) as words, av.open(path, "w") as container:
        text = container.add_stream_from_template(words.streams.subtitles[0])
        picture = container.add_stream("ffv1", rate=25)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in smooth(2):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(picture.encode(None))
        for packet in words.demux():
            if packet.dts is not None:
                packet.stream = text
                container.mux(packet)
    with open_video(path) as video:
        assert video.notes == ["its subtitles are left out"]
        assert len(list(video.frames)) == 2

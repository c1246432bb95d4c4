"""When frames are shown: times that are missing, fall, jump or begin anywhere; the last frame."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.times import Clock, Guess
from flowcodec.media.video.writing import create_video
from tests.media.video.clips import COUNT, H264, clip
from tests.media.video.test_formats import smooth

MILLISECONDS = replace(usual_format(50, 38, Fraction(25)), time_base=Fraction(1, 1000))


def ticks(times, step=Fraction(40), longest=None, durations=None):
    clock = Clock(step, longest)
    durations = durations or [0] * len(times)
    return [clock.tick(time, long) for time, long in zip(times, durations, strict=True)]


def times_of(path: Path) -> list[float]:
    with open_video(path) as video:
        found = [float(tick * video.format.time_base) for tick, _ in video.timed]
    assert video.damage == []
    return found


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([7, 47, 87], [0, 40, 80]),  # the first frame is at 0
        ([-80, -40, 0, 40], [0, 40, 80, 120]),
        ([None] * 4, [0, 40, 80, 120]),
        ([None, None, 500, 540], [0, 40, 80, 120]),  # known late
        ([0, None, None, 120], [0, 40, 80, 120]),
        ([0, None, 200, 240], [0, 40, 200, 240]),  # a pause is a pause
        ([0, 40, 40, 80], [0, 40, 40, 80]),
        ([0, 40, 0, 40, 80], [0, 40, 80, 120, 160]),  # joined files
        ([0, 40, 0, 1000, 1040], [0, 40, 80, 1080, 1120]),
        ([0, 40, 10, 120, 160], [0, 40, 80, 120, 160]),  # one wrong time
        ([0, 40, 80, -900, 160], [0, 40, 80, 120, 160]),
        ([0, 40, 99999, 100039], [0, 40, 99999, 100039]),
    ],
)
def test_times_begin_at_0_and_never_fall(times, expected):
    assert ticks(times) == expected


def test_a_long_pause_in_a_transport_stream_is_a_seam():
    times = [0, 40, 50000, 50040, 50080, 120, 160]
    assert ticks(times, longest=Fraction(10000)) == [0, 40, 80, 120, 160, 200, 240]
    assert ticks([0, 40, 9000, 9040], longest=Fraction(10000)) == [0, 40, 9000, 9040]
    assert ticks([0, 40, 99999, 120, 160], longest=Fraction(10000)) == [0, 40, 80, 120, 160]


def test_steps_that_are_no_whole_ticks_do_not_drift():
    assert ticks([None] * 4, step=Fraction(1001, 30)) == [0, 33, 67, 100]
    known = [0, 33, None, 100, 133, None, 200]
    assert ticks(known, step=Fraction(1001, 30)) == [0, 33, 66, 100, 133, 166, 200]


@pytest.mark.parametrize(
    ("shown", "decoded", "expected"),
    [
        ([0, 40, 80], [0, 40, 80], [0, 40, 80]),
        ([0, 40, 80], [40, 80, None], [0, 40, 80]),
        ([None] * 3, [40, 80, 120], [40, 80, 120]),
        ([None] * 3, [None] * 3, [None] * 3),
        ([1, 3, 4, 2, 5, 7], [2, 3, 4, 5, 6, 7], [1, 3, 4, 5, 6, 7]),  # out of order: not believed
        ([0, 40, 80, 120], [7, 7, 7, 7], [0, 40, 80, 120]),
    ],
)
def test_of_two_times_the_one_that_rises_is_believed(shown, decoded, expected):
    guess = Guess()
    assert [guess.time(a, b) for a, b in zip(shown, decoded, strict=True)] == expected


def test_a_frame_says_itself_how_long_it_is_shown():
    assert ticks([None] * 4, durations=[100, 20, 40, 40]) == [0, 100, 120, 160]


@pytest.mark.parametrize("codec", ["libx264", "mpeg1video", "mpeg2video", "mjpeg"])
def test_a_stream_without_times_has_a_steady_rate(tmp_path, codec):
    suffix = {"libx264": "h264", "mpeg1video": "m1v", "mpeg2video": "m2v", "mjpeg": "mjpeg"}[codec]
    path = clip(tmp_path / f"raw.{suffix}", "-c:v", codec, "-pix_fmt", "yuv420p")
    steady = [number / 25 for number in range(COUNT)]
    assert times_of(path) == pytest.approx(steady)
    with open_video(path, fps=Fraction(50)) as video:
        assert (video.fps, video.count) == (50, None)
        assert [tick for tick, _ in video.timed] == list(range(COUNT))


def test_the_first_frames_of_a_file_may_have_no_times(tmp_path):
    """Blocks of Matroska before 0 have none."""
    path = clip(tmp_path / "late.mkv", *H264)
    data = path.read_bytes()
    for number in range(COUNT):
        for flags in (b"\x80", b"\0"):
            time = (40 * number).to_bytes(2, signed=True)
            earlier = (40 * number - 200).to_bytes(2, signed=True)
            data = data.replace(b"\x81" + time + flags, b"\x81" + earlier + flags, 1)
    path.write_bytes(data)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert [frame.pts for frame in frames] == [None] * 5 + [0, 40, 80, 120, 160]
    assert times_of(path) == pytest.approx([number / 25 for number in range(COUNT)])


@pytest.mark.parametrize("second", [0, 3, 5000])
def test_joined_transport_streams_go_on(tmp_path, second):
    parts = [
        clip(tmp_path / f"{start}.ts", *H264, "-output_ts_offset", start).read_bytes()
        for start in (100, second)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    assert times_of(path) == pytest.approx([number / 25 for number in range(2 * COUNT)], abs=1e-4)


def test_a_clock_that_wraps_goes_on(tmp_path):
    path = clip(tmp_path / "wraps.ts", *H264, "-output_ts_offset", 2**33 / 90000 - 0.2)
    assert times_of(path) == pytest.approx([number / 25 for number in range(COUNT)], abs=1e-4)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "lossless.mkv"])
@pytest.mark.parametrize("first", [-80, 0, 40_000_000])
@pytest.mark.parametrize("last", [None, 10, 2000])
def test_what_is_written_begins_at_0_and_its_last_frame_lasts(tmp_path, name, first, last):
    frames, given = smooth(6), [0, 40, 80, 200, 240, 280]
    path = tmp_path / name
    with create_video(path, MILLISECONDS, lossless=name == "lossless.mkv") as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, first + given[number], last if number == 5 else None)
    assert writer.notes == []
    with av.open(str(path)) as container:
        assert container.start_time == 0
        assert container.duration == pytest.approx(1000 * (280 + (last or 40)), abs=1500)
    with open_video(path) as video:
        base = video.format.time_base
        assert [round(1000 * tick * base) for tick, _ in video.timed] == given
        if last:
            assert round(1000 * video.ending * base) == last


@pytest.mark.parametrize("count", range(4, 9))
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_last_frame_lasts_whichever_was_decoded_last(tmp_path, suffix, count):
    path = tmp_path / f"clip.{suffix}"
    frames = [np.roll(smooth(1)[0], 2 * number, 1) for number in range(count)]
    with create_video(path, MILLISECONDS) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, 40 * number, 3000 if number == count - 1 else None)
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(1000 * (40 * (count - 1) + 3000), abs=1500)
    with open_video(path) as video:
        assert len(list(video.timed)) == count
        assert video.ending * video.format.time_base == 3


def test_the_last_frame_of_a_gif_is_shown_for_its_time(tmp_path):
    with open_video(clip(tmp_path / "still.gif", "-final_delay", 200)) as video:
        assert video.ending is None
        assert len(list(video.frames)) == COUNT
        assert video.ending * video.format.time_base == 2


@pytest.mark.parametrize("name", ["clip.y4m", "clip.yuv", "frames"])
def test_what_cannot_be_said_is_noted(tmp_path, name):
    format = replace(
        MILLISECONDS,
        fps=Fraction(30),
        matrix="bt2020",
        full_range=True,
        aspect=Fraction(4, 3),
        transfer=16,
    )
    with create_video(tmp_path / name, format) as writer:
        for number, frame in enumerate(smooth(3)):
            writer.write(frame, [0, 33, 500][number], 900 if number == 2 else None)
    words = " ".join(writer.notes)
    for text in ("steady rate", "last frame is shown", "its transfer (16)"):
        assert text in words
    holds = {"clip.y4m": ("aspect", "range", "rate"), "clip.yuv": (), "frames": ("matrix", "range")}
    for what, text in (
        ("aspect", "the shape of its pixels (4/3)"),
        ("range", "full range"),
        ("rate", "its rate (30 frames a second)"),
        ("matrix", "its matrix (bt2020)"),
    ):
        assert (text in words) == (what not in holds[name])
    steady = replace(usual_format(50, 38, Fraction(25)), time_base=Fraction(1, 1000))
    with create_video(tmp_path / f"plain-{name}", steady) as writer:
        for number, frame in enumerate(smooth(3)):
            writer.write(frame, 40 * number + 7, 40 if number == 2 else None)
    assert writer.notes == []


def test_frames_are_not_all_held(tmp_path):
    """One that waits to know how long it is shown is all."""
    with create_video(tmp_path / "clip.mkv", MILLISECONDS, lossless=True) as writer:
        for number in range(4):
            writer.write(np.zeros((38, 50, 3), np.uint8), 40 * number)
    assert len(times_of(tmp_path / "clip.mkv")) == 4

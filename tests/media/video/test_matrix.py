"""More than forty videos by ffmpeg: containers, times, streams, side data, interlacing, colour.

What is read of each is what it was made to be, or a note says so; none is taken for damaged.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pytest

from flowcodec.media.video import open_video
from tests.media.video.clips import COUNT, H264, PICTURE, SOUND, clip, ffmpeg

STEADY = tuple(Fraction(number, 25) for number in range(COUNT))
LATE = "setpts='if(lt(N,5),N,N+20)/25/TB'"  # a pause of 0.8 s before frame 5
PAUSED = tuple(time + (number >= 5) * Fraction(20, 25) for number, time in enumerate(STEADY))
LONGER = PICTURE.replace("d=0.4", "d=0.6")
TWICE = PICTURE.replace("r=25", "r=50")
FASTEST = ("-preset", "ultrafast")
MPEG4 = ("-c:v", "mpeg4", "-q:v", "3")
B_FRAMES = ("-c:v", "libx264", "-preset", "medium", "-pix_fmt", "yuv420p")
TOP_FIRST = ("-vf", "interlace", "-flags", "+ildct+ilme")
HDR = "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"
SD = "setparams=colorspace=bt470bg:color_primaries=bt470bg:color_trc=bt470bg:range=tv"


@dataclass(frozen=True)
class Row:
    """How a video is made, and what is to be read of it."""

    name: str
    arguments: tuple[object, ...] = H264
    times: tuple[Fraction, ...] = STEADY
    aspect: Fraction = Fraction(1)
    sampling: str = "420"
    matrix: str = "bt601"
    primaries: int | None = None
    transfer: int | None = None
    full: bool = False
    size: tuple[int, int] = (96, 64)
    ending: Fraction | None = None
    notes: tuple[str, ...] = ()
    picture: str = PICTURE
    tolerance: Fraction = field(default=Fraction(1, 400))


SOUND_NOTE = "its sound is left out"
RANGE = "its high dynamic range (PQ)"
INTERLACED = "it is interlaced: its frames are deinterlaced"
ROWS = (
    Row("plain.mp4"),
    Row("b-frames.mp4", B_FRAMES),
    Row("plain.mov"),
    Row("plain.mkv"),
    Row("b-frames.mkv", B_FRAMES),
    Row("plain.ts"),
    Row("b-frames.ts", B_FRAMES),
    Row("plain.m2ts"),
    Row("plain.flv"),
    Row("plain.avi", MPEG4),
    Row("b-frames.avi", B_FRAMES),
    Row("b-frames.asf", B_FRAMES),
    Row("slices.avi", (*B_FRAMES, "-x264-params", "slices=4:bframes=5:b-adapt=0")),
    Row("pause.avi", ("-vf", LATE, "-fps_mode", "vfr", *B_FRAMES), PAUSED),
    Row("plain.nut"),
    Row("plain.h264"),
    Row("plain.hevc", ("-c:v", "libx265", "-x265-params", "log-level=none", *FASTEST)),
    Row("plain.mpg", ("-c:v", "mpeg2video", "-q:v", "3")),
    Row("plain.m1v", ("-c:v", "mpeg1video", "-q:v", "3")),
    Row("vp8.webm", ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")),
    Row("vp9.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    Row("av1.mp4", ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "log-level=-1")),
    Row("vp8.ivf", ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")),
    Row("theora.ogv", ("-c:v", "libtheora",)),
    Row("plain.wmv", ("-c:v", "wmv2", "-q:v", "3")),
    Row("prores.mov", ("-c:v", "prores_ks"), sampling="422", notes=("its 10 bits a sample are r",)),
    Row("jpegs.avi", ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p"), sampling="422", full=True),
    Row("pictures.mov", ("-c:v", "png",), sampling="rgb", full=True),
    Row("fragments.mp4", (*H264, "-g", 4, "-movflags", "frag_keyframe+empty_moov")),
    Row("sound.mp4", (*SOUND, *H264, "-c:a", "aac"), notes=(SOUND_NOTE,)),
    Row("sound.ts", (*SOUND, *H264, "-c:a", "aac"), notes=(SOUND_NOTE,)),
    Row("pause.mp4", ("-vf", LATE, "-fps_mode", "vfr", *H264), PAUSED, ending=Fraction(1, 25)),
    Row("pause.mkv", ("-vf", LATE, "-fps_mode", "vfr", *B_FRAMES), PAUSED),
    Row("later.mkv", (*H264, "-output_ts_offset", 40000)),
    Row("edited.mp4"),
    Row("wraps.ts", (*H264, "-output_ts_offset", 95443.5)),
    Row("wide.mkv", ("-vf", "setsar=4/3", *H264), aspect=Fraction(4, 3)),
    Row("turned.mp4", H264, size=(64, 96), notes=()),
    Row("hdr.mkv", ("-vf", HDR, *H264), matrix="bt2020", transfer=16, notes=(RANGE,)),
    Row("pal.mkv", ("-vf", SD, *H264), primaries=5, transfer=5),
    Row("fields.mkv", (*TOP_FIRST, *H264), notes=(INTERLACED,), picture=TWICE),
    Row("fields.mpg", (*TOP_FIRST, "-c:v", "mpeg2video"), notes=(INTERLACED,), picture=TWICE),
    Row("still.gif", ("-final_delay", 200), sampling="rgb", ending=Fraction(2)),
    Row("animated.apng", ("-f", "apng", "-plays", 0), sampling="rgb", full=True),
)  # fmt: skip


def made(row: Row, folder: Path) -> Path:
    path = folder / row.name
    if row.name.startswith("turned"):
        upright = clip(folder / "upright.mp4", *row.arguments)
        ffmpeg("-display_rotation", 90, "-i", upright, "-c", "copy", path)
        return path
    if row.name.startswith("edited"):
        longer = clip(folder / "longer.mp4", *row.arguments, picture=LONGER)
        ffmpeg("-ss", 0.2, "-i", longer, "-c", "copy", path)
        return path
    return clip(path, *row.arguments, picture=row.picture)


def test_there_are_forty_and_more():
    assert len(ROWS) > 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_video_is_read_as_it_was_made(tmp_path, row):
    with open_video(made(row, tmp_path)) as video:
        base = video.format.time_base
        shown = [(tick * base, frame.shape) for tick, frame in video.timed]
    assert video.damage == []
    times = [time for time, _ in shown]
    assert len(times) == len(row.times)
    assert times[0] == 0
    assert all(abs(a - b) <= row.tolerance for a, b in zip(times, row.times, strict=True))
    format = video.format
    assert {shape for _, shape in shown} == {(row.size[1], row.size[0], 3)}
    assert (format.aspect, format.sampling, format.full_range) == (
        row.aspect,
        row.sampling,
        row.full,
    )
    assert (format.matrix, format.primaries, format.transfer) == (
        row.matrix,
        row.primaries,
        row.transfer,
    )
    assert (video.ending and video.ending * base) == row.ending
    assert len(video.notes) == len(row.notes)
    for note, wanted in zip(video.notes, row.notes, strict=True):
        assert note.startswith(wanted)

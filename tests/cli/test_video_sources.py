"""Sources as users have them, through the real command: times, damage, streams, colour, rates."""

import json
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from flowcodec.cli.main import main
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import open_video
from tests.cli.test_video_command import run as real  # noqa: F401
from tests.codecs.test_video import clip as drifting
from tests.codecs.test_video import codec, folder, written  # noqa: F401
from tests.media.video.clips import H264, clip, ffmpeg

SHORT = "testsrc2=s=48x32:r=25:d=0.2"  # 5 frames


@pytest.fixture
def run(capsys, monkeypatch):
    """The command in this process, but for the first test: a new one takes seconds."""

    def call(*arguments, status=0, cwd=None):
        if cwd is not None:
            monkeypatch.chdir(cwd)
        assert main([str(word) for word in arguments]) == status
        told = capsys.readouterr()
        return SimpleNamespace(stdout=told.out.encode(), stderr=told.err.encode())

    return call


@pytest.fixture
def encode(run, folder):  # noqa: F811
    def call(*arguments, status=0):
        return run("encode", *arguments, "--weights", folder / "patch.safetensors", status=status)

    return call


@pytest.fixture
def decode(run, folder):  # noqa: F811
    def call(*arguments, status=0):
        return run("decode", *arguments, "--weights", folder, status=status)

    return call


def times_of(path) -> list[float]:
    """As ffmpeg reads them, and nobody has touched them."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [float(frame.pts * frame.time_base) for frame in frames]


def test_a_cut_source_gives_its_whole_frames_and_a_failure(real, folder, decode, tmp_path):  # noqa: F811
    path = clip(tmp_path / "cut.mp4", *H264, "-g", 2, "-movflags", "faststart", picture=SHORT)
    path.write_bytes(path.read_bytes()[:-900])
    weights = folder / "patch.safetensors"
    done = real("encode", path, "--weights", weights, "--json", status=2)
    warnings = [line.decode() for line in done.stderr.splitlines()]
    told = json.loads(done.stdout)
    assert 1 <= told["frames"] < 5
    assert [line.split("cut.mp4: ")[1] for line in warnings[:-1]] == told["damage"]
    assert "missing, of 5" in " ".join(told["damage"])
    assert warnings[-1].endswith(f"cut.mp4 is damaged; {told['frames']} frames were encoded")
    decode(tmp_path / "cut.fcv", "-o", tmp_path / "back.mkv", "--lossless")
    assert len(times_of(tmp_path / "back.mkv")) == told["frames"]


def test_a_source_that_starts_late_gives_a_video_that_does_not(encode, decode, tmp_path):
    path = clip(tmp_path / "late.mkv", *H264, "-output_ts_offset", 40000, picture=SHORT)
    encode(path)
    decode(tmp_path / "late.fcv", "-o", tmp_path / "back.mp4")
    assert times_of(tmp_path / "back.mp4") == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    decode(tmp_path / "late.fcv", "-o", tmp_path / "part.mp4", "--start", 0.08)
    assert times_of(tmp_path / "part.mp4") == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize("first", [-3, 10**9])
def test_files_whose_times_begin_elsewhere_are_shown_from_their_beginning(
    decode,
    codec,  # noqa: F811
    tmp_path,
    first,
):
    data, _ = written(codec, drifting(6), gop=2, ticks=range(first, first + 6))
    (tmp_path / "old.fcv").write_bytes(data)
    decode(tmp_path / "old.fcv", "-o", tmp_path / "back.mkv", "--lossless")
    assert times_of(tmp_path / "back.mkv") == pytest.approx([n / 25 for n in range(6)])
    decode(tmp_path / "old.fcv", "-o", tmp_path / "part.mkv", "--lossless", "--start", 0.12)
    assert times_of(tmp_path / "part.mkv") == pytest.approx([0, 0.04, 0.08])
    for whole, part in zip(
        frames_of(tmp_path / "back.mkv")[3:], frames_of(tmp_path / "part.mkv"), strict=True
    ):
        assert (whole == part).all()


def frames_of(path):
    with open_video(path) as video:
        return list(video.frames)


def test_the_last_frame_of_a_gif_lasts_on_the_other_side(run, encode, decode, tmp_path):  # noqa: F811
    encode(
        clip(tmp_path / "still.gif", "-final_delay", 200, picture=SHORT), "-o", tmp_path / "a.fcv"
    )
    (told,) = json.loads(run("info", tmp_path / "a.fcv", "--json").stdout)
    assert told["ending"] == 200
    assert b"shown for 2 s" in run("info", tmp_path / "a.fcv").stdout
    for name in ("back.mp4", "back.mkv"):
        decode(tmp_path / "a.fcv", "-o", tmp_path / name)
        with av.open(str(tmp_path / name)) as container:
            assert container.duration == pytest.approx(2_160_000, abs=2000)
    decode(tmp_path / "a.fcv", "-o", tmp_path / "part.mp4", "--frames", 3)
    with av.open(str(tmp_path / "part.mp4")) as container:
        assert container.duration == pytest.approx(120_000, abs=2000)
    done = decode(tmp_path / "a.fcv", "-o", tmp_path / "back.y4m")
    assert b"back.y4m: note: y4m cannot say how long its last frame is shown" in done.stderr


def test_what_colours_mean_and_the_shape_of_pixels_go_through(run, encode, decode, tmp_path):  # noqa: F811
    tags = "setsar=4/3,setparams=colorspace=bt709:color_primaries=smpte432:color_trc=iec61966-2-1"
    path = clip(tmp_path / "wide.mkv", "-vf", tags, *H264, picture=SHORT)
    encode(path)
    (told,) = json.loads(run("info", tmp_path / "wide.fcv", "--json").stdout)
    assert (told["primaries"], told["transfer"]) == (12, 13)
    assert b"primaries 12, transfer 13" in run("info", tmp_path / "wide.fcv").stdout
    for name, more in (("back.mp4", ()), ("back.mkv", ("--lossless",))):
        decode(tmp_path / "wide.fcv", "-o", tmp_path / name, *more)
        with av.open(str(tmp_path / name)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            assert stream.sample_aspect_ratio == Fraction(4, 3)
            assert (context.color_primaries, context.color_trc, context.colorspace) == (12, 13, 1)
            assert stream.metadata.get("title") is None
    plain = clip(tmp_path / "plain.mkv", *H264, picture=SHORT)
    encode(plain)
    (told,) = json.loads(run("info", tmp_path / "plain.fcv", "--json").stdout)
    assert (told["primaries"], told["transfer"], told["ending"]) == (None, None, None)


def test_rates_and_streams_can_be_told(encode, decode, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, frame in enumerate(drifting(3)):
        write_picture(Picture(frame), frames / f"{number}.png")
    encode(frames, "-o", tmp_path / "a.fcv", "--fps", "30000/1001")
    decode(tmp_path / "a.fcv", "-o", tmp_path / "a.mp4")
    assert times_of(tmp_path / "a.mp4") == pytest.approx([0, 1001 / 30000, 2002 / 30000], abs=1e-4)
    two = tmp_path / "two.mkv"
    pictures = [
        word
        for size in ("48x32", "32x48")
        for word in ("-f", "lavfi", "-i", SHORT.replace("48x32", size))
    ]
    ffmpeg(*pictures, "-map", 0, "-map", 1, *H264, two)
    done = encode(two, "--stream", 1, "--json")
    assert b"two.mkv: note: its further video is left out" in done.stderr
    assert json.loads(done.stdout)["notes"] == ["its further video is left out"]
    decode(tmp_path / "two.fcv", "-o", tmp_path / "two.y4m")
    assert (tmp_path / "two.y4m").read_bytes().startswith(b"YUV4MPEG2 W32 H48 ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("clip.mkv", "--fps", "30"), "has times of its own"),
        (("clip.mkv", "--fps", "0"), "'0' is no rate"),
        (("clip.mkv", "--fps", "nan"), "'nan' is no rate"),
        (("clip.mkv", "--fps", "1/0"), "'1/0' is no rate"),
        (("clip.mkv", "--stream", "4"), "stream 4 of clip.mkv is no video"),
        (("clip.yuv", "--raw", "4x4:gray:25", "--fps", "30"), "--fps is said by --raw itself"),
        (("photo.png", "--stream", "0"), "--stream is for videos"),
        (("photo.png", "--fps", "3"), "--fps is for videos"),
    ],
)
def test_rates_and_streams_that_cannot_be_get_one_line(run, tmp_path, arguments, text):  # noqa: F811
    clip(tmp_path / "clip.mkv", *H264, picture=SHORT)
    (tmp_path / "clip.yuv").write_bytes(bytes(32))
    write_picture(Picture(drifting(1)[0]), tmp_path / "photo.png")
    done = run("encode", *arguments, status=2, cwd=tmp_path)
    (line,) = done.stderr.decode().splitlines()
    assert text in line

"""What of a container is taken for the video, and what its samples mean."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video import matroska, open_raw, open_video
from flowcodec.media.video.format import usual_format
from tests.media.video.clips import COUNT, H264, PICTURE, SOUND, clip, ffmpeg
from tests.media.video.test_formats import slope

GRAY = "color=c=gray:s={0}:r=25:d=0.4"


def videos(path: Path, *sizes: str, more: tuple[object, ...] = ()) -> Path:
    """A file with a video stream of each of these sizes."""
    inputs = [word for size in sizes for word in ("-f", "lavfi", "-i", GRAY.format(size))]
    maps = [word for number in range(len(sizes)) for word in ("-map", number)]
    ffmpeg(*inputs, *maps, *H264, *more, path)
    return path


def cover(folder: Path) -> Path:
    write_picture(Picture(np.full((300, 400, 3), 200, np.uint8)), folder / "cover.png")
    return folder / "cover.png"


def size_of(path: Path, **wishes) -> tuple[int, int, int]:
    with open_video(path, **wishes) as video:
        return video.width, video.height, len(list(video.frames))


@pytest.mark.parametrize(
    ("sizes", "default", "size"),
    [
        (("64x48", "96x64"), None, (96, 64)),  # the larger
        (("96x64", "64x48"), None, (96, 64)),
        (("64x48", "64x48"), 1, (64, 48)),
        (("96x64", "64x48"), 1, (64, 48)),  # the default one
        (("64x48", "96x64"), 0, (64, 48)),
    ],
)
def test_the_stream_is_chosen_as_ffmpeg_does(tmp_path, sizes, default, size):
    marks = []
    for number in range(len(sizes)):
        marks += [f"-disposition:v:{number}", "default" if number == default else "0"]
    path = videos(tmp_path / "clip.mkv", *sizes, more=("-default_mode", "passthrough", *marks))
    assert size_of(path) == (*size, COUNT)
    frames = tmp_path / "frame.png"
    ffmpeg("-i", path, "-frames:v", 1, frames)
    with Image.open(frames) as chosen:
        assert chosen.size == size


def test_a_stream_can_be_named(tmp_path):
    path = videos(tmp_path / "clip.mkv", "64x48", "96x64")
    assert size_of(path, stream=0) == (64, 48, COUNT)
    assert size_of(path, stream=1) == (96, 64, COUNT)
    with pytest.raises(UsageError, match=r"stream 2 of .*clip\.mkv is no video.* are: 0, 1"):
        size_of(path, stream=2)
    sound = clip(tmp_path / "sound.mp4", *SOUND, *H264)
    with pytest.raises(UsageError, match=r"stream 1 .* is no video; its videos are: 0"):
        size_of(sound, stream=1)


def test_a_cover_is_no_video(tmp_path):
    picture, whole = cover(tmp_path), clip(tmp_path / "whole.mp4", *H264)
    path = tmp_path / "cover_first.mp4"
    maps = ("-map", 1, "-map", 0, "-disposition:v:0", "attached_pic")
    ffmpeg("-i", whole, "-i", picture, *maps, "-c", "copy", path)
    assert size_of(path) == (96, 64, COUNT)
    with open_video(path) as video:
        assert video.notes == ["its cover is left out"]
    sound = tmp_path / "sound.mp3"
    ffmpeg(*SOUND, "-i", picture, "-map", 0, "-map", 1, "-c:v", "png", sound)
    with pytest.raises(MediaError, match=r"sound\.mp3 holds no video; its only picture is a cover"):
        size_of(sound)
    assert size_of(sound, stream=1) == (400, 300, 1)


@pytest.mark.parametrize("wish", [{"stream": 1}, {"fps": Fraction(30)}])
def test_wishes_that_do_not_go_with_a_video_are_refused(tmp_path, wish):
    y4m = clip(tmp_path / "clip.y4m")
    with pytest.raises(UsageError, match="leave out --"):
        size_of(y4m, **wish)
    mp4 = clip(tmp_path / "clip.mp4", *H264)
    with pytest.raises(UsageError, match=r"has times of its own|is no video"):
        size_of(mp4, **wish)


def test_a_folder_takes_a_rate(tmp_path):
    for number in range(3):
        write_picture(Picture(np.zeros((20, 30, 3), np.uint8)), tmp_path / f"{number}.png")
    with open_video(tmp_path, fps=Fraction(30000, 1001)) as video:
        assert [tick * video.format.time_base for tick, _ in video.timed] == [
            number * Fraction(1001, 30000) for number in range(3)
        ]
    with pytest.raises(UsageError, match="leave out --stream"):
        size_of(tmp_path, stream=1)


def test_what_the_pictures_of_a_folder_lose_is_noted_once(tmp_path):
    plain = np.zeros((20, 30, 3), np.uint8)
    write_picture(Picture(plain), tmp_path / "0.png")
    alpha = np.full((20, 30), 9, np.uint8)
    for number in (1, 2):
        write_picture(Picture(plain, alpha), tmp_path / f"{number}.png")
    deep = Image.fromarray(np.full((20, 30), 40000, np.uint16))
    for number in (3, 4):
        deep.save(tmp_path / f"{number}.png")
    with open_video(tmp_path) as video:
        assert video.notes == []
        assert len(list(video.frames)) == 5
    assert len(video.notes) == 2
    assert video.notes[0] == "its transparency is left out"
    assert "16 bits" in video.notes[1]


@pytest.mark.parametrize("turn", [1, 6, 3])
def test_frames_with_exif_are_read_and_turned(tmp_path, turn):
    """PyAV has no name for EXIF, and then no access to what lies beside it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = turn, "maker"
    picture = Image.fromarray(np.full((60, 100, 3), 90, np.uint8))
    picture.save(tmp_path / "one.jpg", exif=exif)
    path = tmp_path / "camera.mjpeg"
    path.write_bytes((tmp_path / "one.jpg").read_bytes() * 4)
    assert size_of(path) == ((60, 100, 4) if turn == 6 else (100, 60, 4))


def test_what_changes_in_the_midst_is_noted(tmp_path):
    parts = [
        clip(tmp_path / "a.ts", *H264),
        clip(tmp_path / "b.ts", *H264, picture=PICTURE.replace("96x64", "128x80")),
        clip(tmp_path / "c.ts", *H264[:-1], "yuv444p"),
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(path) as video:
        assert {frame.shape for frame in video.frames} == {(64, 96, 3)}
    assert video.damage == []
    assert video.notes == [
        f"from frame {COUNT} on it is 128x80, which is scaled to 96x64",
        f"from frame {2 * COUNT} on its sampling is 444, which becomes 420",
    ]


def test_webp_that_moves_is_not_called_damaged(tmp_path):
    path = tmp_path / "moves.webp"
    pictures = [Image.new("RGB", (40, 30), (shade, 90, 60)) for shade in (10, 250)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    with pytest.raises(MediaError, match="no WebP that moves") as caught, open_video(path):
        pass
    assert "damaged" not in str(caught.value)


def test_a_change_of_the_shape_of_pixels_is_noted(tmp_path):
    parts = [
        clip(tmp_path / f"{n}.ts", *H264, "-vf", f"setsar={shape}")
        for n, shape in enumerate(("4/3", "4/3", "16/15"))
    ]
    path = tmp_path / "joined.ts"
    told = "the shape of its pixels changes to 16/15: the first is kept"
    for count, notes in (2, []), (3, [told]):
        path.write_bytes(b"".join(part.read_bytes() for part in parts[:count]))
        with open_video(path) as video:
            assert len(list(video.frames)) == count * COUNT
            assert video.notes == notes


@pytest.mark.parametrize(
    ("name", "codec", "siting"),
    [
        ("plain.mkv", "ffv1", "left"),  # says nothing, as the three after it
        ("raw.nut", "rawvideo", "left"),
        ("vp9.webm", "libvpx-vp9", "left"),
        ("huff.mkv", "ffvhuff", "left"),
        ("sited.mkv", "ffv1", "topleft"),  # its container says it
        ("centre.mkv", "ffv1", "center"),
        ("jpeg.mov", "mjpeg", "center"),  # its codec has it so
        ("one.m1v", "mpeg1video", "center"),
        ("two.m2v", "mpeg2video", "left"),
        ("h264.mp4", "libx264", "left"),
    ],
)
def test_colour_stands_where_its_stream_has_it(tmp_path, name, codec, siting):
    """Colour that rises to the right, shared as the siting has it: nothing moves."""
    write_picture(Picture(slope()), tmp_path / "slope.png")
    places = (
        f"scale=out_chroma_loc={siting}:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"
    )
    said = () if name in ("plain.mkv", "raw.nut", "vp9.webm", "huff.mkv") else (siting,)
    place = [word for at in said for word in ("-chroma_sample_location", at)]
    dumb = [] if said else ["-chroma_sample_location", "unspecified"]
    lossless = ["-lossless", 1] if codec == "libvpx-vp9" else ["-q:v", 2]
    ffmpeg(
        "-loop", 1, "-r", 25, "-i", tmp_path / "slope.png", "-frames:v", 2,
        "-vf", f"{places},format=yuv420p", "-c:v", codec, *lossless, *place, *dumb,
        "-strict", -2, tmp_path / name,
    )  # fmt: skip
    with open_video(tmp_path / name) as video:
        for read in video.frames:
            drift = (read.astype(float) - slope())[8:-8, 8:-8].mean((0, 1))
            assert np.abs(drift[[0, 2]]).max() < 0.7  # half a pixel off is 1


def combed(path: Path, kind: str) -> Path:
    """A bar of colour that moves 8 pixels a field, two fields a frame."""
    bar = (
        "color=c=black:s=96x64:r=50:d=0.4[b];color=c=red:s=16x64:r=50:d=0.4[r];[b][r]overlay=x=n*4"
    )
    fields = f"interlace=scan={kind}:lowpass=off"
    flags = ("-flags", "+ildct+ilme")
    coded = H264 if path.suffix == ".mkv" else ("-pix_fmt", "yuv420p")
    ffmpeg("-f", "lavfi", "-i", f"{bar},{fields}", *flags, *coded, path)
    return path


@pytest.mark.parametrize("kind", ["tff", "bff"])
@pytest.mark.parametrize("name", ["fields.mkv", "fields.y4m"])
def test_interlaced_frames_become_whole(tmp_path, name, kind):
    path = combed(tmp_path / name, kind)
    with open_video(path) as video:
        frames = [(tick, frame.astype(int)) for tick, frame in video.timed]
        base = video.format.time_base
    assert video.notes == ["it is interlaced: its frames are deinterlaced"]
    assert [float(tick * base) for tick, _ in frames] == pytest.approx(
        [number / 25 for number in range(COUNT)]
    )
    for _, frame in frames[1:-1]:
        # Rows of two fields would show the bar at two places, in turns.
        assert np.abs(np.diff(frame[8:-8], axis=0)).mean() < 4
        assert frame[32, :, 0].max() > 150


def test_what_is_not_interlaced_is_not_touched(tmp_path):
    path = clip(tmp_path / "clip.mkv", "-c:v", "ffv1")
    with open_video(path) as video, av.open(str(path)) as container:
        for read, frame in zip(video.frames, container.decode(video=0), strict=True):
            assert not frame.interlaced_frame
            assert read.shape == (64, 96, 3)
        assert video.notes == []


@pytest.mark.parametrize(("matrix", "name"), [(8, "YCgCo"), (14, "ICtCp")])
def test_a_matrix_that_is_not_known_is_refused_by_name(tmp_path, matrix, name):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        stream.codec_context.colorspace = matrix
        frame = av.VideoFrame.from_ndarray(np.full((3, 32, 48), 90, np.uint8), format="yuv444p")
        frame.colorspace = matrix
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match=rf"its colour is {name}, which is not known"):
        size_of(path)


def test_opaque_pictures_of_a_kind_with_alpha_are_not_noted(tmp_path):
    with open_video(clip(tmp_path / "clip.gif")) as video:
        assert len(list(video.frames)) == COUNT
    assert video.notes == []
    ffmpeg("-f", "lavfi", "-i", "color=c=red@0.5:s=64x48:d=0.2,format=rgba", tmp_path / "clip.apng")
    with open_video(tmp_path / "clip.apng") as video:
        assert len(list(video.frames)) == 5
    assert video.notes == ["its transparency is left out"]


def test_alpha_beside_vp9_is_noted(tmp_path):
    path = clip(tmp_path / "clip.webm", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p")
    with open_video(path) as video:
        assert video.notes == ["its transparency is left out"]


def test_raw_planes_are_not_asked_for_streams(tmp_path):
    (tmp_path / "clip.yuv").write_bytes(bytes(50 * 38 * 3 // 2))
    with open_raw(tmp_path / "clip.yuv", usual_format(50, 38, Fraction(25))) as video:
        assert [tick for tick, _ in video.timed] == [0]


def test_moving_pictures_come_before_a_still_one(tmp_path):
    pictures = [Image.fromarray(np.full((40, 60, 3), 50 * n, np.uint8)) for n in range(4)]
    path = tmp_path / "moving.avif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    assert size_of(path) == (60, 40, 4)


def test_the_rate_of_dv_is_that_of_its_frames(tmp_path):
    picture = PICTURE.replace("96x64", "720x576")
    path = clip(tmp_path / "clip.dv", "-target", "pal-dv", picture=picture)
    with open_video(path) as video:
        assert video.fps == 25
        assert len(list(video.timed)) == COUNT
    assert video.ending is None


def test_what_a_container_hides_is_not_shown(tmp_path):
    """Columns and rows that Matroska crops, written as we write the shape of pixels."""
    hidden = b"\x54\xcc\x81\x08" + b"\x54\xdd\x81\x02" + b"\x54\xaa\x81\x06"
    source, path = clip(tmp_path / "whole.mkv", "-c:v", "ffv1"), tmp_path / "cropped.mkv"
    with av.open(str(source)) as whole, path.open("wb") as stream:
        file = matroska.ShapedFile(stream, Fraction(1))
        file.shape = hidden + b"\xec\x80"
        with av.open(file, "w", format="matroska", options=dict(matroska.OPTIONS)) as target:
            copy = target.add_stream_from_template(whole.streams.video[0])
            copy.metadata["title"] = matroska.PLACEHOLDER
            for packet in whole.demux(video=0):
                if packet.size:
                    packet.stream = copy
                    target.mux(packet)
    with open_video(source) as whole, open_video(path) as cropped:
        assert (cropped.width, cropped.height) == (96 - 10, 64 - 6)
        for one, other in zip(whole.frames, cropped.frames, strict=True):
            assert np.array_equal(one[:-6, 8:-2], other)


def test_metadata_and_chapters_are_noted(tmp_path):
    (tmp_path / "about.txt").write_text(
        ";FFMETADATA1\ntitle=waves\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=one\n"
    )
    path = tmp_path / "clip.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", PICTURE, "-i", tmp_path / "about.txt", "-map_metadata", 1, *H264, path
    )
    with open_video(path) as video:
        assert video.notes == [
            "its chapters are left out",
            "its metadata are left out (title)",
        ]


def test_videos_are_read_in_several_threads(tmp_path):
    """What ffmpeg complains of is heard in the thread that reads, and nothing is printed after."""
    good, bad = clip(tmp_path / "good.mkv", *H264), tmp_path / "bad.mkv"
    data = good.read_bytes()
    bad.write_bytes(data[: len(data) // 2] + bytes(900) + data[len(data) // 2 + 900 :])

    def read(path):
        with open_video(path) as video:
            return len(list(video.frames)), bool(video.damage)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, [good, bad] * 8))
    assert set(found[::2]) == {(COUNT, False)}
    assert len(set(found[1::2])) == 1
    assert found[1][1]
    assert av.logging.get_level() is None


def test_frames_that_must_be_whole_are_an_error_if_not(tmp_path):
    path = clip(tmp_path / "clip.mp4", *H264, "-g", 2, "-movflags", "faststart")
    path.write_bytes(path.read_bytes()[:-1000])
    shown = 0
    with open_video(path) as video, pytest.raises(MediaError, match=r"clip\.mp4 is damaged: .*cut"):
        for _ in video.whole:
            shown += 1
    assert 0 < shown < COUNT

"""`flowcodec decode --verify` of videos: parts, damage, other originals; kept and thrown away."""

import json
from fractions import Fraction
from io import TextIOWrapper

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from flowcodec.bitstream.video_file import read_groups
from flowcodec.cli.main import main
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip, folder  # noqa: F401

FORMAT = usual_format(53, 37, Fraction(25))


def written(path, frames):
    with create_video(path, FORMAT) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def files(folder, tmp_path_factory):  # noqa: F811
    """A clip of ten frames as y4m, raw planes and a folder, and its file in groups of 4, 4, 2."""
    place = tmp_path_factory.mktemp("clip")
    frames = clip(10)
    for name in ("clip.y4m", "clip.yuv", "frames"):
        written(place / name, frames)
    for name in ("clip", "frames"):
        source = place / ("clip.y4m" if name == "clip" else "frames")
        words = ["encode", source, "-o", place / f"{name}.fcv", "--gop", 4, "--quiet"]
        own = folder / "patch.safetensors"
        assert main([*map(str, words), "--weights", str(own)]) == 0
    return place


@pytest.fixture
def verify(folder, files, tmp_path, capsys):  # noqa: F811
    """Decodes with --verify and --json: status, what is told, stderr, and whether it was kept."""

    def call(coded, original, *words):
        target = tmp_path / "out.y4m"
        words = ["decode", coded, "-o", target, "--verify", original, "--json", *words]
        status = main([*map(str, words), "--weights", str(folder)])
        told = capsys.readouterr()
        return status, json.loads(told.out or "{}"), told.err, target.exists()

    return call


def damaged(files, tmp_path, *numbers):
    """The file with a wrong byte in the code of these groups."""
    data = bytearray((files / "clip.fcv").read_bytes())
    with (files / "clip.fcv").open("rb") as stream:
        groups = list(read_groups(stream)[1])
    for number in numbers:
        data[groups[number].offset + groups[number].length - 12] ^= 1
    path = tmp_path / "bad.fcv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("words", "frames", "groups"),
    [
        ([], 10, 3),
        (["--start", "0.2"], 5, 2),
        (["--start", "0.32"], 2, 1),
        (["--frames", "1"], 1, 1),
        (["--frames", "5"], 5, 2),
        (["--start", "0.2", "--frames", "1"], 1, 1),
    ],
)
def test_a_part_is_verified_by_its_own_frames(verify, files, words, frames, groups):
    status, told, err, kept = verify(files / "clip.fcv", files / "clip.y4m", *words)
    assert (status, err, kept) == (0, "", True)
    assert (told["frames"], told["groups"], told["verified_groups"]) == (frames, groups, groups)


@pytest.mark.parametrize("original", ["clip.yuv", "frames"])
def test_originals_of_other_kinds(verify, files, original):
    coded = "frames.fcv" if original == "frames" else "clip.fcv"
    status, told, err, _ = verify(files / coded, files / original)
    # Raw planes are the same samples without a word on where colour stands.
    assert (status, told["verified_groups"]) == (0, 3), err


@pytest.mark.parametrize(("bad", "good"), [([0], 2), ([1], 2), ([0, 2], 1)])
def test_after_damage_the_good_groups_verify_and_are_kept(verify, files, tmp_path, bad, good):
    status, told, err, kept = verify(damaged(files, tmp_path, *bad), files / "clip.y4m")
    assert (status, kept, told["verified_groups"], told["groups"]) == (2, True, good, 3)
    assert "measured" not in err and "is damaged" in err.splitlines()[-1]


@pytest.mark.parametrize(("missing", "groups"), [("middle", 2), ("index", 3), ("end", 2)])
def test_what_is_left_of_a_file_verifies(verify, files, tmp_path, missing, groups):
    data = (files / "clip.fcv").read_bytes()
    with (files / "clip.fcv").open("rb") as stream:
        starts = [group.offset for group in read_groups(stream)[1]]
    left = {
        "middle": data[: starts[1]] + data[starts[2] :],
        "index": data[:-10],
        "end": data[: starts[2]],
    }
    part = tmp_path / "left.fcv.part"
    part.write_bytes(left[missing])
    status, told, err, kept = verify(part, files / "clip.y4m")
    assert (status, kept, told["verified_groups"], told["groups"]) == (2, True, groups, groups)
    assert "measured" not in err


def test_a_file_from_a_pipe_verifies(verify, files, monkeypatch):
    with (files / "clip.fcv").open("rb") as stream:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(stream))
        status, told, err, _ = verify("-", files / "clip.y4m", "--start", "0.2")
    assert (status, err, told["frames"], told["verified_groups"]) == (0, "", 5, 2)


def test_it_is_told_where_nothing_could_be_verified(verify, files, tmp_path):
    status, told, err, kept = verify(damaged(files, tmp_path, 0, 1, 2), files / "clip.y4m")
    assert (status, kept, told["verified_groups"]) == (2, True, 0)
    assert "nothing could be verified" in err.splitlines()[-1]


def test_info_tells_of_groups_that_lost_all_frames(files, tmp_path, capsys):
    data = bytearray((files / "clip.fcv").read_bytes())
    with (files / "clip.fcv").open("rb") as stream:
        groups = list(read_groups(stream)[1])
    for group in groups[::2]:
        data[group.offset + group.frames[0].code_bytes // 2] ^= 1
    path = tmp_path / "bad.fcv"
    for size, lost in (len(data), [True, False, True]), (groups[0].length // 2, [True]):
        path.write_bytes(data[:size])
        assert main(["info", str(path), "--json"]) == 2
        (told,) = json.loads(capsys.readouterr().out)
        assert [group["quality"] is None for group in told["groups"]] == lost
        assert sum(told["parts"].values()) == told["bytes"] == size
        assert all(count >= 0 for count in told["parts"].values())
        assert main(["info", str(path)]) == 2
        assert capsys.readouterr().out.count(" lost ") == sum(lost)


def test_what_fails_is_not_kept(verify, files, tmp_path):
    frames = clip(10)
    for name, other, why in (
        ("seed.y4m", clip(10, seed=3), "group 0 has"),
        ("late.y4m", [*frames[:7], *clip(3, seed=3)], "group 1 has"),
        ("shifted.y4m", [*frames[1:], frames[9]], "group 0 has"),
        ("short.y4m", frames[:9], "is not the original: it has only 9 frames"),
        ("long.y4m", [*frames, frames[0]], "is not the original: it has more than 10 frames"),
    ):
        status, told, err, kept = verify(files / "clip.fcv", written(tmp_path / name, other))
        assert (status, told, kept) == (2, {}, False)
        assert why in err and err.count("\n") == 1


def test_another_size_is_told(verify, files, tmp_path):
    small = tmp_path / "small.y4m"
    with create_video(small, usual_format(20, 20, Fraction(25))) as writer:
        writer.write(clip(1, 20, 20)[0])
    status, _, err, _ = verify(files / "clip.fcv", small)
    assert status == 2 and "is not the original: it is 20x20, the file 53x37" in err


def test_the_original_is_not_overwritten(files, folder, capsys):  # noqa: F811
    words = ["decode", files / "clip.fcv", "-o", files / "clip.y4m", "--verify", files / "clip.y4m"]
    before = (files / "clip.y4m").read_bytes()
    assert main([*map(str, words), "--weights", str(folder)]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert (files / "clip.y4m").read_bytes() == before


def test_the_stream_that_was_coded_is_the_one_to_verify_by(folder, verify, tmp_path, capsys):  # noqa: F811
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 24, "bgr0"
        for number in range(3):
            for shade, stream in zip((90, 200), streams, strict=True):
                frame = VideoFrame.from_ndarray(np.full((24, 32, 3), shade, np.uint8), "rgb24")
                frame.pts = number
                container.mux(stream.encode(frame.reformat(format="bgr0")))
        for stream in streams:
            container.mux(stream.encode(None))
    coded = tmp_path / "two.fcv"
    words = ["encode", path, "-o", coded, "--stream", 1, "--quiet"]
    assert main([*map(str, words), "--weights", str(folder / "patch.safetensors")]) == 0
    assert verify(coded, path, "--stream", "1")[0] == 0
    assert verify(coded, path)[0] == 2
    capsys.readouterr()
    assert main(["decode", str(coded), "-o", str(tmp_path / "a.y4m"), "--stream", "1"]) == 2
    assert "--stream is of the original that --verify names" in capsys.readouterr().err

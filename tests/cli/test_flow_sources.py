"""`flowcodec flow` of videos as users have them: times, shape of pixels, damage, streams, rates."""

from fractions import Fraction

import av
import pytest

from tests.cli.test_flow_command import estimator, run  # noqa: F401
from tests.media.video.clips import H264, clip

LATE = "setpts='if(lt(N,2),N,N+20)/25/TB'"  # a pause of 0.8 s before frame 2
SHORT = "testsrc2=s=48x32:r=25:d=0.2"  # 5 frames

pytestmark = pytest.mark.usefixtures("estimator")


def test_flow_of_a_variable_rate_keeps_its_times(run, tmp_path):  # noqa: F811
    more = ("-vf", f"{LATE},setsar=4/3", "-fps_mode", "vfr", *H264)
    path = clip(tmp_path / "clip.mkv", *more, picture=SHORT)
    status, _, told = run(path, "-o", tmp_path / "flow.mp4", "--largest", 8)
    assert (status, told) == (0, "")
    with av.open(str(tmp_path / "flow.mp4")) as container:
        stream = container.streams.video[0]
        times = [float(picture.pts * stream.time_base) for picture in container.decode(stream)]
        assert stream.sample_aspect_ratio == Fraction(4, 3)
    assert times == pytest.approx([0, 0.04, 0.88, 0.92], abs=0.002)


def test_damage_is_told_and_the_rest_estimated(run, tmp_path):  # noqa: F811
    path = clip(tmp_path / "cut.mp4", *H264, "-g", 2, "-movflags", "faststart", picture=SHORT)
    path.write_bytes(path.read_bytes()[:-900])
    status, out, told = run(path, "-o", tmp_path / "flow")
    assert status == 2
    assert "pair" in out
    assert "warning" in told
    assert "missing, of 5" in told
    assert "cut.mp4 is damaged; flow of" in told.splitlines()[-1]
    assert list((tmp_path / "flow").glob("*.flo"))


def test_notes_are_told(run, tmp_path):  # noqa: F811
    fields = ("-vf", "interlace", "-flags", "+ildct+ilme", *H264)
    path = clip(tmp_path / "fields.mkv", *fields, picture=SHORT)
    status, _, told = run(path, "-o", tmp_path / "flow")
    assert (status, told) == (
        0,
        f"{path}: note: it is interlaced: its frames are deinterlaced\n",
    )


def test_a_folder_takes_a_rate(run, tmp_path):  # noqa: F811
    status, _, _ = run(tmp_path / "frames", "-o", tmp_path / "flow.mp4", "--fps", 10)
    assert status == 0
    with av.open(str(tmp_path / "flow.mp4")) as container:
        assert container.streams.video[0].average_rate == 10


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a.png", "b.png", "--stream", 0), "--stream is for videos"),
        (("a.png", "b.png", "--fps", 3), "--fps is for videos"),
        (("clip.mkv", "--stream", 3), "stream 3 of clip.mkv is no video"),
        (("clip.mkv", "--fps", 3), "has times of its own"),
    ],
)
def test_wishes_that_cannot_be_get_one_line(run, tmp_path, monkeypatch, words, text):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "clip.mkv", *H264, picture=SHORT)
    output = "flow.flo" if words[0] == "a.png" else "flow"
    status, _, told = run(*words, "-o", output)
    assert status == 2
    (line,) = told.splitlines()
    assert text in line

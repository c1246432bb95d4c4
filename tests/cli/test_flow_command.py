"""`flowcodec flow`: pictures, videos, folders, pipes; what is written, and what is refused."""

import contextlib
import json
import os
import subprocess
import sys
from fractions import Fraction
from io import BytesIO, TextIOWrapper
from pathlib import Path

import av
import numpy as np
import pytest

import flowcodec
from flowcodec.cli.main import main
from flowcodec.media.flow import read_flow
from flowcodec.media.flow_view import colors, with_key
from flowcodec.media.picture import Picture, read_picture, write_picture
from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.training.networks import export

HEIGHT, WIDTH, STEP = 33, 47, 4
FRAMES = 7


def frame(number: int) -> np.ndarray:
    """A texture that moves a pixel down a frame and grows brighter by STEP."""
    texture = np.random.default_rng(3).integers(0, 40, (HEIGHT + FRAMES, WIDTH, 3))
    start = FRAMES - number
    return (60 + STEP * number + texture[start : start + HEIGHT]).astype(np.uint8)


class Brightness:
    """Stands in for the estimator: as many pixels to the right as the second is brighter."""

    smallest = 16

    def __init__(self, fail_at: int = 99, error: type[BaseException] = KeyboardInterrupt):
        self.calls, self.fail_at, self.error = 0, fail_at, error
        self.model, self.seen = self, 0

    def features(self, picture: np.ndarray) -> np.ndarray:
        self.seen += 1
        return picture

    def flow_between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        assert first.shape == second.shape and first.dtype == second.dtype == np.uint8
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error
        flow = np.zeros((*first.shape[:2], 2), np.float32)
        flow[..., 0] = second.mean() - first.mean()
        return flow


@pytest.fixture
def estimator(monkeypatch):
    """Replaces the network by Brightness, which it returns, and keeps what was asked for."""
    found = Brightness()

    def load(name, **options):
        found.asked = (name, options)
        return found

    monkeypatch.setattr("flowcodec.codecs.loading.flow_estimator", load)
    return found


@pytest.fixture
def run(estimator, capsys, tmp_path, monkeypatch):
    """Runs the command in this process, in a folder with clip.mkv and frames: status, out, err."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    with av.open("clip.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number in range(FRAMES):
            write_picture(Picture(frame(number)), Path(f"frames/{number}.png"))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(number), "rgb24")))
        container.mux(stream.encode(None))

    def call(*words):
        status = main(["flow", *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def files_in(folder: Path | str) -> set[str]:
    paths = Path(folder).rglob("*")
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file()}


def left_behind() -> set[str]:
    """What lies in the working folder beside the inputs."""
    return {name for name in files_in(".") if not name.startswith(("frames/", "clip.mkv"))}


def assert_shift(path: Path | str, pixels: float) -> None:
    flow = read_flow(path)
    assert flow.vectors.shape == (HEIGHT, WIDTH, 2)
    assert flow.valid.all()
    assert np.abs(flow.vectors - (pixels, 0)).max() < 0.6


@pytest.mark.parametrize("suffix", [".flo", ".png", ".npy", ".npz", ".FLO"])
def test_two_pictures_become_flow(run, estimator, suffix):
    output = f"new/out{suffix}"
    status, out, err = run("frames/1.png", "frames/4.png", "-o", output)
    assert (status, err) == (0, "")
    assert_shift(output, 3 * STEP)
    assert out.startswith(f"{output}: flow as ")
    assert "up to 1" in out and out.count("\n") == 1
    assert ("--view colors" in out) == (suffix == ".png")
    assert left_behind() == {output}
    assert estimator.asked == (None, {"weights": None, "device": "cpu", "threads": None})


def test_backward_and_mask_lie_beside(run):
    words = ("frames/0.png", "frames/3.png", "-o", "out.npy", "--backward", "--consistency")
    status, out, err = run(*words, "--json", "--threads", 1)
    assert (status, err) == (0, "")
    assert left_behind() == {"out.npy", "out-backward.npy", "out-occluded.png"}
    assert_shift("out.npy", 3 * STEP)
    assert_shift("out-backward.npy", -3 * STEP)
    shift = read_flow("out.npy").vectors[0, 0, 0]
    mask = read_picture("out-occluded.png").pixels
    assert mask.shape == (HEIGHT, WIDTH, 1)
    leaves = np.arange(WIDTH) + shift > WIDTH - 1
    assert np.array_equal(mask[..., 0], np.tile(255 * leaves.astype(np.uint8), (HEIGHT, 1)))
    told = json.loads(out)
    assert (told["name"], told["frames"]) == ("out.npy", ["frames/0.png", "frames/3.png"])
    assert told["mean"] == told["largest"] == pytest.approx(float(shift), abs=1e-3)
    assert told["occluded"] == pytest.approx(leaves.mean(), abs=1e-5)
    assert told["full_colour"] is None
    assert told["seconds"] >= 0


@pytest.mark.parametrize("view", ["colors", "overlay", "arrows"])
def test_a_view_is_a_picture(run, view):
    status, out, _ = run("frames/0.png", "frames/3.png", "-o", "out.webp", "--view", view)
    assert status == 0
    assert out.startswith(f"out.webp: flow as {view}, up to ")
    assert read_picture("out.webp").pixels.shape == (HEIGHT, WIDTH, 3)


def test_the_scale_of_the_colours_can_be_given(run):
    run("frames/0.png", "frames/3.png", "-o", "out.npy")
    words = ("frames/0.png", "frames/3.png", "-o", "out.png", "--view", "colors", "--largest", 50)
    status, out, _ = run(*words)
    assert status == 0
    assert "full colour at 50 px" in out
    drawn = colors(read_flow("out.npy").vectors, largest=50)
    assert np.array_equal(read_picture("out.png").pixels, drawn)


@pytest.mark.parametrize("view", ["colors", "overlay"])
def test_the_key_stands_in_the_corner(run, view):
    pictures = []
    for name, more in (("plain.png", ()), ("key.png", ("--key",))):
        words = ("frames/0.png", "frames/3.png", "-o", name, "--view", view, "--largest", 9)
        assert run(*words, *more)[0] == 0
        pictures.append(read_picture(name).pixels)
    plain, key = pictures
    assert np.array_equal(key, with_key(plain, 9))
    assert not np.array_equal(key, plain)


def test_gray_and_transparent_pictures_are_taken(run):
    write_picture(Picture(frame(0)[..., :1]), Path("gray.png"))
    write_picture(Picture(frame(2), np.full((HEIGHT, WIDTH), 9, np.uint8)), Path("alpha.png"))
    assert run("gray.png", "alpha.png", "-o", "out.flo")[0] == 0
    assert_shift("out.flo", 2 * STEP)


@pytest.mark.parametrize("video", ["clip.mkv", "frames"])
@pytest.mark.parametrize("form", ["flo", "png", "npy", "npz"])
def test_a_video_becomes_a_folder_of_flow(run, estimator, video, form):
    status, out, err = run(video, "-o", "out", "--format", form)
    assert (status, err) == (0, "")
    assert files_in("out") == {f"{number:06}.{form}" for number in range(FRAMES - 1)}
    for name in files_in("out"):
        assert_shift(f"out/{name}", STEP)
    assert out.startswith(f"out: flow of {FRAMES - 1} pairs as ")
    assert estimator.seen == FRAMES  # each is looked at once


def test_stride_backward_and_masks_of_a_video(run):
    words = ("clip.mkv", "-o", "out", "--stride", 3, "--backward", "--consistency", "--json")
    status, out, _ = run(*words)
    assert status == 0
    names = {f"{layer}/00000{t}" for layer in ("backward", "occluded", ".") for t in (0, 3)}
    assert files_in("out") == {
        os.path.normpath(name) + (".png" if "occ" in name else ".flo") for name in names
    }
    assert_shift("out/000003.flo", 3 * STEP)
    assert_shift("out/backward/000003.flo", -3 * STEP)
    assert read_picture("out/occluded/000003.png").pixels[:, -5:].min() == 255
    told = [json.loads(line) for line in out.splitlines()]
    assert [facts["frames"] for facts in told] == [[0, 3], [3, 6]]
    assert [facts["name"] for facts in told] == ["out/000000.flo", "out/000003.flo"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_becomes_a_video(run, suffix):
    words = ("clip.mkv", "-o", f"out{suffix}", "--backward", "--consistency", "--stride", 2)
    assert run(*words, "--view", "overlay")[0] == 0
    names = {f"out{layer}{suffix}" for layer in ("", "-backward", "-occluded")}
    assert left_behind() == names
    for name in names:
        with open_video(name) as video:
            assert (video.width, video.height) == (WIDTH + 1, HEIGHT + 1)
            assert video.fps == 5
            assert sum(1 for _ in video.frames) == 3


def test_the_scale_of_a_video_never_shrinks(run):
    still, moved = frame(0), frame(0) + np.uint8(30)
    with create_video(Path("jump.mkv"), usual_format(WIDTH, HEIGHT, Fraction(25))) as writer:
        for pixels in (still, still + np.uint8(9), moved, moved, moved):
            writer.write(pixels)
    _, out, _ = run("jump.mkv", "-o", "out.mp4", "--json")
    scales = [json.loads(line)["full_colour"] for line in out.splitlines()]
    assert scales[0] == pytest.approx(9, abs=1)
    assert scales[1:] == pytest.approx([21, 21, 21], abs=1)
    _, out, _ = run("jump.mkv", "-o", "out.mp4", "--json", "--largest", 8)
    assert {json.loads(line)["full_colour"] for line in out.splitlines()} == {8}


def test_views_of_a_video_in_a_folder_are_png(run):
    assert run("frames", "-o", "out", "--view", "arrows", "--stride", 4)[0] == 0
    assert files_in("out") == {"000000.png"}
    assert read_picture("out/000000.png").pixels.shape == (HEIGHT, WIDTH, 3)


class Stdout(TextIOWrapper):
    """A standard output that keeps its bytes."""

    def __init__(self):
        super().__init__(BytesIO(), write_through=True)


def test_y4m_in_and_out(run, monkeypatch, capsys):
    with create_video(piped := BytesIO(), usual_format(WIDTH, HEIGHT, Fraction(30))) as writer:
        for number in range(FRAMES):
            writer.write(frame(number))
    piped.seek(0)
    out = Stdout()
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(piped))
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["flow", "-", "-o", "-", "--stride", "2", "--largest", "8"]) == 0
    assert "standard output: flow of 3 pairs as colors" in capsys.readouterr().err
    out.buffer.seek(0)
    with open_video(out.buffer) as video:
        assert (video.width, video.height, video.fps) == (WIDTH, HEIGHT, 15)
        frames = list(video.frames)
    assert len(frames) == 3
    expected = colors(np.full((1, 1, 2), (2 * STEP, 0), np.float32), largest=8)
    for pixels in frames:
        assert np.abs(pixels.astype(int) - expected).max() < 12


def test_outputs_are_replaced(run):
    Path("out.flo").write_bytes(b"old")
    assert run("frames/0.png", "frames/1.png", "-o", "out.flo")[0] == 0
    assert_shift("out.flo", STEP)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
@pytest.mark.parametrize(
    "words",
    [
        ("frames/0.png", "frames/1.png", "-o", "out.flo", "--backward"),
        ("clip.mkv", "-o", "out.mp4"),
        ("clip.mkv", "-o", "out.mkv", "--consistency"),
    ],
)
def test_an_interruption_leaves_nothing(run, estimator, words, error):
    estimator.fail_at, estimator.error = (2 if len(words) == 5 else 4), error
    assert run(*words)[0] == (130 if error is KeyboardInterrupt else 2)
    assert left_behind() == set()


def test_an_interruption_leaves_whole_files_in_a_folder(run, estimator):
    estimator.fail_at = 4
    assert run("clip.mkv", "-o", "out")[0] == 130
    assert left_behind() == {f"out/00000{number}.flo" for number in range(3)}
    for name in left_behind():
        assert_shift(name, STEP)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["frames/0.png", "small.png", "-o", "out.flo"], "small.png is 15x40: flow needs two"),
        (["small.png", "small.png", "-o", "out.flo"], "small.png is 15x40; flow needs at least 16"),
        (["frames/0.png", "missing.png", "-o", "out.flo"], "missing.png: No such file"),
        (["frames/0.png", "clip.mkv", "-o", "out.flo"], "clip.mkv is not a picture"),
        (["frames/0.png", "frames/1.png", "-o", "out.jpg"], "add --view colors"),
        (["frames/0.png", "frames/1.png", "-o", "out.flo", "--view", "colors"], "holds flow"),
        (["frames/0.png", "frames/1.png", "-o", "out"], "two pictures become a file"),
        (["frames/0.png", "frames/1.png", "-o", "-"], "two pictures become a file"),
        (["frames/0.png", "frames/1.png", "-o", "out.mp4"], "two pictures become a file"),
        (["frames/0.png", "frames/1.png", "-o", "frames"], "two pictures become a file"),
        (["frames/0.png", "frames/1.png", "-o", "frames/1.png"], "frames/1.png is an input"),
        (["frames/0.png", "frames/1.png", "-o", "o.flo", "--stride", "2"], "--stride is for"),
        (["frames/0.png", "frames/1.png", "-o", "o.flo", "--format", "npy"], "--format says"),
        (["frames/0.png", "frames/1.png", "-o", "o.flo", "--largest", "9"], "--largest sets"),
        (["frames/0.png", "frames/1.png", "-o", "o.flo", "--key"], "--key tells the colours"),
        (["clip.mkv", "-o", "o.mp4", "--view", "arrows", "--key"], "--key tells the colours"),
        (["frames/0.png", "frames/1.png", "frames/2.png", "-o", "out"], "not 3 inputs"),
        (["clip.mkv", "-o", "out.flo"], "out.flo is a file's name: give a folder"),
        (["clip.mkv", "-o", "out.avi"], "out.avi is a file's name: give a folder"),
        (["clip.mkv", "-o", "clip.mkv"], "clip.mkv is an input"),
        (["frames", "-o", "frames", "--view", "colors"], "frames is an input"),
        (["clip.mkv", "-o", "o.mp4", "--format", "npy"], "--format says"),
        (["clip.mkv", "-o", "out", "--view", "colors", "--format", "npy"], "--format says"),
        (["clip.mkv", "-o", "o.mp4", "--view", "arrows", "--largest", "3"], "--largest sets"),
        (["clip.mkv", "-o", "out.mp4", "--stride", "7"], "no two frames 7 apart"),
        (["frames/0.png", "-o", "out.mp4"], "frames/0.png has no two frames"),
        (["missing.mp4", "-o", "out"], "cannot read missing.mp4: No such file"),
        (["clip.mkv", "-o", "-", "--json"], "--json and the video cannot both"),
        (["clip.mkv", "-o", "-", "--backward"], "standard output takes one video"),
        (["clip.mkv"], "Missing option '-o'"),
    ],
)
def test_wrong_calls_are_told_in_one_line(run, words, text):
    write_picture(Picture(np.zeros((40, 15, 3), np.uint8)), Path("small.png"))
    before = left_behind()
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith("flowcodec: error: ") and err.count("\n") == 1
    assert text in err
    assert left_behind() == before


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory) -> Path:
    """A weight file of the tiny preset that was never trained."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    export("flow-deeppynet", DeepPyNet(PRESETS["tiny"]), "epe", path)
    return path


@pytest.fixture
def installed(flowcodec_command, random_weights):
    """Starts the installed command with the real network: a process with three pipes."""

    def start(*words):
        asked = [*flowcodec_command, "flow", *words, "--weights", str(random_weights)]
        pipe = subprocess.PIPE
        return subprocess.Popen(asked, stdin=pipe, stdout=pipe, stderr=pipe)

    return start


def test_the_network_runs_behind_the_command(installed, random_weights, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "out.npy")]
    write_picture(Picture(frame(0)), paths[0])
    write_picture(Picture(frame(1)), paths[1])
    process = installed(str(paths[0]), str(paths[1]), "-o", str(paths[2]), "--threads", "1")
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    estimator = flowcodec.load("flow-deeppynet", weights=random_weights, threads=1)
    expected = estimator.flow(frame(0), frame(1))
    assert np.allclose(read_flow(paths[2]).vectors, expected, atol=1e-3)


def test_motion_is_found_without_torch(random_weights, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "out.npy")]
    for number in (0, 1):
        write_picture(Picture(frame(number)), paths[number])
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from flowcodec.cli.main import main; sys.exit(main())"
    )
    words = ["flow", *map(str, paths[:2]), "-o", str(paths[2]), "--weights", str(random_weights)]
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    assert read_flow(paths[2]).vectors.shape == (HEIGHT, WIDTH, 2)


def test_pipes_through_the_installed_command(installed):
    with create_video(piped := BytesIO(), usual_format(WIDTH, HEIGHT, Fraction(30))) as writer:
        for number in range(4):
            writer.write(frame(number))
    process = installed("-", "-o", "-")
    out, err = process.communicate(piped.getvalue())
    assert process.returncode == 0
    assert err.decode().startswith("standard output: flow of 3 pairs as colors")
    with open_video(BytesIO(out)) as video:
        assert sum(1 for _ in video.frames) == 3


def test_a_reader_that_leaves_ends_the_command(installed):
    with create_video(piped := BytesIO(), usual_format(128, 128, Fraction(30))) as writer:
        for number in range(8):
            writer.write(np.full((128, 128, 3), 9 * number, np.uint8))
    process = installed("-", "-o", "-")
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(piped.getvalue())
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait() == 141


def test_help_imports_no_torch():
    code = (
        "import sys; from flowcodec.cli.main import main; main(['flow', '--help'])\n"
        "assert not {'torch', 'rich', 'numpy', 'av'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Examples:" in result.stdout

"""Every command and every Python block of README.md and docs/ does what it says."""

import re
import shlex
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from flowcodec.cli.main import main
from flowcodec.codecs.weights import BUNDLED
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.evaluation.moving import save_pair

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
FLOW = (ROOT / "docs" / "flow.md").read_text("utf-8")
VIDEO = (ROOT / "docs" / "video.md").read_text("utf-8")


def blocks(language: str, text: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The words of each `flowcodec` line in the shell blocks, comments left out."""
    lines = [line for block in blocks("sh", text) for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line and line[0] == "flowcodec"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the pictures that the examples name."""
    if not list(BUNDLED.glob("*.safetensors")):
        pytest.fail("no weights are bundled")
    y, x = np.mgrid[0:192, 0:256]
    waves = 128 + 60 * np.sin(x / 9 + y / 31) + 50 * np.cos(y / 7 - x / 23)
    pixels = np.stack([waves, waves[::-1], waves[:, ::-1]], axis=2).clip(0, 255).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    write_picture(Picture(pixels), tmp_path / "photo.png")
    write_picture(Picture(pixels[:90, :70]), tmp_path / "photos" / "a.png")
    write_picture(Picture(pixels[:70, :90]), tmp_path / "photos" / "b.png")
    frames = [np.roll(pixels[:48, :64], (shift, 2 * shift), (0, 1)) for shift in range(4)]
    (tmp_path / "frames").mkdir()
    with create_video(tmp_path / "clip.mp4", usual_format(64, 48, Fraction(25))) as video:
        for number, frame in enumerate(frames):
            video.write(frame)
            write_picture(Picture(frame), tmp_path / "frames" / f"{number}.png")
    (tmp_path / "videos").mkdir()
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "videos")
    for name, frame in zip("ab", frames, strict=False):
        write_picture(Picture(frame), tmp_path / f"{name}.png")
    save_pair(tmp_path / "flow" / "waves" / "one", 48, 64, (2.0, -1.0))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_commands(text: str, least: int, made: Sequence[str]) -> None:
    """Run the commands of a document, `least` of them or more; all of `made` must be there then."""
    wanted = commands(text)
    assert len(wanted) >= least
    for words in wanted:
        assert main(words) == 0, words
    for name in made:
        assert Path(name).stat().st_size > 0


def run_python(name: str, text: str, count: int) -> None:
    """Run the Python blocks of a document, of which there are `count`."""
    code = blocks("python", text)
    assert len(code) == count
    for block in code:
        exec(compile(block, name, "exec"), {})


def test_the_commands_of_the_readme_run(folder: Path) -> None:
    pictures = ("photo.fci", "back.png", "small.fci", "fits.fci", "good.fci", "checked.png")
    videos = ("clip.fcv", "back.mp4", "twelve.fcv", "fits.fcv", "part.mkv", "same.mkv")
    figures = ("figures/latents.png", "figures/comparison.png")
    run_commands(README, 8, [*pictures, *videos, *figures])
    assert (folder / "fits.fci").stat().st_size <= 20_000
    assert sorted(path.name for path in (folder / "coded").iterdir()) == ["a.fci", "b.fci"]


def test_the_python_of_the_readme_runs(folder: Path) -> None:
    run_python("README.md", README, 2)


def test_the_commands_of_the_guide_to_flow_run(folder: Path) -> None:
    made = ("flow.flo", "colors.png", "flow.mp4", "there-backward.flo", "seen-occluded.mp4")
    run_commands(FLOW, 10, made)


def test_the_python_of_the_guide_to_flow_runs(folder: Path) -> None:
    run_python("flow.md", FLOW, 2)
    assert (folder / "python.flo").stat().st_size > 0


def test_the_commands_of_the_guide_to_videos_run(folder: Path) -> None:
    made = ("exact.mkv", "fits.fcv", "same.mkv", "modes/modes.png", "bench.json", "bench.png")
    run_commands(VIDEO, 15, made)


def test_the_python_of_the_guide_to_videos_runs(folder: Path) -> None:
    run_python("video.md", VIDEO, 1)
    assert (folder / "python.fcv").stat().st_size > 0


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^make (\w+)", "\n".join(blocks("sh", README)), re.MULTILINE)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)

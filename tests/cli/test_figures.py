"""`flowcodec figures`: pictures and numbers of one photograph."""

import json

import pytest
from PIL import Image

from flowcodec.cli.main import main
from flowcodec.codecs import tiles
from flowcodec.evaluation import plot
from tests.codecs.inter_samples import untrained
from tests.evaluation.fakes import save_photograph
from tests.golden.make import FOLDER


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs the command on a photograph with the weights of a golden model, which is always used."""
    monkeypatch.setattr(tiles.Trials, "best", lambda trials, learned, *_: learned)
    photo = save_photograph(tmp_path / "hill.png", 150, 200)

    def call(model, *words):
        weights = FOLDER / f"{model}.safetensors"
        status = main(["figures", str(photo), *map(str, words), "--weights", str(weights)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_three_pictures_and_their_numbers(run, tmp_path):
    folder, numbers = tmp_path / "deep" / "figures", tmp_path / "numbers.json"
    status, out, err = run("tiny", "-o", folder, "-q", "3.5", "--json", numbers)
    assert status == 0, err
    assert "latents.png, comparison.png, refinement.png" in out
    for name in ("latents", "comparison", "refinement"):
        with Image.open(folder / f"{name}.png") as image:
            assert image.width > 1200 and image.height > 400

    told = json.loads(numbers.read_text("utf-8"))
    assert (told["name"], told["quality"], told["width"]) == ("hill.png", 3.5, 200)
    ours, *others = told["codecs"]
    assert [other["codec"] for other in others] == ["JPEG", "WebP", "AVIF"]
    for shot in told["codecs"]:
        assert shot["bytes"] == (folder / shot["file"]).stat().st_size
    assert sum(told["parts"].values()) == ours["bytes"]
    assert sum(told["bits"].values()) == pytest.approx(8 * ours["bytes"])
    assert told["bits"]["y"] > told["bits"]["z"] > 0
    assert told["refinement"]["psnr_after"] == ours["psnr"]
    assert told["refinement"]["psnr_before"] != ours["psnr"]


def test_weights_without_refinement_have_no_picture_of_it(run, tmp_path):
    numbers = tmp_path / "numbers.json"
    status, out, _ = run("plain", "-o", tmp_path / "figures", "--json", numbers)
    assert status == 0
    [line] = [line for line in out.splitlines() if "DIRB" in line]
    assert line.startswith("No refinement.png")
    assert not (tmp_path / "figures" / "refinement.png").exists()
    assert json.loads(numbers.read_text("utf-8"))["refinement"] is None


def test_the_folder_of_the_photograph_is_refused(run, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    status, _, err = run("plain", "-o", tmp_path / "." / "x" / "..")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "hill.png" in err and "-o" in err
    assert sorted(tmp_path.iterdir()) == before


def test_without_matplotlib_nothing_is_begun(run, tmp_path, monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    status, _, err = run("plain", "-o", tmp_path / "figures")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "flowcodec[bench]" in err
    assert not (tmp_path / "figures").exists()


def test_a_missing_photograph_is_told_in_one_line(tmp_path, capsys):
    assert main(["figures", str(tmp_path / "none.jpg"), "-o", str(tmp_path / "figures")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "none.jpg" in line
    assert not (tmp_path / "figures").exists()


def test_a_frame_after_another_is_drawn_in_its_parts(tmp_path, capsys):
    first = save_photograph(tmp_path / "first.png", 40, 72)
    second = save_photograph(tmp_path / "second.png", 40, 72)
    weights = untrained("patch", tmp_path).path
    words = ["figures", "--model", "video-mofnet", str(first), str(second), "-q", "5"]
    folder = tmp_path / "figures"
    words += ["-o", str(folder), "--json", str(folder / "n.json"), "--weights", str(weights)]
    assert main(words) == 0, capsys.readouterr().err
    with Image.open(folder / "modes.png") as image:
        assert image.width > 1200 and image.height > 800
    told = json.loads((folder / "n.json").read_text("utf-8"))
    assert (told["name"], told["quality"], told["height"]) == ("second.png", 5, 40)
    # The symbols cost what the code weighs, but for the last words of the range coder.
    assert sum(told["bits"].values()) == pytest.approx(8 * told["bytes"], abs=64)


@pytest.mark.parametrize(
    ("model", "sizes", "told"),
    [
        ("video-mofnet", [(40, 72)], "two pictures"),
        ("image-cnn", [(40, 72), (40, 72)], "one picture"),
        ("video-mofnet", [(40, 72), (40, 80)], "72x40 and 80x40"),
    ],
)
def test_a_wrong_number_or_size_of_pictures_is_told(tmp_path, capsys, model, sizes, told):
    photos = [str(save_photograph(tmp_path / f"{n}.png", *size)) for n, size in enumerate(sizes)]
    assert main(["figures", "--model", model, *photos, "-o", str(tmp_path / "figures")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
    assert not (tmp_path / "figures").exists()

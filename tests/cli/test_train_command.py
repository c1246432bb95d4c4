"""`flowcodec train`: from pictures to weights that the other commands use, here and elsewhere."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from flowcodec.cli.main import main
from flowcodec.codecs.weights import load_weights
from flowcodec.training.image_cnn.training import ImageTraining
from tests.training.pictures import draw, draw_folder

RECIPE = """
model = "image-cnn"
preset = "tiny"
held_out = 1

[[stages]]
steps = 2
crop = 64
batch = 2
lr = 1e-3
lr_end = 1e-4
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("pictures"), 4)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def run(*words):
    return main(["train", *map(str, words)])


def test_from_pictures_to_a_coded_file(recipe, pictures, tmp_path, capsys):
    out = tmp_path / "run"
    words = (recipe, "--data", pictures, "--out", out, "--device", "cpu")
    assert run(*words, "--threads", 1) == 0
    captured = capsys.readouterr()
    weights = out / "weights.safetensors"
    assert f"flowcodec encode photo.png --weights {weights}" in captured.out
    assert "step 2 of 2: q 2 " in captured.err
    assert json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"] == 2

    photo, coded = str(pictures / "00.png"), str(tmp_path / "x.fci")
    back = str(tmp_path / "x.png")
    own = ["--weights", str(weights)]
    assert main(["encode", photo, "-o", coded, *own]) == 0
    assert main(["decode", coded, "-o", back, "--verify", photo, *own]) == 0

    # A finished folder is exported again without the pictures, to the same weights.
    again = tmp_path / "again.safetensors"
    assert run(recipe, "--out", out, "--export", again) == 0
    assert load_weights(again).hash == load_weights(weights).hash
    card = json.loads(again.with_suffix(".json").read_text())
    assert card["weights_hash"] == load_weights(weights).hash[:4].hex()
    assert (card["preset"], card["metric"], card["file"]) == ("tiny", "mse", "again.safetensors")


def test_an_interruption_keeps_the_step_and_the_command_goes_on(
    recipe, pictures, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "run"
    words = (recipe, "--data", pictures, "--out", out, "--device", "cpu")
    train_step = ImageTraining.train_step

    def interrupted(training, crops):
        os.kill(os.getpid(), signal.SIGINT)
        return train_step(training, crops)

    with monkeypatch.context() as patch:
        patch.setattr(ImageTraining, "train_step", interrupted)
        assert run(*words) == 0
    captured = capsys.readouterr()
    assert "Stopped at step 1 of 2" in captured.out
    assert not (out / "weights.safetensors").exists()

    assert run(recipe, "--out", out) == 2
    assert "stands at step 1 of 2" in capsys.readouterr().err
    early = tmp_path / "early.safetensors"
    assert run(recipe, "--out", out, "--export", early) == 0
    assert "after step 1" in capsys.readouterr().out

    assert run(*words) == 0
    assert "after step 2" in capsys.readouterr().out
    assert load_weights(out / "weights.safetensors").hash != load_weights(early).hash


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nothing", "--data", "."], "no recipe called nothing"),
        (["tiny.toml"], "--data DIR"),
        (["tiny.toml", "--bundle", "x.tar"], "--data DIR"),
        (["tiny.toml", "--data", "empty", "--bundle", "x.tar"], "nothing in empty"),
        (["tiny.toml", "--data", ".", "--bundle", "x.tar", "--limit", "5k"], "no picture of ."),
        (["own.toml", "--data", ".", "--bundle", "x.tar"], "init = 'mine.safetensors'"),
    ],
)
def test_impossible_wishes_are_refused(recipe, tmp_path, monkeypatch, capsys, words, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "own.toml").write_text('init = "mine.safetensors"' + RECIPE)
    draw_folder(tmp_path / "some", 1)
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
    assert not (tmp_path / "x.tar").exists()


def test_a_bundle_trains_by_its_one_command(recipe, pictures, tmp_path, capsys):
    bundle = tmp_path / "bundle.tar"
    assert run(recipe, "--data", pictures, "--bundle", bundle) == 0
    assert "with 4 of 4 pictures" in capsys.readouterr().out
    with tarfile.open(bundle) as tar:
        tar.extractall(tmp_path / "elsewhere", filter="data")
    (folder,) = (tmp_path / "elsewhere").iterdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        ["sh", folder / "train.sh", "--device", "cpu", "--threads", "1"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "after step 2" in result.stdout
    assert (folder / "run" / "weights.safetensors").exists()


def test_a_bundle_keeps_its_limit(recipe, tmp_path, capsys):
    data = draw_folder(tmp_path / "pictures", 6)
    deep = data / "deep" / ("x" * 90)
    deep.mkdir(parents=True)
    for index in range(3):
        (deep / f"{index:0120}.png").write_bytes(draw(index).tobytes())
    bundle = tmp_path / "bundle.tar"
    run(recipe, "--data", data, "--bundle", bundle)
    whole = bundle.stat().st_size
    limit = whole - 100_000
    assert run(recipe, "--data", data, "--bundle", bundle, "--limit", limit) == 0
    assert limit - 80_000 < bundle.stat().st_size <= limit
    with tarfile.open(bundle) as tar:
        names = tar.getnames()
    assert 1 <= sum("/pictures/" in name for name in names) < 9
    assert not any("safetensors" in name or "__pycache__" in name for name in names)

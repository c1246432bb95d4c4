"""A system is a row: two that live here are trained, code files, and are measured, by the commands
that know none by name."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import flowcodec
from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.cli.main import group
from flowcodec.codecs.systems import ROWS, SYSTEMS
from flowcodec.errors import UsageError, WeightsError
from flowcodec.media.picture import Picture, read_picture, write_picture
from tests.evaluation.moving import moving_texture
from tests.golden import make
from tests.systems import toy_inter, toy_picture

RECIPE = """\
model = "{model}"
preset = "toy"
warm_up = 2
held_out = 1

[[stages]]
steps = 10
batch = 2
lr = 1e-3
lr_end = 1e-4
"""
SOURCE = Path(flowcodec.__file__).parent


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    for toy in (toy_picture, toy_inter):
        monkeypatch.setitem(SYSTEMS, toy.ROW.name, toy.ROW)


def run(*words):
    """A command of ours in this process, in which the rows are; what it printed."""
    result = CliRunner().invoke(group, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights of both, ten steps each, by name."""
    folder = tmp_path_factory.mktemp("toys")
    (folder / "photos").mkdir()
    for seed in range(4):
        write_picture(Picture(make.draw(96, 128, seed)), folder / "photos" / f"{seed}.png")
    found = {}
    for row in (toy_picture.ROW, toy_inter.ROW):
        SYSTEMS[row.name] = row
        recipe = folder / f"{row.name}.toml"
        recipe.write_text(RECIPE.format(model=row.name))
        out = folder / row.name
        told = run("train", recipe, "--data", folder / "photos", "--out", out)
        assert "after step 10" in told
        found[row.name] = out / "weights.safetensors"
        card = json.loads(found[row.name].with_suffix(".json").read_text())
        assert card["model"] == row.name and card["kmac_per_pixel"]["analysis"] > 0
        del SYSTEMS[row.name]
    return found


def test_a_picture_system_codes_files(trained, tmp_path):
    weights = trained["toy-picture"]
    source, coded, back = (tmp_path / name for name in ("a.png", "a.fci", "b.png"))
    pixels = make.draw(150, 130)
    write_picture(Picture(pixels), source)
    run("encode", source, "-o", coded, "--weights", weights, "--model", "toy-picture", "--tile", 64)
    assert "toy-picture" in run("info", coded)
    run("decode", coded, "-o", back, "--weights", weights, "--verify", source)
    assert read_picture(back).pixels.shape == pixels.shape
    codec = flowcodec.load("toy-picture", weights=weights)
    found = codec.encode(pixels, 4, tile=64, kinds=["learned"])
    assert len(parse_picture(found.data).tiles) == 9
    assert np.array_equal(codec.decode(found.data).pixels, found.reconstruction)


def test_an_inter_system_codes_files(trained, tmp_path):
    source, coded, back = tmp_path / "frames", tmp_path / "a.fcv", tmp_path / "back"
    source.mkdir()
    for number, frame in enumerate(moving_texture(80, 112, (1.5, 0.5), 6)):
        write_picture(Picture(frame), source / f"{number:03}.png")
    run("encode", source, "-o", coded, "--weights", trained["toy-inter"], "--gop", 3)
    assert "toy-inter" in run("info", coded)
    run("decode", coded, "-o", back, "--weights", trained["toy-inter"], "--verify", source)
    assert len(list(back.iterdir())) == 6


def test_systems_are_measured(trained, tmp_path):
    (tmp_path / "photos").mkdir()
    write_picture(Picture(make.draw(64, 96)), tmp_path / "photos" / "a.png")
    out = tmp_path / "figures.json"
    weights = trained["toy-picture"]
    given = ("--data", tmp_path / "photos", "--qualities", "2,6", "--json", out)
    assert "toy-picture" in run("eval", "--weights", weights, *given)
    assert json.loads(out.read_text())["name"] == "toy-picture"


def test_kinds_are_not_mixed_up(trained, tmp_path):
    write_picture(Picture(make.draw(20, 20)), tmp_path / "a.png")
    words = ["encode", str(tmp_path / "a.png"), "--weights", str(trained["toy-inter"])]
    result = CliRunner().invoke(group, words)
    assert isinstance(result.exception, WeightsError)
    assert "weights of toy-inter, which codes videos" in str(result.exception)
    result = CliRunner().invoke(group, [*words[:2], "--model", "toy-inter"])
    assert isinstance(result.exception, UsageError) and "toy-picture" in str(result.exception)
    with pytest.raises(WeightsError, match="not of toy-picture"):
        flowcodec.load("toy-picture", weights=trained["toy-inter"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_system_is_named_by_its_own_files_alone(row):
    """Its folders, its file among the codecs, its row: whoever adds one changes nothing else. One
    that is made of another's parts names that one."""
    folder = row.name.replace("-", "_")
    short = {
        "image-cnn": "ImageCnn",
        "image-transformer": "ImageTransformer",
        "video-mofnet": "MofNet",
        "flow-deeppynet": "DeepPyNet",
    }
    named = re.compile(rf"{row.name}|{folder}|{short[row.name]}", re.IGNORECASE)
    parts_of = {"image-cnn": ["image_transformer"]}.get(row.name, [])
    own = tuple(
        place
        for name in (folder, *parts_of)
        for place in (f"models/{name}/", f"training/{name}/", f"codecs/systems/{name}.py")
    )
    for path in sorted(SOURCE.rglob("*.py")):
        place = str(path.relative_to(SOURCE))
        if not place.startswith((*own, "codecs/systems/__init__.py")):
            found = [line for line in path.read_text().splitlines() if named.search(line)]
            assert not found, f"{place}: {found}"

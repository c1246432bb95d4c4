"""The command as installed: it starts light, lists what there is, and tells errors in one line."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from flowcodec import __version__
from flowcodec.bitstream.header import PictureHeader
from flowcodec.bitstream.picture_file import PLAIN, Tile, pack_picture
from flowcodec.cli.main import COMMANDS
from flowcodec.cli.models import command as models_command
from flowcodec.codecs.systems import SYSTEMS
from flowcodec.errors import WeightsError

HEAVY = {"matplotlib", "numpy", "onnxruntime", "PIL", "rich", "scipy", "torch"}
HEADER = PictureHeader(
    model=1,
    prior_hash=bytes.fromhex("0a1b2c3d"),
    weights_hash=bytes.fromhex("4e5f6071"),
    width=1100,
    height=500,
    gray=False,
    alpha=False,
    quality=4250,
    psnr=3241,
)
TILES = [Tile(0x11223344, bytes(900)), Tile(0x55667788, bytes(100), PLAIN)]


@pytest.fixture
def sample(tmp_path):
    """A well-formed file whose entropy-coded bytes are made up."""
    path = tmp_path / "sample.fci"
    path.write_bytes(pack_picture(HEADER, TILES, icc=b"a profile"))
    return path


@pytest.fixture
def run(flowcodec_command):
    """Runs the installed command and returns what it wrote, as text."""

    def call(*words, **options):
        return subprocess.run(
            [*flowcodec_command, *map(str, words)], capture_output=True, text=True, **options
        )

    return call


def assert_error(result, *texts):
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("flowcodec: error: ")
    assert result.stderr.count("\n") == 1
    for text in texts:
        assert text in result.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["models"], ["info", "FILE"], ["info", "FILE", "--json"]]
)
def test_light_commands_import_nothing_heavy(sample, words):
    words = [str(sample) if word == "FILE" else word for word in words]
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flowcodec", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "flowcodec.cli.main" in modules
    assert not {name.split(".")[0] for name in modules} & HEAVY


def test_import_flowcodec_imports_nothing_heavy():
    code = "import flowcodec, sys; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "flowcodec" in result.stdout.split()
    assert not set(result.stdout.split()) & HEAVY


def test_help_lists_the_commands_that_exist(run):
    listed = run("--help").stdout.split("Commands:")[1].splitlines()
    names = [line.split()[0] for line in listed if line.strip()]
    assert names == [name for name in COMMANDS if find_spec(f"flowcodec.cli.{name}")]
    assert {"info", "models"} <= set(names)
    assert run().stdout == run("--help").stdout


def test_version(run):
    assert run("--version").stdout == f"flowcodec {__version__}\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["enocde"], "No such command 'enocde'"),
        (["--quiet"], "No such option"),
        (["info"], "Missing argument 'FILE...'. See 'flowcodec info --help'."),
        (["info", "missing.fci"], "missing.fci: No such file or directory"),
        (["info", "."], ".: Is a directory"),
    ],
)
def test_errors_are_one_line(run, tmp_path, words, text):
    assert_error(run(*words, cwd=tmp_path), text)


def test_debug_adds_the_traceback(run):
    result = run("--debug", "info", "missing.fci")
    assert result.returncode == 2
    assert result.stderr.startswith("Traceback")
    assert result.stderr.splitlines()[-1].startswith("flowcodec: error: missing.fci: ")


def test_a_reader_that_leaves_is_no_error(flowcodec_command, sample):
    read, write = os.pipe()
    os.close(read)
    try:
        command = [*flowcodec_command, "info", str(sample)]
        result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert (result.returncode, result.stderr) == (141, b"")


def test_info_for_people(run, sample):
    text = run("info", sample).stdout
    rows = dict(line.strip().split(maxsplit=1) for line in text.splitlines()[1:])
    assert text.startswith(str(sample))
    assert rows["model"] == "image-cnn"
    assert rows["weights_hash"] == "4e5f6071"
    assert rows["width"] == "1100 pixels"
    assert rows["quality"] == "4.25"
    assert rows["psnr"] == "32.41 dB"
    assert rows["grid"] == "2 x 1 tiles: 1 learned, 1 plain"
    assert rows["tiles"].startswith("1000 bytes")
    assert rows["metadata"] == "ICC profile (9 bytes)"
    size = sample.stat().st_size
    assert rows["file"] == f"{size} bytes, {size * 8 / 550_000:.4f} bits per pixel"


def test_info_for_programs(run, sample):
    (first, second) = json.loads(run("info", "--json", sample, sample).stdout)
    assert first == second
    assert first["file"] == str(sample)
    assert (first["width"], first["height"], first["tile"]) == (1100, 500, 1024)
    assert (first["quality"], first["psnr"]) == (4.25, 32.41)
    assert [tile["bytes"] for tile in first["tiles"]] == [900, 100]
    assert first["tiles"][1]["hash"] == "55667788"
    assert [tile["kind"] for tile in first["tiles"]] == ["learned", "plain"]
    assert sum(first["parts"].values()) == first["bytes"] == sample.stat().st_size


def test_info_goes_on_after_what_it_cannot_read(run, sample):
    result = run("info", sample, "missing.fci", "-", sample, input="")
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert lines[0] == "flowcodec: error: missing.fci: No such file or directory"
    assert lines[1].startswith("flowcodec: error: -: this is not a flowcodec file: it is empty")
    assert len(lines) == 2
    assert result.stdout.count(f"{sample}\n") == 2

    result = run("info", "--json", sample, "missing.fci", sample)
    assert result.returncode == 2
    first, bad, second = json.loads(result.stdout)
    assert first == second
    assert bad == {"file": "missing.fci", "error": "missing.fci: No such file or directory"}
    assert result.stderr.count("\n") == 1


def test_info_names_the_place_of_damage(run, sample, tmp_path):
    data = bytearray(sample.read_bytes())
    data[-1] ^= 1
    damaged = tmp_path / "damaged.fci"
    damaged.write_bytes(data)
    result = run("info", damaged)
    assert_error(result, str(damaged), "the checksum does not match", "in tile 1, at byte")


def test_info_refuses_other_files(run, tmp_path):
    other = tmp_path / "photo.png"
    other.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert_error(run("info", other), "photo.png: this is not a flowcodec file")


CARD = {
    "model": "image-cnn",
    "metric": "mse",
    "preset": "compact",
    "file": "image-cnn-mse.safetensors",
    "prior_hash": "0a1b2c3d",
    "weights_hash": "4e5f6071",
    "parameters": 2_345_678,
    "kmac_per_pixel": {"encode": 12.5, "decode": 34.25},
    "qualities": [1, 8],
}


def models(folder, monkeypatch, *words):
    monkeypatch.setattr("flowcodec.cli.models.WEIGHTS", folder)
    return CliRunner().invoke(models_command, words)


def test_models_lists_every_card(tmp_path, monkeypatch):
    for metric in ("mse", "ms-ssim"):
        card = CARD | {"metric": metric}
        (tmp_path / f"image-cnn-{metric}.json").write_text(json.dumps(card))

    card = CARD | {"kind": "picture"}
    listed = json.loads(models(tmp_path, monkeypatch, "--json").output)
    assert listed[:2] == [card | {"metric": "ms-ssim"}, card | {"metric": "mse"}]

    header, first, second, *_ = models(tmp_path, monkeypatch).output.splitlines()
    assert header.split()[:3] == ["MODEL", "KIND", "METRIC"]
    assert first.split()[:3] == ["image-cnn", "picture", "ms-ssim"]
    for text in ("mse", "compact", "1-8", "2.35 M", "12.5 + 34.2", "0a1b2c3d", "4e5f6071"):
        assert text in second


def test_models_lists_systems_without_weights_too(tmp_path, monkeypatch):
    listed = json.loads(models(tmp_path, monkeypatch, "--json").output)
    assert listed == [{"model": row.name, "kind": row.kind} for row in SYSTEMS.values()]
    assert re.search("image-cnn +picture  -", models(tmp_path, monkeypatch).output)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps(CARD | {"qualities": 8})])
def test_a_broken_card_is_named(tmp_path, monkeypatch, text):
    (tmp_path / "broken.json").write_text(text)
    error = models(tmp_path, monkeypatch).exception
    assert isinstance(error, WeightsError)
    assert "broken.json" in str(error)

"""`flowcodec encode` and `flowcodec decode`: files, folders, pipes, targets, errors."""

import json
import subprocess
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.cli import info
from flowcodec.cli.main import main
from flowcodec.codecs.picture import PictureCodec
from flowcodec.media.colour import SRGB_CURVE
from flowcodec.media.icc import make_profile
from flowcodec.media.picture import Picture, read_picture, write_picture
from flowcodec.media.primaries import BY_CODE
from flowcodec.media.stripping import stripped
from tests.media import handmade
from tests.training.pictures import draw

DISPLAY_P3 = make_profile("Display P3", SRGB_CURVE, BY_CODE[12])


@pytest.fixture
def profiled(photo):
    """The photo, meant in Display P3."""
    write_picture(Picture(draw(11, 70, 90), icc=DISPLAY_P3), photo)
    return photo


def psnr(a, b):
    difference = a.astype(float) - b
    return 10 * np.log10(255**2 / np.square(difference).mean())


def test_there_and_back(run, profiled, tmp_path):
    photo = profiled
    status, out, err = run("encode", photo, "-q", "5.5")
    coded = tmp_path / "photo.fci"
    size = coded.stat().st_size
    assert (status, err) == (0, "")
    assert out.startswith(f"{photo} -> {coded}  90x70  {size:,} bytes  {size * 8 / 6300:.3f} bpp  ")
    assert out.endswith(" dB  q 5.5\n")

    back = tmp_path / "back.png"
    status, out, err = run("decode", coded, "-o", back, "--verify", photo, "--json")
    assert (status, err) == (0, "")
    told = json.loads(out)
    decoded, original = read_picture(back), read_picture(photo)
    assert told["psnr"] == pytest.approx(psnr(decoded.pixels, original.pixels), abs=1e-3)
    assert (told["width"], told["height"], told["bytes"], told["quality"]) == (90, 70, size, 5.5)
    assert decoded.icc == DISPLAY_P3


def test_the_tile_and_metadata_are_as_asked_for(run, profiled, tmp_path):
    photo = profiled
    coded = tmp_path / "out.fci"
    assert run("encode", photo, "-o", coded, "--strip", "--tile", "64", "--quiet")[:2] == (0, "")
    file = parse_picture(coded.read_bytes())
    assert file.icc is None
    assert len(file.tiles) == 4

    kept = tmp_path / "kept.fci"
    run("encode", photo, "-o", kept)
    run("decode", kept, "-o", tmp_path / "bare.webp", "--strip")
    bare = read_picture(tmp_path / "bare.webp")
    assert (bare.icc, bare.width, bare.height) == (None, 90, 70)


@pytest.mark.parametrize("option", ["--target-size", "--target-bpp"])
def test_a_size_is_never_exceeded(run, photo, tmp_path, option):
    limit = 300
    value = "0.3k" if option == "--target-size" else limit * 8 / 6300
    status, out, err = run("encode", photo, option, value, "--json")
    told = json.loads(out)
    assert status == 0
    assert 0.95 * limit <= told["bytes"] <= limit
    assert told["bytes"] == (tmp_path / "photo.fci").stat().st_size
    assert len(err.splitlines()) == len(told["trials"]) > 1
    assert {"quality": told["quality"], "bytes": told["bytes"]}.items() <= max(
        (trial for trial in told["trials"] if trial["bytes"] <= limit), key=lambda t: t["bytes"]
    ).items()


def test_a_psnr_is_reached(run, photo):
    middle = json.loads(run("encode", photo, "-q", "4", "--json")[1])
    target = middle["psnr"] - 0.5
    told = json.loads(run("encode", photo, "--target-psnr", target, "--json")[1])
    assert target <= told["psnr"] < target + 0.1
    assert told["bytes"] < middle["bytes"]


def test_a_target_out_of_reach_leaves_nothing_behind(run, photo, tmp_path):
    status, out, err = run("encode", photo, "--target-size", "20")
    assert (status, out) == (2, "")
    last = err.splitlines()[-1]
    assert f"{photo}: cannot be coded in 20 bytes: sizes begin with" in last
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_folders_are_mirrored_and_one_error_does_not_stop_the_others(run, photo, tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "notes.txt").write_text("no picture")
    write_picture(Picture(draw(1, 40, 30)), folder / "a.ppm")
    write_picture(Picture(draw(2, 20, 50)), folder / "deep" / "b.png")
    status, out, err = run("encode", folder, photo, "-o", tmp_path / "out", "--json")
    assert status == 2
    error, summary = err.splitlines()
    assert error.startswith(f"flowcodec: error: cannot read {folder / 'damaged.png'}: ")
    assert summary == "flowcodec: 3 coded, 1 failed"
    made = sorted(
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")
    )
    assert made == ["a.fci", "deep/b.fci", "photo.fci"]
    first, failed, *others = map(json.loads, out.splitlines())
    assert [told["width"] for told in (first, *others)] == [30, 50, 90]
    assert failed == {"input": str(folder / "damaged.png"), "error": failed["error"]}

    status, out, err = run("decode", tmp_path / "out", "-o", tmp_path / "back", "--format", "ppm")
    assert (status, err) == (0, "flowcodec: 3 decoded\n")
    assert len(out.splitlines()) == 3
    assert read_picture(tmp_path / "back" / "deep" / "b.ppm").width == 50


def test_workers_make_the_same_files(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(3):
        write_picture(Picture(draw(seed, 40, 50)), folder / f"{seed}.png")
    (folder / "3.png").write_bytes(b"")
    assert run("encode", folder, "-o", tmp_path / "alone")[0] == 2
    status, out, err = run("encode", folder, "-o", tmp_path / "many", "-j", "2")
    assert status == 2
    assert [line.split()[0] for line in out.splitlines()] == [
        str(folder / f"{seed}.png") for seed in range(3)
    ]
    assert "3.png is empty" in err
    for seed in range(3):
        name = f"{seed}.fci"
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="the system does not name open files")
def test_what_a_shell_passes_as_open_files_is_coded_whatever_the_workers(run, photo, tmp_path):
    with photo.open("rb") as first, photo.open("rb") as second:
        names = [f"/dev/fd/{file.fileno()}" for file in (first, second)]
        status, out, err = run("encode", *names, "-o", f"{tmp_path}/out/", "-j", "2")
    assert (status, len(out.splitlines()), err) == (0, 2, "")


def test_pipes_through_the_installed_command(flowcodec_command, tiny_weights, photo, tmp_path):
    def call(data, *words):
        command = [*flowcodec_command, *words, "--weights", str(tiny_weights)]
        return subprocess.run(command, input=data, capture_output=True, check=True)

    coded = call(photo.read_bytes(), "encode", "-", "-q", "3")
    assert b" 90x70  " in coded.stderr
    assert parse_picture(coded.stdout).header.quality == 3000
    decoded = call(coded.stdout, "decode", "-", "--format", "png").stdout
    assert read_picture(BytesIO(decoded)).width == 90


def test_what_was_changed_by_reading_is_told(run, tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(path)
    status, _, err = run("encode", path)
    assert (status, err) == (0, f"{path}: note: 16 bits a sample were reduced to 8\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["encode", "photo.png", "-q", "9"], "not in the range"),
        (["encode", "photo.png", "-q", "3", "--target-psnr", "30"], "exclude each other"),
        (["encode", "photo.png", "--target-size", "40q"], "'40q' is no size"),
        (["encode", "photo.png", "--target-bpp", "0"], "0.0 is not in the range x>0"),
        (["encode", "photo.png", "--tile", "100"], "multiple of 64"),
        (["encode", "photo.png", "-o", "photo.png"], "is an input"),
        (["encode", "photo.png", "-o", "-", "--json"], "standard output"),
        (["encode", "photo.png", "other.png", "-o", "out.fci"], "need a folder"),
        (["encode", "photo.png", "other.png", "-o", "-"], "give a folder"),
        (
            ["encode", "photo.png", "a/photo.png", "-o", "out/"],
            "would both become out/photo.",
        ),
        (["encode", "photo.png", "-"], "read alone"),
        (["encode", "missing.png"], "missing.png: No such file"),
        (["encode", "empty"], "no file of the wanted kind"),
        (["decode", "photo.png", "-o", "x.png"], "photo.png: this is not a flowcodec file"),
        (["decode", "photo.fci"], "photo.png is there already"),
        (["decode", "photo.fci", "-o", "x.gif"], "x.gif"),
        (["decode", "photo.fci", "-o", "-"], "--format png"),
        (["decode", "a.fci", "b.fci", "-o", "out", "--verify", "photo.png"], "one at a time"),
    ],
)
def test_impossible_wishes_are_refused(run, photo, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith("flowcodec: error: ")
    assert err.count("\n") == 1
    assert text in err
    assert sorted(tmp_path.rglob("*")) == before


def test_verify_tells_another_picture(run, photo, tmp_path):
    run("encode", photo)
    other = tmp_path / "other.png"
    write_picture(Picture(draw(3, 70, 90)), other)
    cropped = tmp_path / "cropped.png"
    write_picture(Picture(draw(11, 70, 89)), cropped)
    for original, text in ((other, "its encoder measured"), (cropped, "is not the original")):
        words = ("decode", tmp_path / "photo.fci", "-o", tmp_path / "back.png")
        status, _, err = run(*words, "--verify", original)
        assert status == 2
        assert text in err
        assert not (tmp_path / "back.png").exists()


def test_missing_weights_are_named(run, photo, tmp_path, capsys):
    run("encode", photo)
    wanted = parse_picture((tmp_path / "photo.fci").read_bytes()).header.weights_hash.hex()
    assert main(["decode", str(tmp_path / "photo.fci"), "-o", str(tmp_path / "x.png")]) == 2
    assert f"needs weights {wanted}" in capsys.readouterr().err


def test_weights_are_found_in_a_folder(run, photo, tmp_path, tiny_weights, capsys):
    run("encode", photo)
    words = ["decode", tmp_path / "photo.fci", "-o", tmp_path / "x.png"]
    assert main([*map(str, words), "--weights", str(tiny_weights.parent)]) == 0
    assert (tmp_path / "x.png").exists()


def test_a_lack_of_memory_is_one_line(run, photo, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(PictureCodec, "prepare", fail)
    status, _, err = run("encode", photo, "-o", tmp_path / "out.fci")
    assert (status, err) == (2, "flowcodec: error: not enough memory\n")


def test_a_terminal_gets_no_picture(run, photo, monkeypatch):
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(photo.read_bytes())))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    status, _, err = run("encode", "-")
    assert status == 2
    assert "terminal" in err


def test_stripping_converts_colours_on_both_ways(run, profiled, tmp_path):
    coded = tmp_path / "stripped.fci"
    status, _, err = run("encode", profiled, "-o", coded, "--strip", "-q", "8")
    note = "colours were converted to sRGB by the ICC profile that was left out"
    assert (status, err) == (0, f"{profiled}: note: {note}\n")
    expected = stripped(read_picture(profiled)).pixels
    assert not np.array_equal(expected, read_picture(profiled).pixels)
    back = tmp_path / "back.png"
    status, _, err = run("decode", coded, "-o", back, "--verify", profiled)
    assert (status, err) == (0, "")
    assert psnr(read_picture(back).pixels, expected) > 30

    kept = tmp_path / "kept.fci"
    run("encode", profiled, "-o", kept, "-q", "8")
    status, out, err = run("decode", kept, "-o", back, "--strip", "--json")
    assert (status, err) == (0, f"{kept}: note: {note}\n")
    assert json.loads(out)["notes"] == [note]
    assert psnr(read_picture(back).pixels, expected) > 30


def test_what_a_format_does_not_hold_is_told(run, profiled, tmp_path):
    run("encode", profiled)
    words = ("decode", tmp_path / "photo.fci", "-o", tmp_path / "back.ppm")
    status, _, err = run(*words)
    told = f"{tmp_path / 'photo.fci'}: note: PPM holds no ICC profile: it was left out\n"
    assert (status, err) == (0, told)
    assert run(*words, "--quiet") == (0, "", "")


def test_what_a_format_cannot_hold_is_told_before_decoding(run, tmp_path, monkeypatch):
    pixels = draw(11, 70, 90)
    for name, alpha in (("clear", 200), ("opaque", 255)):
        plane = np.full(pixels.shape[:2], alpha, np.uint8)
        write_picture(Picture(pixels, plane), tmp_path / f"{name}.png")
        run("encode", tmp_path / f"{name}.png")
    assert run("decode", tmp_path / "opaque.fci", "-o", tmp_path / "opaque.jpg")[0] == 0
    monkeypatch.setattr(PictureCodec, "decode_parsed", lambda *_: pytest.fail("was decoded"))
    for output, text in (("out.jpg", "JPEG holds no alpha"), ("out.pgm", "PGM holds no alpha")):
        status, _, err = run("decode", tmp_path / "clear.fci", "-o", tmp_path / output)
        assert (status, text in err, err.count("\n")) == (2, True, 1)
    status, _, err = run("decode", tmp_path / "opaque.fci", "-o", tmp_path / "out.pgm")
    assert (status, "PGM holds gray only" in err) == (2, True)


def test_a_file_with_every_side_data_decodes_to_every_format(run, tmp_path):
    """And reports nothing but what the format does not hold, whatever a library would say."""
    odd = bytearray(handmade.exif(6))
    odd[-30] ^= 0xFF
    path = tmp_path / "full.png"
    file = BytesIO()
    write_picture(Picture(draw(3, 40, 60), icc=DISPLAY_P3, xmp=b"<x/>"), file, "png")
    data = file.getvalue()
    path.write_bytes(data[:33] + handmade.png_chunk(b"eXIf", bytes(odd)) + data[33:])
    assert run("encode", path, "--quiet") == (0, "", "")
    coded = tmp_path / "full.fci"
    text = run_info(coded)
    assert all(name in text for name in ("ICC profile (", "EXIF (", "XMP (4 bytes)"))
    for format in ("png", "jpg", "webp", "tiff", "avif", "ppm"):
        back = tmp_path / f"back.{format}"
        status, _, err = run("decode", coded, "-o", back)
        assert status == 0
        assert len(err.splitlines()) == (3 if format == "ppm" else 0), err
        picture = read_picture(back)
        assert (picture.width, picture.height) == (40, 60)
        if format != "ppm":
            assert (picture.icc, picture.xmp) == (DISPLAY_P3, b"<x/>")
            assert picture.exif is not None


def run_info(path):
    result = CliRunner().invoke(info.command, [str(path)])
    assert result.exit_code == 0
    return result.output

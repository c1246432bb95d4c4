"""Folders in `encode` and `decode`: nothing is lost without a word, names meet nowhere."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.media.picture import Picture, read_picture, write_picture
from tests.training.pictures import draw


def save(path: Path, seed: int, format: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(draw(seed, 20, 20 + seed)), path, format or "PNG")


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path):
    """Three pictures, one of them damaged; others that are not read; and what is hidden."""
    folder = tmp_path / "in"
    save(folder / "a.png", 1)
    save(folder / "deep" / "without suffix", 2)
    (folder / "bad.jfif").write_bytes(b"\xff\xd8\xff")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "moving.gif")
    (folder / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    (folder / "notes.txt").write_text("nothing to see")
    save(folder / ".hidden" / "b.png", 3)
    return folder


def test_a_run_ends_with_what_became_of_everything(run, folder, tmp_path):
    (folder / "old.fci").write_bytes(b"\xfcFC\1\1")
    status, out, err = run("encode", folder, "-o", tmp_path / "out")
    assert status == 2
    assert len(out.splitlines()) == 2
    error, summary = err.splitlines()
    assert error.startswith(f"flowcodec: error: cannot read {folder / 'bad.jfif'}: ")
    assert summary == (
        "flowcodec: 2 coded, 1 failed, 3 left out: videos are coded alone (clip.mp4);"
        " GIF is not read (moving.gif); coded already (old.fci)"
    )
    assert files_in(tmp_path / "out") == ["a.fci", "deep/without suffix.fci"]

    (tmp_path / "out" / "clip.fcv").write_bytes(b"\xfcFC\1\2")
    status, out, err = run("decode", tmp_path / "out", "-o", tmp_path / "back")
    assert status == 0
    assert err == "flowcodec: 2 decoded, 1 left out: videos are decoded alone (clip.fcv)\n"
    assert files_in(tmp_path / "back") == ["a.png", "deep/without suffix.png"]


def test_machines_are_told_of_every_file(run, folder, tmp_path):
    status, out, _ = run("encode", folder, "-o", tmp_path / "out", "--json")
    assert status == 2
    told = {Path(one["input"]).name: one for one in map(json.loads, out.splitlines())}
    assert set(told) == {"a.png", "without suffix", "bad.jfif", "moving.gif", "clip.mp4"}
    assert told["a.png"]["width"] == 21
    assert told["moving.gif"]["left_out"] == "GIF is not read"
    assert told["bad.jfif"]["error"].startswith("cannot read ")
    assert run("encode", folder, "-o", tmp_path / "out", "--quiet")[1] == ""


def test_a_folder_without_pictures_says_what_it_holds(run, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "in" / "a.gif")
    status, out, err = run("encode", tmp_path / "in", "-o", tmp_path / "out")
    assert (status, out) == (2, "")
    assert err.endswith("in this folder; left out: GIF is not read (a.gif)\n")


def test_what_cannot_be_read_makes_the_run_fail(run, folder, tmp_path):
    (folder / "bad.jfif").unlink()
    (folder / "gone.png").symlink_to("nowhere")
    status, out, err = run("encode", folder, "-o", tmp_path / "out")
    assert status == 2
    assert len(out.splitlines()) == 2
    assert f"flowcodec: error: cannot read {folder / 'gone.png'}: its link" in err
    assert "2 coded, 1 not readable, 2 left out" in err


def test_outputs_of_the_run_before_are_not_left_out(run, tmp_path):
    save(tmp_path / "in" / "a.png", 1)
    for _ in range(2):
        assert run("encode", tmp_path / "in")[::2] == (0, "flowcodec: 1 coded\n")


@pytest.mark.parametrize("named", [True, False])
def test_pictures_of_one_name_all_arrive(run, tmp_path, named):
    folder = tmp_path / "in"
    names = ["a.png", "a.jpg", "b.png", "sub/c.png", "sub/c.PNG", "C.webp", "d.png", "d.fci/e.png"]
    for seed, name in enumerate(names):
        save(folder / name, seed)
    sources = [folder / name for name in names] if named else [folder]
    out = tmp_path / "out"
    status, told, err = run("encode", *sources, "-o", out)
    assert (status, len(told.splitlines())) == (0, len(names))
    expected = {"a.png": "a.png.fci", "a.jpg": "a.jpg.fci", "b.png": "b.fci", "d.png": "d.png.fci"}
    expected |= {"C.webp": "C.fci", "d.fci/e.png": "d.fci/e.fci"}
    expected |= {"sub/c.png": "sub/c.png.fci", "sub/c.PNG": "sub/c.PNG.fci"}
    if named:  # all in one folder, where the names c meet that of C
        expected |= {"sub/c.png": "c.png.fci", "sub/c.PNG": "c.PNG.fci", "C.webp": "C.webp.fci"}
        expected |= {"d.png": "d.fci", "d.fci/e.png": "e.fci"}
    assert files_in(out) == sorted(expected.values())
    for seed, name in enumerate(names):
        assert parse_picture((out / expected[name]).read_bytes()).header.width == 20 + seed

    status, told, err = run("decode", out, "-o", tmp_path / "back")
    assert (status, len(told.splitlines())) == (0, len(names))
    back = tmp_path / "back"
    assert {read_picture(back / name).width for name in files_in(back)} == {
        20 + seed for seed in range(len(names))
    }
    assert read_picture(back / "a.png").width == 20
    assert read_picture(back / "a.jpg.png").width == 21


def test_a_name_that_a_folder_has_is_passed_over(run, tmp_path):
    save(tmp_path / "in" / "a.png", 1)
    (tmp_path / "in" / "a.fci").mkdir()
    assert run("encode", tmp_path / "in")[0] == 0
    assert (tmp_path / "in" / "a.png.fci").is_file()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["encode", "a.png", "-o", "coded"], "a folder: end it with /; a file: end it in .fci"),
        (["decode", "a.fci", "-o", "back"], "a folder: end it with /; a file: end it in .png"),
        (["encode", "a.png", "out.fci"], "an output is named with -o: -o out.fci"),
        (["encode", "a.mp4", "out.fcv"], "an output is named with -o: -o out.fcv"),
        (["decode", "a.fci", "out.png"], "an output is named with -o: -o out.png"),
        (["decode", "a.fcv", "out.mp4"], "an output is named with -o: -o out.mp4"),
        (["encode", "a.fci"], "a.fci is a coded picture already"),
        (["encode", "a.png", "a.fci", "-o", "o/"], "a.fci is a coded picture already"),
        (["encode", "a.png", "-q", "nan"], "'nan' is not a number"),
        (["encode", "a.png", "--target-psnr", "inf"], "'inf' is not a number"),
        (["encode", "a.png", "--device", "gpu"], "there is no device 'gpu'"),
        (["encode", "a.png", "--device", ""], "there is no device ''"),
        (["encode", "a.png", "--device", "meta"], "there is no device 'meta'"),
        (["encode", "a.png", "--device", "cuda:99"], "has no device 'cuda'"),
        (["decode", "a.fci", "-o", "b.png", "--device", "gpu"], "there is no device 'gpu'"),
        (["encode", "a.png", "--target-size", "x"], "1.5M. See 'flowcodec encode --help'."),
        (["encode", "a.png", "--qulity", "3"], "?) See 'flowcodec encode --help'."),
    ],
)
def test_what_is_meant_is_said(run, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png", 1)
    run("encode", "a.png")
    (tmp_path / "a.mp4").touch()
    before = files_in(tmp_path)
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("flowcodec: error: ")
    assert text in err
    assert files_in(tmp_path) == before


def test_one_file_may_go_into_a_folder(run, tmp_path):
    save(tmp_path / "a.png", 1)
    assert run("encode", tmp_path / "a.png", "-o", f"{tmp_path / 'coded'}{os.sep}")[0] == 0
    assert files_in(tmp_path / "coded") == ["a.fci"]
    assert run("encode", tmp_path / "a.png", "-o", tmp_path / "coded")[0] == 0  # it is there


def test_an_output_that_cannot_hold_the_picture_is_named(run, tmp_path):
    alpha = np.arange(400, dtype=np.uint16).astype(np.uint8).reshape(20, 20)
    write_picture(Picture(draw(1, 20, 20), alpha), tmp_path / "a.png")
    run("encode", tmp_path / "a.png")
    target = tmp_path / "new" / "b.jpg"
    status, out, err = run("decode", tmp_path / "a.fci", "-o", target)
    assert (status, out) == (2, "")
    assert f"cannot write {target}: JPEG holds no alpha" in err
    assert not target.parent.exists()


def test_what_follows_a_file_is_told(run, tmp_path):
    save(tmp_path / "a.png", 1)
    run("encode", tmp_path / "a.png")
    with (tmp_path / "a.fci").open("ab") as file:
        file.write(b"\n")
    status, _, err = run("decode", tmp_path / "a.fci", "-o", tmp_path / "b.png")
    assert status == 0
    note = "note: what follows the picture was passed over (1 bytes)"
    assert err == f"{tmp_path / 'a.fci'}: {note}\n"


def test_measuring_says_what_is_left_out(run, folder, tmp_path):
    (folder / "bad.jfif").unlink()
    status, _, err = run("eval", "--data", folder, "--qualities", "4")
    assert status == 0
    left_out = "videos are coded alone (clip.mp4); GIF is not read (moving.gif)"
    assert err == f"{folder}: note: left out: {left_out}\n"
    (folder / "gone.png").symlink_to("nowhere")
    status, _, err = run("eval", "--data", folder, "--qualities", "4")
    assert (status, "gone.png: its link leads nowhere" in err) == (2, True)

"""Standard streams that are closed, full or only look like one; names of any bytes."""

import json
import os
import subprocess
import sys

import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.media.picture import read_picture

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix shells and names")


@pytest.fixture
def shell(flowcodec_command, photo, tmp_path):
    """Runs words of a shell, in which `flowcodec` is the command, in the folder of the photo."""
    (tmp_path / "flowcodec").write_text(f'#!/bin/sh\nexec {flowcodec_command[0]} "$@"\n')
    (tmp_path / "flowcodec").chmod(0o755)
    paths = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": paths, "W": "--threads=1"}

    def call(words, **options):
        return subprocess.run(
            ["sh", "-c", words], cwd=tmp_path, env=environment, capture_output=True, **options
        )

    return call


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_data_are_never_mixed_with_reports(shell, closed):
    whole = shell("flowcodec encode photo.png -o - $W")
    result = shell(f"flowcodec encode photo.png -o - $W {closed}")
    assert result.returncode == 0
    assert result.stdout == whole.stdout
    parse_picture(result.stdout)
    assert whole.stderr != b""
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("encode photo.png -o - $W >&-", "standard output is closed"),
        (
            "encode photo.png -o - $W >&- <&-",
            "standard output is closed",
        ),
        ("encode - -o out.fci $W <&-", "standard input is closed, there is nothing to read"),
        ("decode - -o out.png <&-", "standard input is closed, there is nothing to read"),
        ("info - <&-", "standard input is closed, there is nothing to read"),
        ("info photo.png >&-", "standard output is closed"),
        ("models >&-", "standard output is closed"),
        ("flow - -o - >&-", "standard output is closed"),
        ("flow - -o out.mp4 <&-", "standard input is closed, there is nothing to read"),
        ("encode missing.png 2>&-", None),
        ("encode missing.png <&- >&- 2>&-", None),
        ("info missing.fci 2>/dev/full", None),
        ("models >/dev/full", "No space left on device"),
        ("encode photo.png -o - $W >/dev/full", "No space left on device"),
    ],
)
def test_what_cannot_be_written_or_read_is_one_line(shell, tmp_path, words, told):
    before = sorted(tmp_path.iterdir())
    result = shell(f"flowcodec {words}")
    assert (result.returncode, result.stdout) == (2, b"")
    if told is None:
        assert result.stderr == b""
    else:
        (line,) = result.stderr.decode().splitlines()
        assert line.startswith("flowcodec: error: ")
        assert told in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_work_is_done_with_nobody_to_tell(shell, tmp_path, closed):
    result = shell(f"flowcodec encode photo.png -o out.fci $W {closed}")
    assert (result.returncode, result.stderr) == (0, b"")
    parse_picture((tmp_path / "out.fci").read_bytes())


def test_notes_of_videos_with_nobody_to_tell(shell, tmp_path):
    """That 10 bits are rounded is a note, and that a folder of pictures cannot say its rate."""
    header, samples = b"YUV4MPEG2 W16 H16 F25:1 C420p10\nFRAME\n", b"\0\1" * 384
    (tmp_path / "deep.y4m").write_bytes(header + samples)
    result = shell("flowcodec encode deep.y4m -o deep.fcv 2>/dev/full")
    assert result.returncode == 0
    result = shell("flowcodec decode deep.fcv -o out 2>/dev/full")  # a folder cannot say its rate
    assert result.returncode == 0
    assert (tmp_path / "out" / "000000.png").exists()


def test_a_file_may_be_called_like_standard_input(shell, tmp_path):
    shell("cp photo.png ./-; mkdir in; cp photo.png in/-")
    assert shell("flowcodec encode ./- -o ./a.fci $W").returncode == 0
    assert shell("flowcodec encode photo.png ./- -o out $W").returncode == 0
    assert (tmp_path / "out" / "-.fci").exists()
    assert shell("cd in; flowcodec encode . -o ../deep $W").returncode == 0
    assert (tmp_path / "deep" / "-.fci").exists()
    shell("cp a.fci ./-")
    assert json.loads(shell("flowcodec info --json ./-").stdout)[0]["file"] == "./-"
    assert shell("flowcodec decode ./- -o b.png $W").returncode == 0
    assert shell("flowcodec decode a.fci -o ./- --format png $W").returncode == 0
    assert read_picture(tmp_path / "-").width == 90


NAMES = [b"not \xff utf-8", b"two\nlines", b"\x1b[31mred", b"[bold]x", "w\u202etfel".encode()]


@pytest.fixture
def odd_names(photo, tmp_path):
    """A folder of copies of the photo."""
    folder = os.path.join(os.fsencode(tmp_path), b"odd \xfe")
    try:
        os.mkdir(folder)
        for name in NAMES:
            with open(os.path.join(folder, name + b".png"), "wb") as file:
                file.write(photo.read_bytes())
        with open(os.path.join(folder, b"bad \xff.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n")
    except OSError:
        pytest.skip("this file system takes no such names")
    return folder


def test_names_of_any_bytes(shell, odd_names, tmp_path):
    out = os.fsdecode(b"out\xfe")
    result = shell(f"flowcodec encode odd* -o {out} $W -j 2")
    assert result.returncode == 2
    lines = result.stdout.decode().splitlines()
    assert len(lines) == len(NAMES)
    assert any(r"odd \xfe/two\nlines.png -> out\xfe/two\nlines.fci" in line for line in lines)
    assert any(r"\x1b[31mred" in line for line in lines)
    assert any(r"w\u202etfel" in line for line in lines)
    error, summary = result.stderr.decode().splitlines()
    assert error.startswith(r"flowcodec: error: cannot read odd \xfe/bad \xff.png: ")
    assert summary == "flowcodec: 5 coded, 1 failed"
    folder = os.path.join(os.fsencode(tmp_path), b"out\xfe")
    assert sorted(os.listdir(folder)) == sorted(name + b".fci" for name in NAMES)

    told = shell("flowcodec info --json out*/*")
    files = {os.fsencode(one["file"]) for one in json.loads(told.stdout)}
    assert files == {b"out\xfe/" + name + b".fci" for name in NAMES}
    assert shell("LC_ALL=C flowcodec info out*/*").returncode == 0

    back = shell("flowcodec decode out* -o back --json $W")
    assert back.returncode == 0
    assert len(os.listdir(tmp_path / "back")) == len(NAMES)
    assert len([json.loads(line) for line in back.stdout.splitlines()]) == len(NAMES)

    name = os.fsdecode(b"no\xff\nfile")
    missing = shell(f"flowcodec info '{name}'")
    assert missing.stderr == b"flowcodec: error: no\\xff\\nfile: No such file or directory\n"


def test_names_of_any_bytes_are_measured_and_drawn(shell, odd_names, tmp_path):
    os.unlink(os.path.join(odd_names, b"bad \xff.png"))
    for name in NAMES[1:4]:
        os.unlink(os.path.join(odd_names, name + b".png"))
    measured = shell("flowcodec eval --data odd* --qualities 4 --json figures.json $W")
    assert (measured.returncode, measured.stderr) == (0, b"")
    pictures = json.loads((tmp_path / "figures.json").read_text())["per_image"]
    assert {os.fsencode(name) for name in pictures} == {NAMES[0] + b".png", NAMES[4] + b".png"}
    name = os.fsdecode(b"cost: $5 a_b$ [red] \xff.png")
    shell(f"cp photo.png '{name}'")
    drawn = shell(f"flowcodec figures '{name}' -o drawn --json drawn.json $W")
    assert (drawn.returncode, drawn.stderr) == (0, b"")
    assert json.loads((tmp_path / "drawn.json").read_text())["name"] == name

"""Listing picture files, and writing that never leaves half a file."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flowcodec.errors import MediaError
from flowcodec.media.files import atomic_write
from flowcodec.media.folders import picture_files
from flowcodec.media.formats import SUFFIXES


def test_pictures_are_found_by_suffix_at_any_depth(tmp_path: Path):
    wanted = ["a.png", "b/c.JPG", "b/d/e.webp", "f.tiff", "g.avif", "h.pgm", "i.ppm"]
    others = ["README", "README.md", "z.txt", "j.fci", ".hidden.png", "png"]
    for name in wanted + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert picture_files(tmp_path) == sorted(tmp_path / name for name in wanted)


def test_suffixes_are_those_of_the_issue():
    assert set(SUFFIXES) >= {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif", ".ppm"}


def test_listing_needs_a_folder(tmp_path: Path):
    with pytest.raises(MediaError, match="is not a folder"):
        picture_files(tmp_path / "nowhere")


@pytest.fixture(params=["as the system offers", "with a hidden name"])
def ways_to_write(request, monkeypatch):
    """Systems that know files without a name, and those that do not."""
    if request.param == "with a hidden name":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


def test_a_finished_write_replaces_the_file(tmp_path: Path, ways_to_write):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], ways_to_write
):
    old, new = tmp_path / "old.bin", tmp_path / "new.bin"
    old.write_bytes(b"old")
    for path in (old, new):
        with pytest.raises(error), atomic_write(path) as file:
            file.write(b"half")
            raise error
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_errors_of_other_files_pass_through(tmp_path: Path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.bin"):
        (tmp_path / "missing").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_takes_no_file_is_named(tmp_path: Path, ways_to_write):
    (tmp_path / "file").touch()
    for bad in (tmp_path / "missing" / "out.bin", tmp_path / "file" / "out.bin", tmp_path):
        with pytest.raises(MediaError, match=f"cannot write {bad}: "), atomic_write(bad) as file:
            file.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_media_error():
    with (
        pytest.raises(MediaError, match="cannot write /dev/full: No space left"),
        atomic_write(Path("/dev/full")) as file,
    ):
        file.write(b"x" * 100_000)


@pytest.mark.skipif(sys.platform == "win32", reason="Unix permissions")
def test_permissions_and_links_stay(tmp_path: Path, ways_to_write):
    private, link = tmp_path / "private.bin", tmp_path / "link.bin"
    private.write_bytes(b"old")
    private.chmod(0o600)
    link.symlink_to(private)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert private.read_bytes() == b"new"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Unix permissions")
def test_new_files_have_the_usual_permissions(tmp_path: Path, ways_to_write):
    (tmp_path / "usual").touch()
    with atomic_write(tmp_path / "ours") as file:
        file.write(b"x")
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "usual").st_mode


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs files without a name")
def test_a_killed_writer_leaves_nothing(tmp_path: Path):
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR))
    except OSError:
        pytest.skip("this file system has no files without a name")
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from flowcodec.media.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as file:\n"
        "    file.write(bytes(100_000)); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "out.bin"])
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []

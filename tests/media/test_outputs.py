"""Outputs that are no plain files, and those that cannot be: told before work begins."""

import os
import socket
import stat
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from flowcodec.errors import MediaError
from flowcodec.media.files import atomic_write
from flowcodec.media.outputs import check_folder, check_output, descriptor, plain_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix files")


def told_to_another_user(path: Path) -> str:
    """What `check_output` says to a process without the rights of root."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            check_output(path)
        except MediaError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        return said.read()


@pytest.fixture
def null(tmp_path: Path) -> Path:
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes device nodes")
    return path


def test_a_device_is_written_through_also_by_root(null: Path):
    check_output(null)
    with atomic_write(null) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert list(null.parent.iterdir()) == [null]


def test_a_link_to_a_device_is_followed(null: Path):
    link = null.with_name("link")
    link.symlink_to("null")
    assert plain_file(link) is None
    with atomic_write(link) as file:
        file.write(b"gone")
    assert link.is_symlink() and stat.S_ISCHR(null.lstat().st_mode)


def test_a_fifo_is_written_through(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    check_output(path)
    with atomic_write(path) as file:
        assert not file.seekable()
        file.write(b"through")
    reader.join(60)
    assert got == [b"through"]
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_socket_is_written_through(tmp_path: Path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        check_output(path)
        with atomic_write(path) as file:
            file.write(b"through")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == b"through"
    assert stat.S_ISSOCK(path.lstat().st_mode)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_an_open_file_goes_on_where_it_stands(tmp_path: Path):
    path = tmp_path / "open"
    with path.open("wb") as opened:
        opened.write(b"before ")
        opened.flush()
        name = Path(f"/dev/fd/{opened.fileno()}")
        assert descriptor(name) == opened.fileno()
        with atomic_write(name) as file:
            file.write(b"through ")
        opened.write(b"after")
    assert path.read_bytes() == b"before through after"
    assert descriptor(path) is None


def test_a_dangling_link_stays_and_its_file_is_made(tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to("made")
    check_output(link)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "made").read_bytes() == b"new"


def test_links_in_a_circle_are_told(tmp_path: Path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(MediaError, match=r"cannot write .*a: Too many levels"):
        check_output(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="needs root")
def test_owner_and_permissions_pass_on(tmp_path: Path):
    path = tmp_path / "theirs"
    path.write_bytes(b"old")
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    with atomic_write(path) as file:
        file.write(b"new")
    about = path.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (1234, 2345, 0o640)


def test_what_cannot_be_written_is_told_at_once(tmp_path: Path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    for bad, why in (
        (folder, "it is a folder"),
        (f"{tmp_path / 'new'}{os.sep}", "it is a folder"),
        (file / "below", "Not a directory"),
        (tmp_path / "missing" / "out", "No such file or directory: there is no folder"),
        ("/proc/out", "No such file or directory"),
        ("/proc/self/fd/63.fcv", "No such file or directory"),
    ):
        with pytest.raises(MediaError, match=f"cannot write {bad}: {why}"):
            check_output(bad)
    check_output(tmp_path / "missing" / "deep" / "out", makes_folders=True)
    with pytest.raises(MediaError, match="Not a directory"):
        check_output(file / "below" / "out", makes_folders=True)
    check_folder(tmp_path / "missing" / "deep")
    for bad in (file, Path("/dev/null")):
        with pytest.raises(MediaError, match=f"cannot write {bad}: several files need a folder"):
            check_folder(bad)
    assert sorted(tmp_path.iterdir()) == [file, folder]


def test_folders_and_files_without_the_right_to_write_are_told():
    with tempfile.TemporaryDirectory() as place:
        folder, file, free = (Path(place, name) for name in ("folder", "file", "free"))
        folder.mkdir()
        folder.chmod(0o555)
        file.touch()
        file.chmod(0o444)
        Path(place).chmod(0o777)
        assert told_to_another_user(folder / "out").endswith(": Permission denied")
        assert told_to_another_user(file).endswith(": it is write-protected")
        assert told_to_another_user(free) == ""
        assert not free.exists()

"""Where an output goes, and whether it can, told before the work for it begins.

A plain file, or a name that is free, is made or replaced. Whatever else bears a name (a device, a
pipe, a socket, an open file such as /dev/stdout) is written through and stays what it is.
"""

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, ELOOP, ENOENT
from pathlib import Path
from typing import BinaryIO

from flowcodec.errors import MediaError

MOST_LINKS = 40  # that are followed, as Linux does

OPEN_FILES = "/proc/self/fd"  # links to those of this process, on Linux

_FOLDERS_OF_THEM = re.compile(r"/dev/fd|/proc/([^/]+)(?:/task/[^/]+)?/fd")


def plain_file(path: Path | str) -> Path | None:
    """The file or folder that stands or may stand under this name, its links followed; None for
    what is written through. OSError where the links lead in a circle."""
    step = Path(path)
    for step in _steps(path):
        if _owner(step) is not None:
            return None
    found = Path(os.path.realpath(step))
    return found if found.is_file() or found.is_dir() or not found.exists() else None


def descriptor(path: Path | str) -> int | None:
    """The number of the open file of this process that a name such as /dev/stdout stands for."""
    for step in _steps(path):
        if _owner(step) in ("", str(os.getpid())) and step.name.isdecimal():
            return int(step.name)
    return None


def open_through(path: Path | str) -> BinaryIO:
    """What is no plain file, open for writing; an open file goes on where it stands."""
    number = descriptor(path)
    if number is not None:
        return os.fdopen(os.dup(number), "wb")
    if stat.S_ISSOCK(os.stat(path).st_mode):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            return connection.makefile("wb")
    return open(path, "wb")


def check_output(path: Path | str, *, makes_folders: bool = False) -> None:
    """MediaError where no file of this name can be made or replaced.

    makes_folders: those that are missing on the way to it will be made.
    """
    with _told(path):
        target = plain_file(path)
        if target is None:
            _check_access(Path(path))
            return
        if target.is_dir() or str(path).endswith(os.sep):
            raise MediaError(f"cannot write {path}: it is a folder; name a file in it")
        if target.exists():
            _check_access(target)
        if not (makes_folders or os.path.lexists(target.parent)):
            missing = f"{os.strerror(ENOENT)}: there is no folder {target.parent}"
            raise MediaError(f"cannot write {path}: {missing}")
        _check_room(_standing(target.parent))


def check_folder(path: Path | str) -> None:
    """MediaError where no files can be written into a folder of this name, made if missing."""
    with _told(path):
        target = plain_file(path)
        if target is None or target.is_file():
            raise MediaError(f"cannot write {path}: several files need a folder, this is none")
        _check_room(_standing(target))


def hidden_name(folder: Path) -> Path:
    """A name that no file of the folder has, for one that is not whole yet."""
    return folder / f".{os.urandom(8).hex()}.part"


def open_nameless(folder: Path) -> BinaryIO | None:
    """A new file of the folder that has no name; None where the system offers none."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not os.path.isdir(OPEN_FILES):
        return None
    try:
        # Readable too: writers of containers may look at what they wrote.
        return os.fdopen(os.open(folder, flag | os.O_RDWR, 0o666), "w+b")
    except OSError:
        return None  # what is wrong with the folder, opening a file with a name will tell


def pass_on(old: Path, new: Path | str) -> None:
    """Give a new file the permissions of the old one that it replaces, and as far as the system
    lets us its owner and group."""
    about = os.stat(old)
    with suppress(OSError, AttributeError):  # another user's file; a system without owners
        os.chown(new, about.st_uid, about.st_gid)
    os.chmod(new, stat.S_IMODE(about.st_mode))


def _steps(path: Path | str) -> Iterator[Path]:
    """The name, and what its links lead to, one after another."""
    step = Path(path)
    for _ in range(MOST_LINKS):
        yield step
        if not step.is_symlink():
            return
        step = step.parent / os.readlink(step)
    raise OSError(ELOOP, os.strerror(ELOOP), str(path))


def _owner(path: Path) -> str | None:
    """The process whose open file this name stands for, "" for this one; None for other files."""
    found = _FOLDERS_OF_THEM.fullmatch(os.path.realpath(path.parent))
    return found and (found[1] or "")


def _standing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not os.path.lexists(folder):
        folder = folder.parent
    return folder


def _check_access(path: Path) -> None:
    if not path.exists():  # among open files, which nobody can add to
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT))
    if not os.access(path, os.W_OK):
        raise PermissionError(EACCES, "it is write-protected")


def _check_room(folder: Path) -> None:
    """OSError unless a file can be made in the folder."""
    nameless = open_nameless(folder)
    if nameless is not None:
        nameless.close()
        return
    scratch = hidden_name(folder)
    scratch.touch(exist_ok=False)
    scratch.unlink()


@contextmanager
def _told(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MediaError(f"cannot write {path}: {error.strerror}") from error

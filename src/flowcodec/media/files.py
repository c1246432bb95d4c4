"""Which files are pictures and videos, and writing that never leaves half a file behind."""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeGuard

from flowcodec.errors import MediaError
from flowcodec.media.formats import SUFFIXES, VIDEO_SUFFIXES

__all__ = ["SUFFIXES", "as_media_error", "atomic_write", "picture_files", "video_files"]


def picture_files(folder: Path) -> list[Path]:
    """All picture files under `folder`, at any depth, sorted by path.

    A file counts by its suffix (SUFFIXES, upper or lower case) alone; other files and hidden
    ones (a leading dot) are passed over. Raises MediaError where `folder` is no folder.
    """
    return _files_of(folder, SUFFIXES)


def video_files(folder: Path) -> list[Path]:
    """All video files, by VIDEO_SUFFIXES, in the same way."""
    return _files_of(folder, VIDEO_SUFFIXES)


def _files_of(folder: Path, suffixes: Collection[str]) -> list[Path]:
    if not folder.is_dir():
        raise MediaError(f"{folder} is not a folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends without an error.

    Until then the bytes stand in a hidden file of the same folder, which an error removes, so
    that `path` is whole or untouched. An existing file passes on its permissions and a symbolic
    link keeps its place. Pipes and devices, which cannot be replaced, are written directly.

    Raises MediaError where the file cannot be made, written or put in place; errors of the
    block itself pass through.
    """
    target = Path(os.path.realpath(path))
    direct = target.exists() and not target.is_file()
    scratch = target if direct else target.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with scratch.open("wb" if direct else "xb") as stream:
            if not direct and target.exists():
                shutil.copymode(target, scratch)
            yield stream
        if not direct:
            os.replace(scratch, target)
    except BaseException as error:
        if not direct:
            with contextlib.suppress(OSError):
                scratch.unlink()
        if _failed_on(error, scratch):
            raise MediaError(f"cannot write {path}: {error.strerror}") from error
        raise


@contextmanager
def as_media_error(what: str, suspicion: str) -> Iterator[None]:
    """Turn errors of the block into a MediaError: `what`, and the system's reason or `suspicion`.

    Any error at all, since readers of damaged files raise nearly everything: KeyError, zlib.error,
    AssertionError and more.
    """
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(f"{what}: not enough memory") from error
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise MediaError(f"{what}: {error.strerror}") from error
        details = " ".join(str(error).split()) or type(error).__name__
        raise MediaError(f"{what}: {suspicion} ({details})") from error


def _failed_on(error: BaseException, file: Path) -> TypeGuard[OSError]:
    """Whether the system failed on `file`: its error names it or, when a write fails, no file."""
    if not isinstance(error, OSError) or error.errno is None:
        return False
    return error.filename is None or str(error.filename) == str(file)

"""Writing that never leaves half a file behind, and what a failing reader says."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from flowcodec.errors import MediaError
from flowcodec.media.outputs import (
    OPEN_FILES,
    check_output,
    hidden_name,
    open_nameless,
    open_through,
    pass_on,
    plain_file,
)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends without an error.

    Until then the bytes stand in a file without a name, where the system has such, of which a
    killed process leaves nothing; else in a hidden file of the same folder, which an error removes.
    So `path` is whole or untouched. An existing file passes on its permissions and owner, and a
    symbolic link keeps its place. What is no plain file (`outputs`) is written through.

    Raises MediaError where the file cannot be made, written or put in place; errors of the
    block itself pass through.
    """
    check_output(path)
    target = plain_file(path)
    scratch = hidden_name((target or path).parent)
    try:
        with open_through(path) if target is None else _replacing(target, scratch) as stream:
            yield stream
    except OSError as error:
        if _failed_on(error, path, scratch, *(target.parents[:1] if target else ())):
            raise MediaError(f"cannot write {path}: {error.strerror}") from error
        raise


@contextmanager
def _replacing(target: Path, scratch: Path) -> Iterator[BinaryIO]:
    """A file without a name, or named `scratch`, that becomes `target`."""
    try:
        nameless = open_nameless(target.parent)
        with nameless or scratch.open("xb") as stream:
            place = f"{OPEN_FILES}/{stream.fileno()}" if nameless else scratch
            if target.exists():
                pass_on(target, place)
            yield stream
            stream.flush()
            if nameless:
                # That a descriptor is given, if only for a relative name, makes Python follow
                # the link that `place` is.
                os.link(place, scratch, src_dir_fd=stream.fileno(), follow_symlinks=True)
        os.replace(scratch, target)
    except BaseException:
        with contextlib.suppress(OSError):
            scratch.unlink()
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


def _failed_on(error: OSError, *files: Path) -> bool:
    """Whether the system failed on one of them: its error names it or, when a write fails, none."""
    if error.errno is None:
        return False
    return error.filename is None or str(error.filename) in map(str, files)

"""Where a coded video goes: through `OUT.part`, which decodes up to its last group at any time."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EAGAIN
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from flowcodec.bitstream.fields import START_BYTES, file_kind
from flowcodec.bitstream.video_file import read_groups
from flowcodec.cli.planning import PART
from flowcodec.cli.streams import PIPE, standard_output, tell
from flowcodec.errors import FormatError, MediaError
from flowcodec.media.files import atomic_write
from flowcodec.media.names import printable
from flowcodec.media.outputs import check_output, pass_on, plain_file

OPENED = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass
class Output:
    """A stream to write to. ours: a file that can be begun anew; begun: it has been."""

    stream: BinaryIO
    ours: bool
    begun: bool = False

    def start(self) -> BinaryIO:
        """The stream, ready for the first byte: what was written before is forgotten."""
        self.begun = True
        if self.ours:
            self.stream.seek(0)
            self.stream.truncate()
        return self.stream


@contextmanager
def video_output(target: str, *, again: bool) -> Iterator[Output]:
    """What becomes of `target` is written here: a plain file by way of TARGET.part, anything else
    (standard output is "-") as it comes.

    again: what is written may be begun anew; a pipe then gets it in the end.
    """
    path = None if target == PIPE else Path(target)
    plain = None if path is None else plain_file(path)
    if path is not None:
        check_output(target, makes_folders=True)
    if plain is not None:
        with _part_file(plain) as part:
            yield Output(part, ours=True)
    elif again:
        with tempfile.TemporaryFile() as held:
            yield Output(held, ours=True)
            held.seek(0)
            with _written_through(path) as stream:
                shutil.copyfileobj(held, stream)
    else:
        with _written_through(path) as stream:
            yield Output(stream, ours=False)


@contextmanager
def _written_through(path: Path | None) -> Iterator[BinaryIO]:
    if path is not None:
        with atomic_write(path) as stream:
            yield stream
        return
    output = standard_output()
    yield output
    output.flush()


@contextmanager
def _part_file(target: Path) -> Iterator[BufferedRandom]:
    """A stream to TARGET.part, which becomes `target` in the end.

    While it is open, a second encoder to the same target is refused. What an encoder before left
    there stays until something is written. Where the block fails, a file that holds a group stays,
    and is named on stderr; any other is removed.

    MediaError where the file cannot be made or written, or is not of an encoder of ours.
    """
    part = target.with_name(target.name + PART)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _claimed(part) as stream:
        try:
            yield stream
            stream.flush()
            if target.exists():
                pass_on(target, part)
            if sys.platform == "win32":
                stream.close()  # an open file has to keep its name there
            os.replace(part, target)
        except BaseException as error:
            written = stream.tell() > 0
            if written and _holds_group(stream):
                tell(f"What was coded so far is in {printable(part)}.")
            elif written or not os.fstat(stream.fileno()).st_size:
                part.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno and error.filename is None:
                raise MediaError(f"cannot write {part}: {error.strerror}") from error
            raise


@contextmanager
def _claimed(part: Path) -> Iterator[BufferedRandom]:
    """The file, made if it is missing, while no other process claims it."""
    while True:
        try:
            opened = os.open(part, OPENED, 0o666)
        except OSError as error:
            raise MediaError(f"cannot write {part}: {error.strerror}") from error
        with os.fdopen(opened, "r+b") as stream:
            _lock(stream, part)
            if not _stands(stream, part):
                continue  # another encoder has just finished it
            start = stream.peek(START_BYTES)
            if start and not _is_ours(start):
                raise MediaError(
                    f"{part} is there and no video of ours, so it is not replaced: name another -o"
                )
            yield stream
            return


def _lock(stream: BufferedRandom, part: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Others are of file systems without locks: there is no claim then.
        if error.errno in (EACCES, EAGAIN):
            raise MediaError(
                f"{part} is being written by another encoder: name another -o, or wait for it"
            ) from None


def _stands(stream: BufferedRandom, part: Path) -> bool:
    """Whether the open file is the one that has this name."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(part))
    except FileNotFoundError:
        return False


def _is_ours(start: bytes) -> bool:
    try:
        return file_kind(start) == "video"
    except FormatError:
        return False


def _holds_group(stream: BufferedRandom) -> bool:
    try:
        stream.seek(0)
        _, groups = read_groups(stream, lambda damage: None)
        return any(group.frames for group in groups)
    except (FormatError, OSError):
        return False

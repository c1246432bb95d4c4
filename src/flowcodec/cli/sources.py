"""Inputs of commands: looked at by their first bytes, then read. "-" is standard input.

A pipe can be opened once: what was looked at here stays open until it is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flowcodec.bitstream.fields import MAGIC, file_kind
from flowcodec.cli.streams import PIPE, standard_input
from flowcodec.errors import FormatError, UsageError
from flowcodec.media.outputs import descriptor, plain_file
from flowcodec.media.peeking import peeked

if TYPE_CHECKING:
    from flowcodec.media.kinds import Kind

HEAD_BYTES = 4096

_waiting: dict[str, tuple[BinaryIO, BinaryIO]] = {}  # pipes, and how they are read after a look


def standard(name: str, number: int) -> str:
    """A name, or "-" where it is one such as /dev/stdin for the open file of this number.

    UsageError for an empty one, which a variable that is not set may leave.
    """
    if not name:
        raise UsageError(f"an empty name is no {'output' if number else 'input'}")
    return PIPE if descriptor(name) == number else name


def check_not_input(target: str, sources: Iterable[str]) -> None:
    """UsageError where a plain file or folder that is to be written is one that is read."""
    for source in sources:
        if PIPE not in (source, target) and _same(source, target):
            raise UsageError(f"{target} is an input and would be overwritten; give another -o")


def _same(one: str, other: str) -> bool:
    if plain_file(other) is None:
        return False
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def is_pipe(source: str) -> bool:
    """Whether an input can be read once only."""
    plain = os.path.isfile(source) or os.path.isdir(source)
    return source == PIPE or (not plain and os.path.exists(source))


def looked_into(sources: Sequence[str]) -> Iterable[str]:
    """Those that can be looked into here: of several, workers may read the pipes."""
    return (name for name in sources if len(sources) == 1 or not is_pipe(name))


def head_of(source: str) -> bytes:
    """The first HEAD_BYTES of a file or pipe; OSError where it cannot be read."""
    if not is_pipe(source):
        with open(source, "rb") as file:
            return file.read(HEAD_BYTES)
    pipe, stream = _opened_pipe(source)
    head, stream = peeked(stream, HEAD_BYTES)
    _waiting[source] = pipe, stream
    return head


@contextmanager
def open_source(source: str) -> Iterator[BinaryIO]:
    """A file or pipe from its beginning; OSError where it cannot be read."""
    if not is_pipe(source):
        with open(source, "rb") as file:
            yield file
        return
    pipe, stream = _opened_pipe(source)
    with nullcontext() if source == PIPE else pipe:
        yield stream


@contextmanager
def readable(source: str) -> Iterator[Path | BinaryIO]:
    """The path of a file or folder; what can be read once only, open."""
    if not is_pipe(source):
        yield Path(source)
        return
    with open_source(source) as stream:
        yield stream


def _opened_pipe(source: str) -> tuple[BinaryIO, BinaryIO]:
    """A pipe, and the stream to read it from, which begins with what was looked at."""
    waiting = _waiting.pop(source, None)
    if source == PIPE:
        opened = standard_input()
        return waiting if waiting and waiting[0] is opened else (opened, opened)
    if waiting:
        return waiting
    opened = open(source, "rb")  # noqa: SIM115 - `open_source` closes it
    return opened, opened


def coded_kind(source: str) -> str | None:
    """What a file of ours is by its first bytes, "picture" or "video"; None for any other.

    FormatError for a version or kind that is not known, OSError where it cannot be read.
    """
    head = head_of(source)
    try:
        return file_kind(head) if head.startswith(MAGIC) else None
    except FormatError as error:
        raise FormatError(f"{source}: {error}") from error


def check_name(target: str, *suffixes: str) -> None:
    """UsageError where a file would bear the name of another kind; `suffixes` are its own."""
    from flowcodec.media.formats import RAW_SUFFIX, SUFFIXES, VIDEO_SUFFIXES

    known = {".fci", ".fcv", ".gif", RAW_SUFFIX, *SUFFIXES, *VIDEO_SUFFIXES}
    if Path(target).suffix.lower() in known.difference(suffixes):
        raise UsageError(f"{target} would hold a {suffixes[0]} file: end its name in {suffixes[0]}")


def input_kind(source: str) -> Kind | None:
    """What a file is by its first bytes, or where they do not tell by its name; OSError where it
    cannot be read."""
    from flowcodec.media.kinds import kind_of

    head, suffix = head_of(source), Path(source).suffix
    if is_pipe(source):
        return kind_of(head, suffix)
    with open(source, "rb") as whole:
        return kind_of(head, suffix, whole)


def refuse_coded(source: str) -> None:
    """UsageError where a file that is to be read as a picture or video is one of ours, coded."""
    try:
        kind = coded_kind(source)
    except OSError:  # whoever reads it will tell
        return
    if kind is not None:
        raise UsageError(
            f"{source} is a coded {kind} already: turn it back with `flowcodec decode` first"
        )

"""Standard input, output and error, and the name that stands for them."""

import io
import os
import sys
from contextlib import suppress
from typing import BinaryIO

from flowcodec.errors import UsageError
from flowcodec.media.names import printable

PIPE = "-"  # as a name: standard input or output


class Closed(io.TextIOWrapper):
    """Stands for a standard stream that was closed: leads nowhere."""


def keep_standard_streams() -> None:
    """Put something that leads nowhere where a standard stream is closed.

    Otherwise the next file that is opened would take its number, and get what is meant for it.
    What the terminal's encoding does not know is written with backslashes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
    if sys.stdin is None:
        sys.stdin = Closed(io.BufferedReader(io.FileIO(os.devnull, "r")))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Closed(io.BufferedWriter(io.FileIO(os.devnull, "w"))))
        else:
            stream.reconfigure(errors="backslashreplace")


def standard_input() -> BinaryIO:
    """Standard input as bytes; UsageError where it is closed."""
    if isinstance(sys.stdin, Closed):
        raise UsageError("standard input is closed, there is nothing to read")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Standard output as bytes; UsageError where it is closed."""
    if isinstance(sys.stdout, Closed):
        raise UsageError("standard output is closed, nothing can be written to it")
    return sys.stdout.buffer


def check_standard_output(what: str) -> None:
    """UsageError where standard output takes no data, or would show them on a terminal."""
    standard_output()
    if sys.stdout.isatty():
        raise UsageError(f"{what} is not written to a terminal; give -o FILE or pipe it on")


def tell(line: str) -> None:
    """A line on standard error, if it takes any."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def note(name: object, text: str) -> None:
    """Tell what a file or picture of this name has lost or changed on the way."""
    tell(f"{printable(name)}: note: {text}")


def warn(name: object, text: object) -> None:
    """Tell what is wrong with a file of which the rest is used."""
    tell(f"flowcodec: warning: {printable(name)}: {text}")


def report(line: str, *, to_stderr: bool) -> None:
    """Print what became of the work; to standard error where the data take standard output."""
    if to_stderr:
        tell(line)
    else:
        print(line, flush=True)


def named(path: str) -> str:
    """A path by a name that is not taken for standard input or output."""
    return os.path.join(os.curdir, path) if path == PIPE else path

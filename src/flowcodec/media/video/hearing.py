"""What ffmpeg complains of while it reads: it tells its log, and nobody else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from av import logging
from av.container import InputContainer

CORRUPT = re.compile(r"Packet corrupt \(stream = (\d+), dts = (-?\d+|NOPTS)\)")
_lock = Lock()
_levels: list[int] = []  # that are asked for now
_before: list[Any] = []  # level, and whether repetitions are passed over, when none was

GAP = "Frame num gap"
HARMLESS = (
    "Unknown entry",  # of a newer Matroska
    "mmco: ",  # an encoder that forgets frames it does not have
    "co located POCs unavailable",  # after an open start
    "number of reference frames",
    "Format ",  # was guessed
)


@dataclass
class Complaints:
    """errors: who says so (a demuxer, a codec), and what went wrong, in ffmpeg's words. corrupt:
    streams and decoding times (None where there is none) of packets that did not come whole."""

    errors: list[tuple[str, str]] = field(default_factory=list)
    corrupt: list[tuple[int, int | None]] = field(default_factory=list)


@contextmanager
def hearing(heard: Complaints, gaps: bool = False) -> Iterator[None]:
    """Add what ffmpeg complains of in the block, in this thread. gaps: numbers that H.264 leaves
    out count as errors."""
    lines: list[tuple[int, str, str]] = []
    try:
        with _level(logging.DEBUG if gaps else logging.WARNING), logging.Capture() as lines:
            yield
    finally:
        for grade, who, text in lines:
            if match := CORRUPT.search(text):
                stream, time = match.groups()
                heard.corrupt.append((int(stream), None if time == "NOPTS" else int(time)))
            elif text.startswith(GAP) or (grade <= logging.ERROR and not text.startswith(HARMLESS)):
                heard.errors.append((who, " ".join(text.split())))


def described(container: InputContainer) -> str:
    """ffmpeg's lines about a container and its streams, with everything that it knows."""
    with _level(logging.INFO):
        logging.set_libav_level(logging.VERBOSE)
        try:
            opened: Any = container  # its types leave this out
            return str(opened.dumps_format())
        finally:
            logging.set_libav_level(logging.INFO)


@contextmanager
def _level(level: int) -> Iterator[None]:
    """Let ffmpeg tell at least so much. The level is one for all threads: the last restores it."""
    with _lock:
        if not _levels:
            _before[:] = [logging.get_level(), logging.get_skip_repeated()]
            logging.set_skip_repeated(False)
        _levels.append(level)
        logging.set_level(max(_levels))
    try:
        yield
    finally:
        with _lock:
            _levels.remove(level)
            if _levels:
                logging.set_level(max(_levels))
            else:
                logging.set_level(_before[0])
                logging.set_skip_repeated(_before[1])

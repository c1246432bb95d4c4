"""What a process does with the memory of arrays and tensors that are no more."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from functools import cache

# Of mallopt: M_MMAP_MAX and M_TRIM_THRESHOLD, and M_MMAP_THRESHOLD, which keeps adapting no more
# once one of the others is set: so it goes to where it would have gone, and trimming with it.
KEEPING = ((-4, 0), (-1, 2**31 - 1))
USUAL = ((-4, 65536), (-3, 2**25), (-1, 2**26))


def give_back() -> None:
    """Return freed memory to the system, where the C library can.

    It keeps what tensors of a frame took, in pieces that those of the next one may not fit: the
    memory of a long video would grow by them.
    """
    if trim := getattr(_c_library(), "malloc_trim", None):
        trim(0)


@contextlib.contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """A block that keeps freed memory for its next tensors, where the C library can.

    Large tensors are otherwise given back at once, and the system clears every page of the next.
    """
    _adjust(KEEPING)
    try:
        yield
    finally:
        _adjust(USUAL)
        give_back()


def _adjust(settings: tuple[tuple[int, int], ...]) -> None:
    if adjust := getattr(_c_library(), "mallopt", None):
        for what, value in settings:
            adjust(what, value)


@cache
def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform.startswith("linux") else None

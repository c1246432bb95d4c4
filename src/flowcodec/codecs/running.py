"""Networks at work: torch limited to some threads, no gradients."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from functools import cache

import torch

from flowcodec.errors import UsageError

DEVICES = ("cpu", "cuda", "mps")

# Of mallopt: M_MMAP_MAX and M_TRIM_THRESHOLD, and M_MMAP_THRESHOLD, which keeps adapting no more
# once one of the others is set: so it goes to where it would have gone, and trimming with it.
KEEPING = ((-4, 0), (-1, 2**31 - 1))
USUAL = ((-4, 65536), (-3, 2**25), (-1, 2**26))


def device_called(name: str) -> torch.device:
    """The device of that name: "cpu", "cuda", "cuda:1", "mps"; UsageError where it is not there."""
    try:
        device = torch.device(str(name))
        known = device.type in DEVICES
    except RuntimeError:
        known = False
    if not known:
        raise UsageError(f"there is no device {str(name)!r}; use cpu, cuda, cuda:1, ... or mps")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is available; use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no MPS device is available; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no {device}, CUDA devices: {torch.cuda.device_count()}")
    return device


@contextlib.contextmanager
def running(threads: int | None) -> Iterator[None]:
    """A block without gradients, in which torch takes at most `threads` threads."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)


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

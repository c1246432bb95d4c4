"""How many threads NumPy's matrix products take, and parts that are worked on side by side."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

AT_ONCE = 4  # parts: a tile takes half a gigabyte, and within it networks take all threads


def limited_threads(threads: int | None) -> contextlib.AbstractContextManager[Any]:
    """A block in which BLAS takes at most `threads` threads; None changes nothing."""
    if threads is None:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = _blas().limit(limits=threads, user_api="blas")
    return limits


def side_by_side(
    work: Callable[[Part], Result], parts: Sequence[Part], threads: int | None
) -> Iterator[Result]:
    """What `work` makes of each part, in order: as many at once as there are threads (None: cores),
    four at most.

    Parts must not depend on each other: results are the same for any number of threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = min(threads or cores or 1, len(parts), AT_ONCE)
    if count <= 1:
        yield from map(work, parts)
        return
    with limited_threads(1), ThreadPoolExecutor(count) as pool:
        yield from pool.map(work, parts)


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # looks through all loaded libraries, which takes its time

"""How many threads NumPy's matrix products take."""

from __future__ import annotations

import contextlib
from typing import Any


def limited_threads(threads: int | None) -> contextlib.AbstractContextManager[Any]:
    """A block in which BLAS takes at most `threads` threads; None changes nothing."""
    if threads is None:
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(threads, user_api="blas")
    return limits

"""How many threads NumPy's matrix products take."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any


def limited_threads(threads: int | None) -> contextlib.AbstractContextManager[Any]:
    """A block in which BLAS takes at most `threads` threads; None changes nothing."""
    if threads is None:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = _blas().limit(limits=threads, user_api="blas")
    return limits


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # looks through all loaded libraries, which takes its time

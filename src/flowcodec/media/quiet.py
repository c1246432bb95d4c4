"""Keeping to itself what Pillow says of odd files: we say it ourselves, as notes or errors."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from threading import Lock

# Without a handler, Python prints errors of a library's logger to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = Lock()
_users = 0
_added: object = None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warning of Pillow's passes while the block runs; several threads may be in one."""
    global _users, _added
    with _lock:
        _users += 1
        if _users == 1:
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _added = warnings.filters[0]
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                # Whoever has put other filters in place meanwhile has taken it away.
                with contextlib.suppress(ValueError):
                    warnings.filters.remove(_added)  # type: ignore[attr-defined]

"""Nothing stays behind of a process that is killed, which cannot clean up itself."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_WATCH = "import shutil, sys; sys.stdin.read() or shutil.rmtree(sys.argv[1], ignore_errors=True)"


@contextmanager
def removed_if_killed(folder: Path) -> Iterator[None]:
    """Until the block ends a small process waits, and removes `folder` if this one is gone."""
    command = [sys.executable, "-I", "-S", "-c", _WATCH, str(folder.absolute())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what ends the processes of a terminal does not end this one
    ) as watcher:
        try:
            yield
        finally:
            with suppress(OSError):
                watcher.communicate(b"the block has ended")

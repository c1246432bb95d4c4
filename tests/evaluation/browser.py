"""A browser without a window, where one is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
]


def find_chromium() -> str:
    """The browser's command; skips where there is none."""
    for name in ("chromium", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium here: install Debian's package chromium")


def dom_of(page: Path, profile: Path) -> str:
    """The page as it stands after its scripts have run, without a word on the console.

    What a page's policy forbids, such as a request, is told there.
    """
    command = [find_chromium(), *QUIET, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120)
    log = done.stderr.decode(errors="replace")
    assert done.returncode == 0, log
    assert "CONSOLE" not in log, log
    return done.stdout.decode()

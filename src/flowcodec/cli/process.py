"""The process that a command runs in: the signals that end it, and what libraries say in it."""

import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from types import FrameType

from flowcodec.cli.streams import keep_standard_streams

GRACE = 1.0  # seconds from a signal to the end, however long the call in hand takes


def own_process() -> None:
    """Make this process that of a command. Called once, in the main thread, before all else."""
    keep_standard_streams()
    quiet_libraries()
    end_on_signals(GRACE)


def quiet_libraries() -> None:
    """Let no library print warnings or its log: what a user should know we say ourselves."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    os.environ.setdefault("SVT_LOG", "1")  # errors only


def end_on_signals(grace: float) -> None:
    """Let SIGTERM and SIGHUP raise SystemExit(128 + number), as SIGINT raises KeyboardInterrupt.

    So blocks clean up. That happens between two steps of Python; where a long call of a library
    holds it up, the process ends `grace` seconds after the signal. A signal that whoever started
    the process has it ignore (nohup) stays ignored.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    told, telling = socket.socketpair()
    telling.setblocking(False)
    signal.set_wakeup_fd(telling.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after, args=(told, grace), daemon=True).start()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _end_after(told: socket.socket, grace: float) -> None:
    """End the process after a signal that nobody else handles (training finishes its step)."""
    while True:
        number = told.recv(1)[0]
        if signal.getsignal(number) in (_stop, signal.default_int_handler):
            time.sleep(grace)
            os._exit(128 + number)

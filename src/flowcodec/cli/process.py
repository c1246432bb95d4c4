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
WORKER_GRACE = 0.5  # the same of a worker, which its parent waits for

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_ENDING = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


def own_process() -> None:
    """Make this process that of a command. Called once, in the main thread, before all else."""
    keep_standard_streams()
    quiet_libraries()
    end_on_signals(GRACE)


def as_worker() -> None:
    """Make this process that of a worker of a command."""
    quiet_libraries()
    end_on_signals(WORKER_GRACE)


def quiet_libraries() -> None:
    """Let no library print warnings or its log: what a user should know we say ourselves."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    os.environ.setdefault("SVT_LOG", "1")  # errors only


def end_on_signals(grace: float) -> None:
    """Let SIGINT raise KeyboardInterrupt, SIGTERM and SIGHUP SystemExit(128 + number), once.

    So blocks clean up, and no second signal disturbs them. That happens between two steps of
    Python; where a long call of a library holds it up, the process ends `grace` seconds after the
    signal. A signal that whoever started the process has it ignore (nohup) stays ignored.
    """
    for number in _ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)
    told, telling = socket.socketpair()
    telling.setblocking(False)
    signal.set_wakeup_fd(telling.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after, args=(told, grace), daemon=True).start()


def _stop(number: int, frame: FrameType | None) -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _end_after(told: socket.socket, grace: float) -> None:
    """End the process after a signal that nobody else handles (training finishes its step)."""
    while True:
        number = told.recv(1)[0]
        if signal.getsignal(number) in (_stop, signal.SIG_IGN):
            time.sleep(grace)
            os._exit(128 + number)

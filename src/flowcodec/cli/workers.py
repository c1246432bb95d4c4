"""Other processes that work for this one, and never outlive it."""

import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

from flowcodec.cli.process import end_on_signals, quiet_libraries
from flowcodec.errors import FlowcodecError

GRACE = 0.5  # seconds that a worker has to clean up when it is told to end
END = 0.7  # seconds until it is ended at once

Job = TypeVar("Job")
Report = TypeVar("Report")

PREPARING = -1  # what a worker is at before its first job

Outcome = Callable[[], Report]
"""Returns the report on a job, or raises its error."""


class Workers(Generic[Job, Report]):
    """Processes that each do one job after the other. Made by `workers`."""

    def __init__(self, count: int, prepare: Callable[[], None], work: Callable[[Job], Report]):
        self._count = count
        self._task = prepare, work
        self._running: dict[Connection, BaseProcess] = {}

    def do(self, jobs: Sequence[Job]) -> Iterator[Outcome[Report]]:
        """The outcomes of all jobs, in order, each as soon as it is there.

        Raises what `prepare` raises. A worker that ends before its time costs its job only.
        """
        waiting = deque(range(len(jobs)))
        busy = {self._start(): PREPARING for _ in range(min(self._count, len(jobs)))}
        outcomes: dict[int, Outcome[Report]] = {}
        for number in range(len(jobs)):
            while number not in outcomes:
                for connection in cast("list[Connection]", wait(list(busy))):
                    done = busy.pop(connection)
                    outcomes[done] = self._receive(connection, done)
                    if done == PREPARING:
                        outcomes.pop(done)()
                    if waiting and self._give(connection, jobs[waiting[0]]):
                        busy[connection] = waiting.popleft()
                    elif waiting:
                        busy[self._start()] = PREPARING
            yield outcomes.pop(number)

    def end(self) -> None:
        """End all, whatever they are at: first so that they clean up, then at once."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + END
        for process in self._running.values():
            process.join(max(0, deadline - time.monotonic()))
            process.kill()
            process.join()

    def _start(self) -> Connection:
        spawning = get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=_serve, args=(theirs, *self._task), daemon=True)
        with _without_interrupts():
            process.start()
            self._running[ours] = process
        theirs.close()
        return ours

    def _give(self, connection: Connection, job: Job) -> bool:
        """Send a job to a worker; False where it is gone."""
        if connection not in self._running:
            return False
        try:
            connection.send(job)
        except OSError:
            self._running.pop(connection).join()
            return False
        return True

    def _receive(self, connection: Connection, job: int) -> Outcome[Report]:
        """What a worker says of what it was at."""
        try:
            report, error = connection.recv()
        except (EOFError, OSError):
            self._running.pop(connection).join()
            ready = "most likely for want of memory; lower -j"
            why = "before it was ready; try without -j" if job == PREPARING else ready
            report, error = None, FlowcodecError(f"a worker was ended, {why}")

        def outcome() -> Report:
            if error is not None:
                raise error
            return cast("Report", report)

        return outcome


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started in this block do not get SIGINT, which whoever presses Ctrl-C means for
    this one; here it waits for the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when it starts it lets the signal in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def workers(
    count: int, prepare: Callable[[], None], work: Callable[[Job], Report]
) -> Iterator[Workers[Job, Report]]:
    """Up to `count` processes, which end with the block, and when this process ends in any way.

    prepare: what each does first. Both functions can be pickled. Jobs, reports and errors too.
    """
    crew = Workers(count, prepare, work)
    try:
        yield crew
    finally:
        crew.end()


def _serve(connection: Connection, prepare: Callable[[], None], work: Callable[[Any], Any]) -> None:
    """What a worker does: a job, an answer, the next job."""
    quiet_libraries()
    end_on_signals(GRACE)
    _end_with_parent()
    with suppress(EOFError, OSError):  # of a parent that is gone
        connection.send(_attempt(prepare))
        while True:
            job = connection.recv()
            connection.send(_attempt(work, job))


def _attempt(work: Callable[..., Any], *what: Any) -> tuple[Any, Exception | None]:
    try:
        return work(*what), None
    except Exception as error:
        error.add_note(traceback.format_exc())  # which does not travel
        return None, error


def _end_with_parent() -> None:
    """Have SIGTERM sent to this process when the one that started it is gone."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()

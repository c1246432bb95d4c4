"""Other processes that work for this one, and never outlive it.

    jobs ─► one worker each ─► parts of what it makes, as they come ─► here, in the order of jobs

Arrays travel as they lie in memory, through the pipe to a worker: nothing has a name that a process
which is killed could leave behind.
"""

import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar, cast

from flowcodec.errors import FlowcodecError

END = 0.7  # seconds that workers have to clean up when they are told to end
AHEAD = 64  # parts of a job that wait here at most, while those of jobs before it are taken

Tool = TypeVar("Tool")
Job = TypeVar("Job")
Part = TypeVar("Part")
JobIn = TypeVar("JobIn", contravariant=True)
PartOut = TypeVar("PartOut", covariant=True)


class Crew(Protocol[JobIn, PartOut]):
    """Whoever does jobs: `Workers`, or `Alone` this process."""

    @property
    def count(self) -> int:
        """How many jobs are done at once."""

    def do(self, jobs: Iterable[JobIn], most: int | None = None) -> Iterator[Iterator[PartOut]]:
        """For each job, in order, its parts as they come, and behind them its error is raised.

        The parts of a job are taken before the next is asked for. most: of jobs that were taken
        from `jobs` and whose parts were not. An error of `jobs` is raised when the jobs before it
        are done; what ends the program, when those are taken that are done already.
        """

    def attend(self) -> None:
        """See to the jobs at hand, without waiting: for sources of jobs that take their time."""


@dataclass(frozen=True)
class Alone(Generic[Tool, Job, Part]):
    """A crew that is this process."""

    tool: Tool
    work: Callable[[Tool, Job], Iterable[Part]]
    count: int = 1

    def do(self, jobs: Iterable[Job], most: int | None = None) -> Iterator[Iterator[Part]]:
        """As `Crew` says."""
        for job in jobs:
            yield iter(self.work(self.tool, job))

    def attend(self) -> None:
        """There are no jobs at hand."""


@dataclass
class _Errand(Generic[Job, Part]):
    """A job, until it is given to a worker, and what came of it so far."""

    job: Job | None
    parts: deque[Part] = field(default_factory=deque)
    done: bool = False
    error: Exception | None = None


class Workers(Generic[Tool, Job, Part]):
    """A crew of processes that each do one job after the other. Made by `workers`."""

    def __init__(
        self,
        count: int,
        prepare: Callable[[], Tool],
        work: Callable[[Tool, Job], Iterable[Part]],
    ):
        self.count = count
        self._task = prepare, work
        self._running: dict[Connection, BaseProcess] = {}
        self._idle: list[Connection] = []
        self._preparing: set[Connection] = set()
        self._busy: dict[Connection, _Errand[Job, Part]] = {}
        self._waiting: deque[_Errand[Job, Part]] = deque()

    def do(self, jobs: Iterable[Job], most: int | None = None) -> Iterator[Iterator[Part]]:
        """As `Crew` says. Raises what `prepare` raises. A worker that ends before its time costs
        its job only."""
        source = iter(jobs)
        stop: BaseException | None = None
        taken: deque[_Errand[Job, Part]] = deque()
        while True:
            while stop is None and (most is None or len(taken) < most):
                try:
                    taken.append(_Errand(next(source)))
                except BaseException as error:
                    stop = error
                else:
                    self._waiting.append(taken[-1])
                    self._give_out()
            if stop is not None and not isinstance(stop, Exception):
                self.attend()
                if taken and not taken[0].done:
                    break
            if not taken:
                break
            while taken[0].job is not None:  # an error of `prepare` is not one of the job
                self._listen(None)
            yield self._parts(taken[0])
            taken.popleft()
        if not isinstance(stop, StopIteration):
            assert stop is not None
            raise stop

    def attend(self) -> None:
        """As `Crew` says."""
        while self._listen(0):
            pass

    def end(self) -> None:
        """End all, whatever they are at: first so that they clean up, then at once."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + END
        for process in self._running.values():
            process.join(max(0, deadline - time.monotonic()))
            process.kill()
            process.join()

    def _parts(self, errand: _Errand[Job, Part]) -> Iterator[Part]:
        while errand.parts or not errand.done:
            if errand.parts:
                yield errand.parts.popleft()
            else:
                self._listen(None)
        if errand.error is not None:
            raise errand.error

    def _listen(self, seconds: float | None) -> bool:
        """Hear those that have something to say, None: until one has; whether there was any."""
        full = {c for c, errand in self._busy.items() if len(errand.parts) >= AHEAD}
        heard = wait([c for c in self._running if c not in full and c not in self._idle], seconds)
        for connection in heard:
            self._hear(cast(Connection, connection))
        self._give_out()
        return bool(heard)

    def _hear(self, connection: Connection) -> None:
        """Take a part, or the end of what a worker was at."""
        preparing = connection in self._preparing
        try:
            done, what = receive(connection)
        except (EOFError, OSError):
            self._forget(connection)
            why = "most likely for want of memory; lower -j"
            if preparing:
                why = "before it was ready; try without -j"
            done, what = True, FlowcodecError(f"a worker was ended, {why}")
        if not done:
            self._busy[connection].parts.append(what)
            return
        if preparing:
            self._preparing.remove(connection)
            if what is not None:
                self._forget(connection)
                raise what
        if connection in self._running:
            self._idle.append(connection)
        if preparing:
            return
        errand = self._busy.pop(connection)
        errand.done, errand.error = True, what

    def _give_out(self) -> None:
        """Give waiting jobs to idle workers, and start more where there are not enough."""
        while self._waiting and self._idle:
            connection = self._idle.pop()
            try:
                send(connection, self._waiting[0].job)
            except OSError:  # it is gone
                self._forget(connection)
                continue
            errand = self._busy[connection] = self._waiting.popleft()
            errand.job = None
        wanted = len(self._waiting) - len(self._preparing)
        for _ in range(min(wanted, self.count - len(self._running))):
            self._start()

    def _start(self) -> None:
        spawning = get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=_serve, args=(theirs, *self._task), daemon=True)
        with _without_interrupts():
            process.start()
            self._running[ours] = process
        theirs.close()
        self._preparing.add(ours)

    def _forget(self, connection: Connection) -> None:
        """A worker is gone."""
        process = self._running.pop(connection, None)
        if process is not None:
            process.join()
            connection.close()


def send(connection: Connection, thing: Any) -> None:
    """Send what can be pickled, its arrays without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(thing, 5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    connection.send((pickled, [view.nbytes for view in views]))
    for view in views:
        connection.send_bytes(view)


def receive(connection: Connection) -> Any:
    """What `send` was given."""
    pickled, sizes = connection.recv()
    buffers = [bytearray(size) for size in sizes]
    for buffer in buffers:
        connection.recv_bytes_into(buffer)
    return pickle.loads(pickled, buffers=buffers)


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
    count: int, prepare: Callable[[], Tool], work: Callable[[Tool, Job], Iterable[Part]]
) -> Iterator[Workers[Tool, Job, Part]]:
    """Up to `count` processes, which end with the block, and when this process ends in any way.

    prepare: what each does first; what it returns goes to `work` with each job. Both functions can
    be pickled. Jobs, parts and errors too.
    """
    crew = Workers(count, prepare, work)
    try:
        yield crew
    finally:
        crew.end()


def _serve(
    connection: Connection,
    prepare: Callable[[], Any],
    work: Callable[[Any, Any], Iterable[Any]],
) -> None:
    """What a worker does: a job, its parts, its error or None, the next job."""
    _end_with_parent()
    with suppress(EOFError, OSError):  # of a parent that is gone
        try:
            tool = prepare()
        except Exception as error:
            send(connection, (True, _noted(error)))
            return
        send(connection, (True, None))
        while True:
            job, failed = receive(connection), None
            try:
                for part in work(tool, job):
                    send(connection, (False, part))
            except Exception as error:
                failed = _noted(error)
            del job
            send(connection, (True, failed))


def _noted(error: Exception) -> Exception:
    error.add_note(traceback.format_exc())  # which does not travel
    return error


def _end_with_parent() -> None:
    """Have SIGTERM sent to this process when the one that started it is gone."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()

"""What `encode` and `decode` share: doing many jobs, and telling of each.

A job that fails is reported and the others go on. Standard input and output are called "-".
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

import click

from flowcodec.cli import streams
from flowcodec.cli.main import USER_ERROR, complain, one_line
from flowcodec.cli.measuring import progress_bar
from flowcodec.cli.planning import Job, Plan
from flowcodec.cli.process import as_worker
from flowcodec.cli.streams import PIPE, standard_output, tell
from flowcodec.errors import FlowcodecError
from flowcodec.media.files import atomic_write
from flowcodec.media.names import printable


class JobReport(Protocol):
    """What became of a job, as far as all commands tell it."""

    @property
    def input(self) -> str: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


Options = TypeVar("Options")
Report = TypeVar("Report", bound=JobReport)


@contextlib.contextmanager
def output_file(target: str) -> Iterator[BinaryIO]:
    """A binary file that becomes `target`, whole or not at all, its folder made; or stdout."""
    if target == PIPE:
        stream = standard_output()
        yield stream
        stream.flush()
    else:
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            yield stream


@contextlib.contextmanager
def naming(source: str) -> Iterator[None]:
    """Errors of our family that pass say which input they are about."""
    try:
        yield
    except FlowcodecError as error:
        if source == PIPE or source in str(error):
            raise
        raise type(error)(f"{source}: {error}") from error


@dataclass(frozen=True)
class Task(Generic[Options, Report]):
    """Work on jobs, in this process or in others, so both functions are of a module's top level.

    prepare: does what every job needs (loads a codec) and keeps it; its errors end the command.
    """

    options: Options
    prepare: Callable[[Options], None]
    work: Callable[[Options, Job], Report]


@dataclass(frozen=True)
class Teller(Generic[Report]):
    """Says what became of each job: a line for people or an object for machines.

    to_stderr: standard output is taken by the data.
    """

    as_line: Callable[[Report], str]
    as_object: Callable[[Report], dict[str, Any]]
    as_json: bool
    quiet: bool
    to_stderr: bool

    def report(self, report: Report) -> None:
        """A job is done."""
        if self.quiet:
            return
        for text in report.notes:
            streams.note(report.input, text)
        line = json.dumps(self.as_object(report)) if self.as_json else self.as_line(report)
        streams.report(line, to_stderr=self.to_stderr)

    def other(self, name: str, **facts: str) -> None:
        """A file has failed or was left out; for machines only."""
        if self.as_json and not self.quiet:
            print(json.dumps({"input": name, **facts}), flush=True)


def run_jobs(
    task: Task[Options, Report],
    planned: Plan,
    workers: int,
    teller: Teller[Report],
    doing: str,
    done: str,
) -> None:
    """Do all jobs and tell of each in order; of folders, what was left out.

    With one file, its error passes to the caller. With several, each error is printed as one line,
    the others go on, and the command ends with status 2.

    doing, done: "encoding", "coded".
    """
    jobs = planned.jobs
    if len(jobs) == 1 and not planned.folders:
        teller.report(task.work(task.options, jobs[0]))
        return
    if any(job.source.startswith("/dev/fd/") for job in jobs):
        workers = 1  # another process has other files open under these names
    for path, why in planned.left_out:
        teller.other(str(path), left_out=why)
    for error in planned.unread:
        complain(error)
    failed = 0
    with _outcomes(task, jobs, workers) as outcomes, progress_bar(len(jobs), doing) as advance:
        for job, outcome in zip(jobs, outcomes, strict=True):
            try:
                with naming(job.source):
                    report = outcome()
            except BrokenPipeError:
                raise
            except (FlowcodecError, OSError) as error:
                failed += 1
                complain(error)
                teller.other(job.source, error=one_line(error))
            else:
                teller.report(report)
            advance()
    if planned.folders and not teller.quiet:
        tell(f"flowcodec: {_summary(planned, failed, done)}")
    if failed or planned.unread:
        click.get_current_context().exit(USER_ERROR)


def _summary(planned: Plan, failed: int, done: str) -> str:
    from flowcodec.media.folders import in_words

    parts = [f"{len(planned.jobs) - failed} {done}"]
    if failed:
        parts.append(f"{failed} failed")
    if planned.unread:
        parts.append(f"{len(planned.unread)} not readable")
    if planned.left_out:
        parts.append(f"{len(planned.left_out)} left out: {in_words(planned.left_out)}")
    return printable(", ".join(parts))


@contextlib.contextmanager
def _outcomes(
    task: Task[Options, Report], jobs: Sequence[Job], count: int
) -> Iterator[Iterable[Callable[[], Report]]]:
    """For each job a function that returns its report or raises its error."""
    if not jobs:
        yield []
        return
    if count == 1:
        task.prepare(task.options)
        yield (partial(task.work, task.options, job) for job in jobs)
        return
    from flowcodec.codecs.workers import workers

    with workers(count, partial(_prepare, task), _work) as crew:
        yield (partial(next, parts) for parts in crew.do(jobs))


def _prepare(task: Task[Options, Report]) -> Task[Options, Report]:
    as_worker()
    task.prepare(task.options)
    return task


def _work(task: Task[Options, Report], job: Job) -> Iterator[Report]:
    yield task.work(task.options, job)

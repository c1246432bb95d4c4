"""What `encode` and `decode` share: which file becomes which, and doing many of them.

A job that fails is reported and the others go on. Standard input and output are called "-".
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import click

from flowcodec.cli.main import complain
from flowcodec.cli.measuring import progress_bar
from flowcodec.cli.streams import PIPE, named, standard_output
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.files import atomic_write
from flowcodec.media.formats import SUFFIXES, VIDEO_SUFFIXES
from flowcodec.media.outputs import check_output

FCI = ".fci"

Options = TypeVar("Options")
Report = TypeVar("Report")


@dataclass(frozen=True)
class Job:
    """One file to read and the one to write; "-" is standard input or output."""

    source: str
    target: str


def plan(
    inputs: Sequence[str],
    output: str | None,
    suffix: str,
    list_folder: Callable[[Path], list[Path]],
) -> list[Job]:
    """Say which input becomes which output.

    Without `output`, files come to lie beside their inputs with `suffix` in place of theirs, and
    standard input goes to standard output. A folder stands for the files that `list_folder` finds
    in it; its sub-folders are mirrored. UsageError where several inputs meet one output, or an
    output is an input.
    """
    if PIPE in inputs:
        if len(inputs) > 1:
            raise UsageError("standard input (-) is read alone, without other inputs")
        return [Job(PIPE, output or PIPE)]
    found: dict[Path, Path] = {}  # input to its path below the output folder
    folders = False
    for name in inputs:
        path = Path(name)
        if not path.is_dir():
            found.setdefault(path, Path(path.name))
            continue
        folders = True
        files = list_folder(path)
        if not files:
            raise UsageError(f"{path}: there is no file of the wanted kind in this folder")
        for file in files:
            found.setdefault(file, file.relative_to(path))
    many = folders or len(found) > 1
    if output is None:
        targets = {path: path.with_suffix(suffix) for path in found}
    elif output == PIPE or not (many or output.endswith(os.sep) or Path(output).is_dir()):
        if many:
            raise UsageError("standard output takes one file, there are several: give a folder")
        return _checked(dict.fromkeys(found, output))
    else:
        folder = Path(output)
        files_name = (
            folder.suffix.lower() in (FCI, *SUFFIXES, *VIDEO_SUFFIXES) and not folder.exists()
        )
        if (folder.exists() and not folder.is_dir()) or files_name:
            raise UsageError(f"several files need a folder, {output} is a file's name")
        targets = {path: folder / below.with_suffix(suffix) for path, below in found.items()}
    return _checked({path: str(target) for path, target in targets.items()})


def _checked(targets: dict[Path, str]) -> list[Job]:
    sources = {path.resolve() for path in targets}
    taken: dict[str, Path] = {}
    for path, target in targets.items():
        if target != PIPE and Path(target).resolve() in sources:
            raise UsageError(f"{target} is an input and would be overwritten; give another -o")
        other = taken.setdefault(target, path)
        if other != path and target != PIPE:
            raise UsageError(f"{other} and {path} would both become {target}; name them apart")
    return [Job(named(str(path)), target) for path, target in targets.items()]


def check_outputs(jobs: Iterable[Job]) -> None:
    """MediaError where a file cannot be written, told before work begins."""
    for job in jobs:
        if job.target != PIPE:
            check_output(job.target, makes_folders=True)


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


def run_jobs(
    task: Task[Options, Report],
    jobs: Sequence[Job],
    workers: int,
    show: Callable[[Report], None],
    what: str,
) -> None:
    """Do all jobs and `show` each report in order.

    With one job, its error passes to the caller. With several, each error is printed as one line,
    the others go on, and the command ends with status 2.
    """
    if len(jobs) == 1:
        show(task.work(task.options, jobs[0]))
        return
    failed = False
    with _outcomes(task, jobs, workers) as outcomes, progress_bar(len(jobs), what) as advance:
        for job, outcome in zip(jobs, outcomes, strict=True):
            try:
                with naming(job.source):
                    report = outcome()
            except BrokenPipeError:
                raise
            except (FlowcodecError, OSError) as error:
                failed = True
                complain(error)
            else:
                show(report)
            advance()
    if failed:
        click.get_current_context().exit(2)


@contextlib.contextmanager
def _outcomes(
    task: Task[Options, Report], jobs: Sequence[Job], count: int
) -> Iterator[Iterable[Callable[[], Report]]]:
    """For each job a function that returns its report or raises its error."""
    prepare, work = partial(task.prepare, task.options), partial(task.work, task.options)
    if count == 1:
        prepare()
        yield (partial(work, job) for job in jobs)
        return
    from flowcodec.cli.workers import workers

    with workers(count, prepare, work) as crew:
        yield crew.do(jobs)

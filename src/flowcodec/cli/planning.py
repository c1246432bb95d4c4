"""Which file becomes which: what `encode` and `decode` make of their inputs and of -o."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flowcodec.cli.streams import PIPE, named
from flowcodec.errors import MediaError, UsageError
from flowcodec.media.formats import SUFFIXES, VIDEO_SUFFIXES
from flowcodec.media.outputs import check_output

if TYPE_CHECKING:
    from flowcodec.media.folders import Contents, LeftOut

FCI, FCV = ".fci", ".fcv"
PART = ".part"  # behind the name of a video that is not yet whole


@dataclass(frozen=True)
class Job:
    """One file to read and the one to write; "-" is standard input or output."""

    source: str
    target: str


@dataclass
class Plan:
    """What is to be done. folders: whether an input is one; of those, what is left out, and why,
    and what cannot be read."""

    jobs: list[Job] = field(default_factory=list)
    folders: bool = False
    left_out: list[LeftOut] = field(default_factory=list)
    unread: list[MediaError] = field(default_factory=list)

    @property
    def to_pipe(self) -> bool:
        """Whether a file goes to standard output."""
        return any(job.target == PIPE for job in self.jobs)

    def check_outputs(self) -> None:
        """MediaError where a file cannot be written, told before work begins."""
        for job in self.jobs:
            if job.target != PIPE:
                check_output(job.target, makes_folders=True)


def plan(
    inputs: Sequence[str],
    output: str | None,
    suffix: str,
    list_folder: Callable[[Path], Contents],
) -> Plan:
    """Say which input becomes which output.

    Without `output`, files come to lie beside their inputs with `suffix` in place of theirs, and
    standard input goes to standard output. A folder stands for the files that `list_folder` finds
    in it; its sub-folders are mirrored. Files that would get one name, such as a.png and a.jpg,
    keep their suffix before the new one. UsageError where several inputs meet one output all the
    same, or an output is an input.
    """
    if PIPE in inputs:
        if len(inputs) > 1:
            raise UsageError("standard input (-) is read alone, without other inputs")
        return Plan([Job(PIPE, output or PIPE)])
    planned = Plan()
    below: dict[Path, Path] = {}  # input to its path below the output folder
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            _add_folder(path, list_folder(path), below, planned)
        else:
            below.setdefault(path, Path(path.name))
    many = planned.folders or len(below) > 1
    if output is None:
        targets = _targets({path: path for path in below}, suffix)
    elif many or output != PIPE and (output.endswith(os.sep) or Path(output).is_dir()):
        _check_folder(output)
        targets = _targets({path: Path(output) / inner for path, inner in below.items()}, suffix)
    else:
        _check_file(inputs[0], output, suffix)
        targets = dict.fromkeys(below, output)
    _check(targets)
    planned.jobs = [Job(named(str(path)), target) for path, target in targets.items()]
    made = set(targets.values())
    planned.left_out = [out for out in planned.left_out if str(out[0]) not in made]
    return planned


def refuse_outputs(inputs: Sequence[str], suffixes: Collection[str], what: str) -> None:
    """UsageError where the last of several inputs looks like an output: it has one of its suffixes,
    and there is no such file."""
    last = Path(inputs[-1])
    if len(inputs) > 1 and last.suffix.lower() in suffixes and not last.exists():
        raise UsageError(f"there is no {last} to {what}; an output is named with -o: -o {last}")


def _add_folder(folder: Path, contents: Contents, below: dict[Path, Path], planned: Plan) -> None:
    if not contents.files and not contents.unread:
        also = f"; left out: {contents.summary}" if contents.left_out else ""
        raise UsageError(f"{folder}: there is no file of the wanted kind in this folder{also}")
    planned.folders = True
    planned.left_out += contents.left_out
    planned.unread += contents.unread
    for file in contents.files:
        below.setdefault(file, file.relative_to(folder))


def _check_folder(output: str) -> None:
    """UsageError where several files cannot go into what `output` names."""
    if output == PIPE:
        raise UsageError("standard output takes one file, there are several: give a folder")
    folder = Path(output)
    named_so = folder.suffix.lower() in (FCI, *SUFFIXES, *VIDEO_SUFFIXES)
    if folder.exists() and not folder.is_dir() or named_so and not folder.exists():
        raise UsageError(f"several files need a folder, {output} is a file's name")


def _check_file(source: str, output: str, suffix: str) -> None:
    """UsageError where it is not clear that `output` is the name of one file."""
    if output != PIPE and not Path(output).suffix and not os.path.lexists(output):
        raise UsageError(
            f"{output} may be a folder or a file, for {source} is one file: a folder: end it with"
            f" {os.sep}; a file: end it in {suffix}"
        )


def _targets(unsuffixed: dict[Path, Path], suffix: str) -> dict[Path, str]:
    """Where each input goes: to a name with `suffix` in place of its own, or behind its own where
    the short name is not free. Names that differ in case alone are one name on some systems."""
    short = {path: _short(place, suffix) for path, place in unsuffixed.items()}
    long = {path: place.with_name(place.name + suffix) for path, place in unsuffixed.items()}
    chosen = dict(short)
    while True:
        taken = Counter(map(_key, chosen.values()))
        folders = {_key(folder) for place in chosen.values() for folder in place.parents}
        clashing = [
            path
            for path, place in chosen.items()
            if place != long[path]
            and (taken[_key(place)] > 1 or _key(place) in folders or place.is_dir())
        ]
        if not clashing:
            return {path: str(place) for path, place in chosen.items()}
        chosen.update((path, long[path]) for path in clashing)


def _short(place: Path, suffix: str) -> Path:
    """A name with another suffix; a.png.fci, which was a.png, becomes a.png again."""
    bare = place.with_suffix("")
    again = place.suffix.lower() == FCI and bare.suffix.lower() == suffix
    return bare if again else place.with_suffix(suffix)


def _key(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _check(targets: dict[Path, str]) -> None:
    sources = {path.resolve() for path in targets}
    taken: dict[str, Path] = {}
    for path, target in targets.items():
        if target == PIPE:
            continue
        if Path(target).resolve() in sources:
            raise UsageError(f"{target} is an input and would be overwritten; give another -o")
        other = taken.setdefault(target, path)
        if other != path:
            raise UsageError(f"{other} and {path} would both become {target}; name them apart")

"""What trials of many short trainings share: results kept run by run, verdicts, tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from flowcodec.errors import UsageError
from flowcodec.media.files import atomic_write
from flowcodec.training.engine import Training

Name = TypeVar("Name")
Source = TypeVar("Source")

CALIBRATION = (3, 8)  # steps to warm up, steps to measure


def begun(path: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """The figures in the file so far, or the given ones. UsageError if of another budget."""
    if not path.exists():
        return figures
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    if found.get("budget") != figures["budget"]:
        raise UsageError(f"{path} holds runs of another budget: give another --json")
    return found


def still_missing(
    done: Iterable[tuple[Name, int]], names: Iterable[Name], seeds: Iterable[int]
) -> list[tuple[Name, int]]:
    """What is not done of all names and seeds, in the order in which it is trained."""
    known = set(done)
    names = list(names)
    wanted = [(name, seed) for seed in seeds for name in names]
    return [one for one in wanted if one not in known]


def note_pictures(figures: dict[str, Any], noted: Mapping[str, int]) -> None:
    """Write down what is trained on; UsageError if earlier runs had something else."""
    if not noted["held_out"]:
        raise UsageError("no pictures are held out: give a folder with more of them")
    if figures["pictures"] not in (None, noted):
        raise UsageError("the runs so far had other pictures: give the same --data")
    figures["pictures"] = noted


def verdict(gain: float, spread: float, usual: float) -> str:
    """What a gain over another row is: "tie", "better" or "worse".

    A tie is a mean gain within the spread over the seeds, its own or the mean of all, whichever is
    larger. Two seeds may agree by chance; many pairs do not.
    """
    if abs(gain) <= max(usual, spread):
        return "tie"
    return "better" if gain > 0 else "worse"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def publish(text: str, markdown: Path | None) -> None:
    """Print the tables, and write them to a file where one is given."""
    print(text)
    if markdown is not None:
        with atomic_write(markdown) as file:
            file.write(text.encode() + b"\n")


def seconds_a_step(
    training: Training[Any, Any, Any, Source, Any],
    source: Source,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """What a step takes here, from the next ones of a training that has begun and is not kept."""
    warm_up, measured = CALIBRATION
    for _ in range(warm_up):
        training.train_step(source)
    begin = clock()
    for _ in range(measured):
        training.train_step(source)
    return (clock() - begin) / measured

"""Jobs of other processes: order, parts, errors, what ends the program, and what is held."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from flowcodec.codecs.workers import Alone, workers
from flowcodec.errors import FlowcodecError, UsageError


def tool(text="tool"):
    return text


def work(tool, job):
    """Parts of a job: its name, and whatever its words ask for."""
    name, *words = job
    yield f"{tool} {name}"
    for word in words:
        match word:
            case np.ndarray():
                yield word[::-1] * 2
            case "fail":
                raise UsageError(f"{name} failed")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "sleep":
                time.sleep(60)
            case Path():
                word.touch()
            case int():
                yield from range(word)


def broken():
    raise UsageError("no tool")


def told(parts):
    """The parts of a job, and its error behind them."""
    found = []
    try:
        for part in parts:
            found.append(part)
    except FlowcodecError as error:
        found.append(str(error))
    return found


JOBS = [("a",), ("b", 2, "fail"), ("c", 1), ("d", 0), ("e", "fail")]
TOLD = [["tool a"], ["tool b", 0, 1, "b failed"], ["tool c", 0], ["tool d"], ["tool e", "e failed"]]


def test_jobs_come_in_order_with_parts_and_errors():
    assert [told(parts) for parts in Alone("tool", work).do(JOBS)] == TOLD
    for most in (None, 3):
        with workers(2, tool, work) as crew:
            assert [told(parts) for parts in crew.do(JOBS, most)] == TOLD
            assert [told(parts) for parts in crew.do(JOBS[:1], most)] == TOLD[:1]


def test_arrays_travel_both_ways():
    frames = np.random.default_rng(0).integers(0, 256, (2, 300, 500, 3), np.uint8)
    with workers(2, tool, work) as crew:
        for number, parts in enumerate(crew.do(("x", frames[n], frames[:, 0]) for n in range(2))):
            _, whole, some = parts
            np.testing.assert_array_equal(whole, frames[number][::-1] * 2)
            np.testing.assert_array_equal(some, frames[::-1, 0] * 2)
            whole[0] = 1  # can be written


def test_jobs_are_taken_as_there_is_room():
    taken = []

    def jobs():
        for number in range(6):
            taken.append(number)
            yield (str(number),)

    with workers(2, tool, work) as crew:
        for number, parts in enumerate(crew.do(jobs(), 3)):
            list(parts)
            assert len(taken) == min(number + 3, 6)


def test_an_error_of_the_source_comes_when_what_was_taken_is_done():
    def jobs():
        yield from JOBS[:3]
        raise OSError("the source is gone")

    found = []
    with workers(2, tool, work) as crew, pytest.raises(OSError, match="source is gone"):
        for parts in crew.do(jobs(), 2):
            found.append(told(parts))
    assert found == TOLD[:3]


def test_what_ends_the_program_waits_for_nothing_but_takes_what_is_done(tmp_path):
    done = [tmp_path / name for name in "abd"]

    def jobs():
        yield ("a", done[0])
        yield ("b", done[1])
        yield ("c", "sleep")
        yield ("d", done[2])
        while not all(path.exists() for path in done):
            crew.attend()
            time.sleep(0.02)
        time.sleep(0.5)  # until the last of them has said so
        raise KeyboardInterrupt

    found = []
    with workers(2, tool, work) as crew, pytest.raises(KeyboardInterrupt):
        for parts in crew.do(jobs()):
            found.append(told(parts))
    assert found == [["tool a"], ["tool b"]]


def test_a_worker_that_dies_costs_its_job():
    with workers(2, tool, work) as crew:
        found = [told(parts) for parts in crew.do([("a", "die"), ("b",), ("c", "die"), ("d", 1)])]
    ended = "a worker was ended, most likely for want of memory; lower -j"
    assert found == [["tool a", ended], ["tool b"], ["tool c", ended], ["tool d", 0]]


@pytest.mark.parametrize(
    ("prepare", "error"),
    [(broken, "no tool"), (partial(os.abort), "a worker was ended, before it was ready")],
)
def test_an_error_before_the_first_job_ends_all(prepare, error):
    with workers(2, prepare, work) as crew, pytest.raises(FlowcodecError, match=error):
        next(crew.do(JOBS))


def test_workers_end_with_the_block():
    with workers(2, tool, work) as crew:
        next(next(crew.do([("a", "sleep"), ("b", "sleep")])))
        there = psutil.Process().children()
        assert sum("spawn_main" in " ".join(each.cmdline()) for each in there) == 2
    left = [each for each in psutil.Process().children() if each.is_running()]
    assert not any("spawn_main" in " ".join(each.cmdline()) for each in left)

"""Files of a wanted size, where size goes with quality in a way that the search does not know."""

import itertools
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.codecs.pace import ATTEMPTS, HIGHEST, LOWEST, NEAR, Aim
from flowcodec.errors import UsageError

GOP = 8


def size(busy, quality):
    """Bytes of a frame: not quite exponential."""
    return round(busy * 2 ** (0.65 * quality + 0.02 * quality**2))


def sizes(stretch, quality):
    alone, *rest = stretch
    return [8 * size(alone, quality), *(size(busy, quality) for busy in rest)]


def sampled(stretches, sizes=sizes):
    return lambda quality: [sizes(stretch, quality) for stretch in stretches]


def coded(pace, frames, sizes=sizes, aside=1):
    """The bytes of a video whose groups follow a pace, some of them coded side by side."""
    total = 0
    waiting = deque()
    for number, start in enumerate(range(0, len(frames), GOP)):
        group = frames[start : start + GOP]
        if len(waiting) == aside:
            pace.note(*waiting.popleft())
        found = sum(sizes(group, pace.quality(number, start)))
        waiting.append((found, len(group)))
        total += found
    for each in waiting:
        pace.note(*each)
    return total


def reached(aim, frames, sizes=sizes):
    """The bytes of the file that is taken, and how many it took."""
    for attempt in itertools.count(1):
        pace = aim.pace()
        total = coded(pace, frames, sizes)
        if aim.takes(total, pace):
            return total, attempt


@given(st.integers(0, 10**6), st.integers(1, 400), st.floats(0.1, 0.9))
def test_files_come_near_their_size(seed, count, place):
    random = np.random.default_rng(seed)
    scenes = random.uniform(20, 400, 1 + count // 40)
    frames = [float(scenes[n // 40] * random.uniform(0.8, 1.25)) for n in range(count)]
    lowest, highest = (
        sum(sum(sizes(frames[n : n + GOP], q)) for n in range(0, count, GOP))
        for q in (LOWEST, HIGHEST)
    )
    limit = round(lowest * (highest / lowest) ** place)
    stretches = [frames[count * part // 3 :][:6] for part in range(3)]
    total, attempts = reached(Aim.of(sampled(stretches), limit, count, GOP), frames)
    assert NEAR * limit <= total <= limit
    assert attempts <= ATTEMPTS


def test_a_size_below_the_lowest_quality_is_told_early():
    frames = [100.0] * 40
    limit = round(0.3 * sum(sum(sizes(frames[n : n + GOP], LOWEST)) for n in range(0, 40, GOP)))
    aim = Aim.of(sampled([frames[:6]]), limit, 40, GOP)
    with pytest.raises(UsageError, match=f"{limit:,} bytes: at quality 1, 16 of its 40 frames"):
        reached(aim, frames)


def test_a_size_above_the_highest_quality_gets_that():
    frames = [100.0] * 40
    highest = sum(sum(sizes(frames[n : n + GOP], HIGHEST)) for n in range(0, 40, GOP))
    aim = Aim.of(sampled([frames[:6]]), 3 * highest, 40, GOP)
    assert reached(aim, frames) == (highest, 1)


@pytest.mark.parametrize("jump", [1.0, 1.5, 3.0])
def test_a_limit_is_kept_where_size_hardly_follows(jump):
    """Sizes of steps: what the search wishes for is not to be had."""
    frames = [100.0] * GOP

    def stepped(stretch, quality):
        return sizes(stretch, LOWEST if quality < 4.5 else LOWEST + jump)

    limit = sum(stepped(frames, 8.0)) - 1
    total, _ = reached(Aim.of(sampled([frames[:6]], stepped), limit, GOP, GOP), frames, stepped)
    assert total == sum(stepped(frames, 1.0))

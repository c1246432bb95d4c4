"""Files of a wanted size, where size goes with quality in a way that the search does not know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcodec.codecs.pace import HIGHEST, LOWEST, Aim

GOP = 8


def size(busy, quality):
    """Bytes of a frame: not quite exponential."""
    return round(busy * 2 ** (0.65 * quality + 0.02 * quality**2))


def sizes(stretch, quality):
    alone, *rest = stretch
    return [8 * size(alone, quality), *(size(busy, quality) for busy in rest)]


def coded(aim, frames):
    """The bytes of a video whose groups follow the aim's pace."""
    pace, total = aim.pace(), 0
    for start in range(0, len(frames), GOP):
        group = frames[start : start + GOP]
        found = sum(sizes(group, pace.next()))
        pace.note(found, len(group))
        total += found
    return total


@given(st.integers(0, 10**6), st.integers(1, 400), st.floats(0.1, 0.9))
def test_files_come_near_their_size(seed, count, place):
    random = np.random.default_rng(seed)
    scenes = random.uniform(20, 400, 1 + count // 40)
    frames = [float(scenes[n // 40] * random.uniform(0.8, 1.25)) for n in range(count)]
    lowest, highest = (
        sum(sum(sizes(frames[n : n + GOP], q)) for n in range(0, count, GOP))
        for q in (LOWEST, HIGHEST)
    )
    target = lowest * (highest / lowest) ** place
    stretches = [frames[count * part // 3 :][:6] for part in range(3)]
    aim = Aim.of(sizes, stretches, target, count, GOP)
    for _ in range(3):
        total = coded(aim, frames)
        if aim.met(total):
            break
        aim.correct(total)
    assert total == pytest.approx(target, rel=0.05)


@pytest.mark.parametrize(("factor", "quality"), [(1e-3, LOWEST), (1e3, HIGHEST)])
def test_a_size_out_of_reach_gets_the_nearest_quality(factor, quality):
    frames = [100.0] * 40
    aim = Aim.of(sizes, [frames[:6]], factor * sum(sizes(frames, 4.0)), 40, GOP)
    pace = aim.pace()
    assert pace.next() == quality

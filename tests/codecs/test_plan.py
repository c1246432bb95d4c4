"""What is coded how, of rendered clips: cuts, flashes, fades, pans, repeats."""

import numpy as np
import pytest

from flowcodec.codecs.plan import Plan, Way, is_cut

ALONE, INTER, REPEAT = Way.ALONE, Way.INTER, Way.REPEAT
HEIGHT, WIDTH = 144, 240


def texture(seed, height=HEIGHT + 200, width=WIDTH + 400):
    """Noise of several sizes, brighter here and darker there."""
    rng = np.random.default_rng(seed)
    found = np.zeros((height, width, 3))
    for size in (4, 12, 40):
        small = rng.normal(0, 22, (-(-height // size), -(-width // size), 3))
        found += small.repeat(size, 0).repeat(size, 1)[:height, :width]
    return found + 60 + 20 * (seed % 5)


def shown(picture, right=0, down=0, noise=0):
    """A window of a picture, as a camera sees it."""
    window = picture[down:, right:][:HEIGHT, :WIDTH]
    rng = np.random.default_rng(right)
    return np.clip(np.rint(window + rng.normal(0, noise, window.shape)), 0, 255).astype(np.uint8)


def pan(picture, count, step, begin=0):
    return [shown(picture, begin + step * n, n, 1) for n in range(count)]


def planned(frames, gop=32, metric="mse", quality=4000):
    plan = Plan(enumerate(frames), gop, metric, lambda number, first: quality)
    return [[step for step, _ in group] for group in plan]


def lengths(frames, gop=32):
    return [len(group) for group in planned(frames, gop)]


A, B, C = (texture(seed) for seed in (1, 2, 4))


@pytest.mark.parametrize("step", [0, 1, 3, 7, 16, 24])
def test_clips_without_cuts_are_cut_by_length_alone(step):
    assert lengths(pan(A, 10, step), gop=4) == [4, 4, 2]


@pytest.mark.parametrize(("one", "other"), [(A, B), (B, C), (A, 255 - A)])
def test_a_cut_begins_a_group(one, other):
    frames = pan(one, 3, 2) + pan(other, 4, 2)
    assert lengths(frames) == [3, 4]
    assert lengths(frames, gop=2) == [2, 1, 2, 2]


def test_a_flash_stands_alone():
    still = pan(A, 6, 1)
    still[3] = np.clip(still[3].astype(int) + 110, 0, 255).astype(np.uint8)
    assert lengths(still) == [3, 1, 2]


def test_slow_fades_go_on():
    faded = [shown(A * (1 - part) + B * part) for part in np.linspace(0, 1, 13)]
    assert lengths(faded) == [13]
    dark = [shown(A * part) for part in np.linspace(1, 0, 16)]
    assert lengths(dark)[0] > 8


def test_repeats_are_told_from_inter_frames_and_never_begin_a_group():
    first, second = pan(A, 2, 2)
    (one, two) = planned([first, first, second, second, second], gop=4)
    assert [step.way for step in one] == [ALONE, REPEAT, INTER, REPEAT]
    assert [step.way for step in two] == [ALONE]


def test_each_frame_says_place_time_and_reference():
    groups = planned(pan(A, 5, 2), gop=3)
    assert [[step.place for step in group] for group in groups] == [[0, 1, 2], [0, 1]]
    assert [step.time for group in groups for step in group] == [0, 1, 2, 3, 4]
    assert [step.reference for step in groups[0]] == [None, 0, 1]


@pytest.mark.parametrize(
    ("metric", "gop", "wanted"),
    [
        ("mse", 1, [4000] * 3),
        ("mse", 3, [4700, 4035, 4070]),
        ("ms-ssim", 3, [5700, 4035, 4070]),
    ],
)
def test_qualities_follow_place_and_metric(metric, gop, wanted):
    groups = planned(pan(A, 3, 2), gop, metric)
    assert [step.quality for group in groups for step in group] == wanted
    best = planned(pan(A, 3, 2), gop, metric, 8000)
    assert {step.quality for group in best for step in group} == {8000}


def test_a_plan_needs_one_frame_more_than_it_tells():
    read, asked = [], []

    def frames():
        for number, frame in enumerate(pan(A, 7, 2)):
            read.append(number)
            yield number, frame

    def quality(number, first):
        asked.append((number, first, len(read)))
        return 4000

    plan = Plan(frames(), 3, "mse", quality)
    told = 0
    for group in plan:
        for _ in group:
            told += 1
            assert len(read) == told
        assert plan.ended == (told == 7)
    assert asked == [(0, 0, 1), (1, 3, 4), (2, 6, 7)]


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (16, 16), (17, 2000), (37, 53)])
def test_any_size_is_taken(size):
    black, white = (np.full((*size, 3), shade, np.uint8) for shade in (0, 255))
    assert is_cut(black, white) in (False, True)
    assert not is_cut(black, black)

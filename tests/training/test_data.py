"""Crops depend on seed and step alone; held-out pictures stay out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.training.data.crops import Crops, patches
from flowcodec.training.data.pictures import hold_out, load_pictures
from tests.training.pictures import draw


def test_a_step_sees_the_same_crops_whatever_came_before() -> None:
    pictures = [draw(seed) for seed in range(4)]
    straight, resumed = Crops(pictures, 1, 0.3), Crops(pictures, 1, 0.3)
    for step in range(5):
        last = straight.batch(step, 4, 64)
    np.testing.assert_array_equal(resumed.batch(4, 4, 64), last)
    assert (straight.batch(3, 4, 64) != last).any()
    assert (Crops(pictures, 2, 0.3).batch(4, 4, 64) != last).any()
    assert last.shape == (4, 3, 64, 64) and last.dtype == np.uint8


def test_crops_at_half_size_are_means_of_four_pixels() -> None:
    """On a ramp every pixel of a halved crop differs from its neighbour by two steps."""
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (128, 128, 3))
    for halve, slope in ((0.0, 1), (1.0, 2)):
        batch = Crops([ramp], 1, halve).batch(0, 8, 64).astype(int)
        gradients = np.abs(np.diff(batch, axis=3)).max((1, 2, 3)) + np.abs(
            np.diff(batch, axis=2)
        ).max((1, 2, 3))
        assert (gradients == slope).all()


def test_held_out_pictures_are_spread_and_never_trained_on() -> None:
    pictures = [np.full((64, 64, 3), i, np.uint8) for i in range(10)]
    training, held_out = hold_out(pictures, 3)
    assert [int(p[0, 0, 0]) for p in held_out] == [0, 3, 6]
    assert [int(p[0, 0, 0]) for p in training] == [1, 2, 4, 5, 7, 8, 9]


def test_one_picture_is_kept_for_training() -> None:
    training, held_out = hold_out([draw(0)], 12)
    assert (len(training), len(held_out)) == (1, 0)


def test_small_pictures_are_left_out_and_gray_ones_become_colour(tmp_path: Path) -> None:
    Image.fromarray(draw(0)).save(tmp_path / "large.png")
    Image.fromarray(draw(1)[:, :, 0]).save(tmp_path / "gray.png")
    Image.fromarray(draw(2)[:50]).save(tmp_path / "small.png")
    assert [p.shape for p in load_pictures(tmp_path, 64)] == [(128, 160, 3)] * 2
    with pytest.raises(UsageError, match="192"):
        load_pictures(tmp_path, 192)


def test_patches_are_channel_major_and_centred() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :, 1] = 255
    found = patches([picture], 16, 2, seed=1)
    assert found.shape == (2, 768)
    np.testing.assert_array_equal(
        found[0].reshape(3, 256), [[-0.5] * 256, [0.5] * 256, [-0.5] * 256]
    )

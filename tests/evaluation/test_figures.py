import dataclasses

import numpy as np
import pytest
from PIL import Image

from flowcodec.codecs.accounting import Account
from flowcodec.errors import UsageError
from flowcodec.evaluation import plot
from flowcodec.evaluation.figures import amplified, draw_latents, refinement_sheet
from tests.golden.make import draw


def account(rows=3, columns=5):
    maps = np.random.default_rng(1).uniform(1, 500, (4, rows, columns))
    return Account(*maps, {"header": 30, "tiles": 1000}, 16)


def test_equal_accounts_give_equal_drawings_and_every_map_counts(tmp_path):
    original, first = draw(40, 70), account()

    def drawing(**changes):
        path = tmp_path / "latents.png"
        draw_latents(path, "title", original, dataclasses.replace(first, **changes))
        return path.read_bytes()

    unchanged = drawing()
    assert drawing() == unchanged
    for name in ("energy", "y_bits", "z_bits", "other_bits"):
        assert drawing(**{name: np.flip(getattr(first, name))}) != unchanged


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1)])
@pytest.mark.parametrize("energy", [0, 7])
def test_flat_and_narrow_pictures_are_drawn(tmp_path, size, energy):
    maps = [np.full([-(-side // 16) for side in size], value) for value in (energy, 2.0, 0.5, 1.0)]
    draw_latents(tmp_path / "a.png", "title", draw(*size), Account(*maps, {"tiles": 9}, 16))
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 1800


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"flowcodec\[bench\]"):
        draw_latents(tmp_path / "a.png", "title", draw(40, 70), account())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("largest", "times"), [(0, 64), (1, 64), (3, 32), (31, 4), (127, 1)])
def test_differences_are_amplified_as_far_as_they_fit(largest, times):
    difference = np.zeros((50, 40, 3), np.int32)
    difference[:10], difference[10:20] = largest, -largest
    difference[0, 0] = 255
    pixels, found = amplified(difference)
    assert found == times
    assert (pixels[40:] == 128).all()
    assert (pixels[5] == 128 + times * largest).all()
    assert (pixels[15] == 128 - times * largest).all()


def test_the_refinement_is_shown_where_it_changes_most():
    original = draw(200, 300)
    before, teal = original // 2, (3, 141, 137)
    after = before.copy()
    after[150:160, 250:260] = teal
    sheet = np.asarray(refinement_sheet("photo", original, before, after))
    assert (sheet == teal).all(axis=2).sum() == 10 * 10 * 9  # in one of six cells

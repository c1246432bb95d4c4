"""Steps at borders of blocks are told apart from those inside."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from experiments import borders, held_out
from experiments.borders import dark, main, sky, smooth_parts, steps
from tests.training.pictures import draw_folder

FLAT = np.full((32, 96), 100.0)


def ratios(decoded: np.ndarray, original: np.ndarray) -> list[float]:
    sums, counts = steps(decoded, original)
    means = sums / counts
    return (means[:2] / means[2]).tolist()


def test_a_ramp_has_no_borders() -> None:
    assert ratios(FLAT + 0.5 * np.arange(96), FLAT) == [1, 1]


@pytest.mark.parametrize(("side", "expected"), [(16, [5, 1]), (8, [5, 5])])
def test_a_staircase_has_them(side: int, expected: list[float]) -> None:
    """Steps of 2.5 at its borders, of 0.5 inside."""
    at = np.arange(96)
    assert ratios(FLAT + 0.5 * at + 2 * (at // side), FLAT) == expected


def test_only_smooth_parts_count() -> None:
    rng = np.random.default_rng(0)
    picture = FLAT.copy()
    picture[:, 48:] += rng.normal(0, 30, (32, 48))
    smooth = smooth_parts(picture)
    assert smooth[:, :40].all() and not smooth[:, 56:].any()
    assert all(smooth_parts(scene().mean(2)).mean() > 0.99 for scene in (sky, dark))


def test_both_weights_are_judged(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "CROP", 64)
    monkeypatch.setattr(borders, "SIDE", 64)
    pictures = draw_folder(tmp_path / "pictures", 2)
    words = ["--data", str(pictures), "--weights", str(tiny_weights)]
    result = CliRunner().invoke(main, [*words, "--against", str(tiny_weights)])
    assert result.exit_code == 0
    rows = [line.split("│")[1:-1] for line in result.output.splitlines() if line.startswith("│")]
    assert [row[0].split() for row in rows[::3]] == [["sky"], ["dark"], ["held", "out"]]
    for row in rows:
        assert row[2] == row[3] and row[4] == row[5]

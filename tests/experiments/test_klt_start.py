"""The two starts of a training are compared fairly."""

import pytest

from experiments.klt_start import compare
from flowcodec.training.image_cnn import training
from tests.training.pictures import draw, tiny_recipe


def test_both_starts_run_at_equal_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "KLT_PATCHES", 3000)
    scenes = [draw(seed) for seed in range(5)]
    figures = compare(tiny_recipe(1), scenes[:3], scenes[3:], seconds=0.01, seeds=1)
    klt, other = figures["runs"]
    assert (klt["start"], other["start"]) == ("klt", "random")
    assert [at["step"] for at in klt["curve"]] == [at["step"] for at in other["curve"]]
    assert klt["curve"][-1]["step"] == figures["steps"]
    assert klt["curve"][0]["psnr"][7] > other["curve"][0]["psnr"][7] + 10
    assert [gain["psnr_gain_db"] > 5 for gain in figures["klt_against_random"]] == [True]

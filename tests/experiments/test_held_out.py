"""Weights against others on held-out pictures: the figures are what they are called."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from experiments import held_out
from experiments.held_out import Measured, compare, main
from flowcodec.quality import lambdas_of
from tests.training.pictures import draw_folder


def curve(rate: float) -> Measured:
    psnr = np.linspace(25, 40, 8)
    bpp = rate * np.exp((psnr - 30) / 6)
    return {
        "weights": "",
        "quality": list(range(1, 9)),
        "bpp": bpp.tolist(),
        "psnr": psnr.tolist(),
        "objective": bpp.tolist(),
    }


@pytest.mark.parametrize("metric", ["mse", "yuv"])
def test_a_tenth_fewer_bytes_is_a_tenth_in_every_range(metric: str) -> None:
    assert compare(curve(0.9), curve(1.0), metric)["bd_rate"] == {
        "all": -10.0,
        "low": -10.0,
        "mid": -10.0,
        "high": -10.0,
    }


def test_weights_are_judged_on_what_a_training_holds_out(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "CROP", 64)
    pictures = draw_folder(tmp_path / "pictures", 2)
    words = ["--data", str(pictures), "--weights", str(tiny_weights), "--threads", "1"]
    target = tmp_path / "held-out.json"
    words += ["--against", str(tiny_weights), "--json", str(target)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert "objective" in result.output and "BD-rate, high (33.5 to 36 dB)" in result.output
    ours, theirs = json.loads(target.read_text())["runs"]
    assert ours == theirs
    lambdas = np.array([0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800])
    errors = (np.array(ours["objective"]) - ours["bpp"]) / lambdas
    assert errors == pytest.approx(255**2 * 10 ** (-np.array(ours["psnr"]) / 10), rel=1e-6)


def test_weights_for_420_judge_others_by_its_planes(
    tmp_path: Path, tiny_weights: Path, tiny_yuv_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "CROP", 64)
    target = tmp_path / "held-out.json"
    words = ["--data", str(draw_folder(tmp_path / "pictures", 2)), "--json", str(target)]
    words += ["--weights", str(tiny_yuv_weights), "--against", str(tiny_weights)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert "BD-rate, high (36.5 to 39 dB)" in result.output
    ours, theirs = json.loads(target.read_text())["runs"]
    for run in (ours, theirs):
        errors = (np.array(run["objective"]) - run["bpp"]) / np.array(lambdas_of("yuv"))
        above = run["psnr"] + 10 * np.log10(errors)  # colour counts less there
        assert ((above > 0) & (above < 3)).all()
    assert ours != theirs

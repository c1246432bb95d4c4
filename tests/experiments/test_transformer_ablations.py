"""Table 7.7: configurations that differ in what their names say, and what is made of runs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from experiments import ablations
from experiments.ablations import Run, train
from experiments.transformer_ablations import PRINTED, judge, main, recipe, tables
from flowcodec.training.image_transformer.recipe import ImageTransformerRecipe
from tests.training.pictures import draw

BPP = [0.1 * 1.3**index for index in range(8)]


def made_up(gains: dict[str, float]) -> list[Run]:
    """Two runs of every configuration, so many dB above a line for each word of its name."""
    return [
        {
            "blocks": name,
            "seed": seed,
            "seconds_a_step": 0.1,
            "curve": {  # type: ignore[typeddict-unknown-key]
                "step": 9,
                "bpp": BPP,
                "psnr": [25 + i + sum(gains.get(w, 0) for w in name.split(", ")) for i in range(8)],
                "ms_ssim_db": [10.0 + i + 0.01 * seed * len(name) for i in range(8)],
            },
        }
        for seed in (1, 2)
        for name in PRINTED
    ]


def test_the_eight_configurations_differ_in_what_their_names_say() -> None:
    plans = [msgspec.to_builtins(recipe(name, 2, 800)) for name in PRINTED]
    switches = [plan.pop("switches") for plan in plans]
    assert all(plan == plans[0] for plan in plans)
    assert len({(s["first_half"], s["reduction"], s["blocks_at_16"]) for s in switches}) == 8


def test_a_run_is_judged_by_psnr_and_ms_ssim() -> None:
    pictures = [draw(seed, 256, 256) for seed in range(3)]
    plan = recipe("CGAM, MHSRSA, 6", 1, 80)
    run = train("CGAM, MHSRSA, 6", plan, pictures, pictures[:1], judge=judge)
    curve: Any = run["curve"]
    assert curve["step"] == 10
    assert len(curve["psnr"]) == len(curve["ms_ssim_db"]) == 8 and min(curve["ms_ssim_db"]) > 0


def test_what_each_factor_adds() -> None:
    found = tables(made_up({"CGAM": 0.5, "MHSRSA": -0.25}), 2)
    psnr = {one["of"]: (round(one["mean_db"], 2), one["verdict"]) for one in found["psnr"]}
    assert psnr["CGAM"] == (0.5, "better")
    assert psnr["MHSRSA"] == (-0.25, "worse")
    assert psnr["6"] == (0, "tie")
    assert psnr["CGAM, MHSRSA, 6"] == (0.25, "better")


def test_the_command_prints_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = made_up({"CGAM": 0.5})

    def trained(name: str, plan: ImageTransformerRecipe, *rest: Any) -> Run:
        return next(run for run in done if (run["blocks"], run["seed"]) == (name, plan.seed))

    monkeypatch.setattr(ablations, "train", trained)
    monkeypatch.setattr(ablations, "load_pictures", lambda *_: [draw(0, 260, 270)] * 5)
    target = tmp_path / "out.json"
    words = ["--data", "pictures", "--json", str(target)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "| CGAM against masked | +0.50 | 0.00 | better |" in result.output
    assert "| 16.7 / 27.3 | 40.72 / 27.41 |" in result.output
    again = CliRunner().invoke(main, ["--json", str(target)], catch_exceptions=False)
    assert again.output in result.output

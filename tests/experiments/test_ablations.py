"""Ablations: equal budgets, runs that are kept, and verdicts that follow the spread."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from experiments import ablations
from experiments.ablations import Run, begun, configurations, recipe, tables, train
from flowcodec.errors import UsageError
from flowcodec.training.image_cnn.recipe import ImageRecipe
from tests.training.pictures import draw

BPP = [0.1 * 1.3**index for index in range(8)]


def made_up(gains: dict[str, tuple[float, float]]) -> list[Run]:
    """Two runs of every configuration on parallel curves, so many dB above a line."""
    return [
        {
            "blocks": name,
            "seed": seed,
            "seconds_a_step": 0.1,
            "curve": {
                "step": 9,
                "bpp": BPP,
                "psnr": [25 + index + gains.get(name, (0, 0))[seed - 1] for index in range(8)],
            },
        }
        for seed in (1, 2)
        for name in configurations()
    ]


def test_the_ten_configurations_differ_in_their_blocks_alone() -> None:
    assert len(set(configurations())) == 10
    assert ablations.PRINTED_7_5.keys() | ablations.PRINTED_7_6.keys() == set(configurations())
    plans = [msgspec.to_builtins(recipe(name, 2, 20_000)) for name in configurations()]
    switches = [plan.pop("switches") for plan in plans]
    assert all(plan == plans[0] for plan in plans)
    blocks = {(s["attention"], s["components"], s["refinement"]) for s in switches}
    assert len(blocks) == 10
    crops = sum(stage["steps"] * stage["batch"] for stage in plans[0]["stages"])
    assert crops == 20_000


def test_a_run_can_be_repeated() -> None:
    pictures = [draw(seed) for seed in range(3)]
    first, second = (recipe("aab+gmb+dirb", seed, 100) for seed in (1, 2))
    runs = [train("aab+gmb+dirb", first, pictures, pictures[:1]) for _ in range(2)]
    assert runs[0]["curve"] == runs[1]["curve"]
    assert runs[0]["curve"]["step"] == recipe("none", 1, 100).total_steps
    assert train("aab+gmb+dirb", second, pictures, pictures[:1])["curve"] != runs[0]["curve"]


def test_gains_verdicts_and_effects() -> None:
    found = tables(
        made_up(
            {
                "aab": (0.5, 0.6),
                "nlam": (0.1, -0.1),
                "cheng": (-0.4, -0.4),
                "aab+dirb": (0.5, 0.6),
                "aab+gmb": (0.5, 0.6),
                "aab+gmb+dirb": (0.5, 0.6),
            }
        ),
        seeds=2,
    )
    pairs = {(pair["of"], pair["against"]): pair for pair in found["pairs"]}
    aab = pairs["aab", "none"]
    assert aab["gain_db"] == pytest.approx([0.5, 0.6], abs=1e-3)
    assert (aab["mean_db"], aab["spread_db"]) == pytest.approx((0.55, 0.1), abs=1e-3)
    assert aab["verdict"] == "better"
    assert all(rate < 0 for rate in aab["bd_rate_percent"])
    assert pairs["nlam", "none"]["verdict"] == "tie"
    assert pairs["cheng", "none"]["verdict"] == "worse"
    assert pairs["gmb", "none"]["verdict"] == "tie"
    assert pairs["aab", "cheng"]["mean_db"] == pytest.approx(0.95, abs=1e-3)
    verdicts = {one["of"]: (one["mean_db"], one["verdict"]) for one in found["blocks"]}
    assert verdicts["aab"] == (pytest.approx(0.55, abs=1e-3), "better")
    assert verdicts["gmb"] == verdicts["dirb"] == (0, "tie")


def run_command(*words: str) -> str:
    result = CliRunner().invoke(ablations.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_goes_on_and_then_needs_no_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = made_up({"aab": (0.5, 0.6)})
    asked: list[tuple[str, int]] = []

    def trained(name: str, plan: ImageRecipe, *rest: Any) -> Run:
        seed = plan.seed
        asked.append((name, seed))
        if len(asked) == 8:
            raise RuntimeError("killed")
        return next(run for run in done if (run["blocks"], run["seed"]) == (name, seed))

    monkeypatch.setattr(ablations, "train", trained)
    monkeypatch.setattr(ablations, "load_pictures", lambda *_: [draw(0, 260, 270)] * 5)
    target, markdown = tmp_path / "out.json", tmp_path / "out.md"
    words = ["--data", "pictures", "--json", str(target), "--markdown", str(markdown)]
    with pytest.raises(RuntimeError, match="killed"):
        run_command(*words)
    assert len(json.loads(target.read_text())["runs"]) == 7
    text = run_command(*words)
    assert len(asked) == 8 + 13
    assert "| aab | +0.55 | 0.10 | better |" in text
    assert "20000 crops" in text
    assert "| 32.98 at 0.208 |" in text
    assert markdown.read_text() in text + "\n"

    assert run_command("--json", str(target)).strip().splitlines()[-1] in text
    assert len(asked) == 21
    with pytest.raises(UsageError, match="another budget"):
        begun(target, 10_000)

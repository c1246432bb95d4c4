"""Ablations of DeepPyNet: rows that differ in their switches alone, kept runs, verdicts."""

import dataclasses
import json
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from experiments import flow_ablations
from experiments.flow_ablations import (
    FULL,
    HELD_OUT_SEED,
    LEFT,
    PIXELS,
    PRINTED_7_8,
    PRINTED_7_9,
    ROWS,
    TABLE_7_8,
    TABLE_7_9,
    Row,
    Run,
    as_markdown,
    errors,
    fresh,
    recipe,
    tables,
    train,
)
from experiments.trials import begun
from flowcodec.errors import UsageError
from flowcodec.training.data.scenes import Scenes
from flowcodec.training.flow_deeppynet.training import FlowTraining
from tests.training.pictures import draw, draw_folder

PICTURES = {"training": 5, "pixels": 5 * 128 * 160, "held_out": 5}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the processes of the command: results do not depend on the cores of the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made_up(errors: dict[Row, tuple[float, float]]) -> list[Run]:
    """Two runs of every row, with these errors, else 3 pixels."""
    return [
        {
            "row": row.name,
            "seed": seed,
            "seconds_a_step": 0.2,
            "epe": dict.fromkeys(PIXELS, errors.get(row, (3.0, 3.0))[seed - 1]),
        }
        for seed in (1, 2)
        for row in ROWS
    ]


def test_rows_differ_in_pyramids_and_modulation_alone(tmp_path: Path) -> None:
    assert (len(TABLE_7_8), len(TABLE_7_9), len(ROWS)) == (9, 8, 16)
    assert TABLE_7_8[-1] == TABLE_7_9[-1] == FULL
    assert len({row.name for row in ROWS}) == 16
    assert set(PRINTED_7_8) <= set(TABLE_7_8)
    assert list(PRINTED_7_9) == TABLE_7_9
    plans = [msgspec.to_builtins(recipe(row, 2, 600)) for row in ROWS]
    switches = [plan.pop("switches") for plan in plans]
    assert all(plan == plans[0] for plan in plans)
    compared = ("pyramids", "modulation", "modulated")
    kept = [{key: of[key] for key in of if key not in compared} for of in switches]
    assert all(one == kept[0] for one in kept)
    config = FlowTraining(recipe(Row(3, "both", (1, 2)), 1, 1), tmp_path).model.config
    assert (
        dataclasses.asdict(config).items()
        >= {
            "pyramids": 3,
            "modulation": "both",
            "modulated": (1, 2),
        }.items()
    )


def test_without_modulation_the_last_pyramid_stands_alone(tmp_path: Path) -> None:
    """What the notes of table 7.8 say of its rows."""
    alone, last = (
        FlowTraining(recipe(row, 1, 1), tmp_path).model for row in (LEFT, Row(3, "none"))
    )
    weights = alone.state_dict()
    last.load_state_dict(
        {
            name: weights[name.replace("pyramids.pyramids.2", "pyramids.pyramids.0")]
            if not name.startswith(("pyramids.pyramids.0", "pyramids.pyramids.1"))
            else value
            for name, value in last.state_dict().items()
        }
    )
    first, second = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(last(first, second), alone(first, second))


def test_errors_are_means_over_the_pixels_of_all_scenes(tmp_path: Path) -> None:
    photographs = [torch.from_numpy(draw(seed).transpose(2, 0, 1).copy()) for seed in range(3)]
    scenes = [Scenes(photographs, HELD_OUT_SEED).scene(index, 96, 128) for index in range(5)]

    class Still(FlowTraining):
        def flow(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1, 2, *first.shape[2:])

    found = errors(Still(recipe(LEFT, 1, 1), tmp_path), scenes)
    length = np.stack([np.linalg.norm(scene.flow[0].numpy(), axis=0) for scene in scenes])
    seen = ~np.stack([scene.occluded[0].numpy() for scene in scenes])
    expected = {
        "all": length.mean(),
        "visible": length[seen].mean(),
        "slow": length[length < 3].mean(),
    }
    assert found == pytest.approx(expected, abs=1e-3)


def test_verdicts_follow_the_spread() -> None:
    lowest, level_1, level_2 = Row(2, "both"), Row(3, "both", (1,)), Row(3, "both", (2,))
    runs = made_up(
        {
            lowest: (2.4, 2.5),
            Row(2, "maf"): (2.8, 3.2),
            level_1: (3.4, 3.5),
            level_2: (2.8, 3.2),
        }
    )
    found = tables(runs, [1, 2])
    pairs = {(one["of"], one["against"]): one for one in found["7.8"]}
    assert len(pairs) == 8
    better = pairs[lowest.name, "left+middle"]
    assert (better["gain"], better["mean"], better["spread"]) == ([0.6, 0.5], 0.55, 0.1)
    assert better["verdict"] == "better"
    assert pairs[FULL.name, lowest.name]["verdict"] == "worse"
    assert pairs[Row(2, "maf").name, "left+middle"]["verdict"] == "tie"
    assert pairs["left+middle", "left"]["verdict"] == "tie"
    assert len(found["7.9"]) == 28
    assert found["rows"][0].items() >= {"row": "left", "spread": dict.fromkeys(PIXELS, 0)}.items()

    text = as_markdown({**fresh(600), "pictures": PICTURES, "tables": found})
    assert "| left+middle | both | 2.450 (0.100) |" in text
    assert "| 0.78 / 2.67 / 3.67 |" in text
    assert "| 1+2+3+4 | 3.000 (0.000) |" in text
    assert "| 0.83 / 1.31 / 2.32 |" in text
    assert "600 steps of 4 generated scenes of 128x96 from 5 photographs" in text
    assert "2 of 8 differences: left+middle, both at 2+3+4 is better than left+middle by 0.55" in (
        text
    )
    assert "1 of 7 differences: 1 is worse than 2+3+4 by 0.450." in text
    # Level 1 is worse than every other, as it is for the thesis on Sintel final alone.
    assert "Of all 28 pairs of rows 7 differ beyond the spread" in text
    assert "3 on Chairs, 5 on Sintel clean, 7 on Sintel final." in text


def run_command(*words: str) -> str:
    result = CliRunner().invoke(flow_ablations.main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_goes_on_and_then_needs_no_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = made_up({LEFT: (3.5, 3.6)})
    asked: list[tuple[str, int]] = []
    kept = 7
    killing = True

    def trained(name: str, seed: int, *rest: Any) -> Run:
        if killing and len(asked) == kept:
            for _ in range(1000):
                if target.exists() and len(json.loads(target.read_text())["runs"]) == kept:
                    raise RuntimeError("killed")
                time.sleep(0.01)
            raise AssertionError("runs that have ended are not in the file")
        asked.append((name, seed))
        return next(run for run in done if (run["row"], run["seed"]) == (name, seed))

    @contextmanager
    def threads(jobs: int) -> Iterator[Executor]:
        pool = ThreadPoolExecutor(1)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)

    monkeypatch.setattr(flow_ablations, "train", trained)
    monkeypatch.setattr(flow_ablations, "counted", lambda _: PICTURES)
    monkeypatch.setattr(flow_ablations, "workers", threads)
    target, markdown = tmp_path / "out.json", tmp_path / "out.md"
    words = ["--data", "photographs", "--json", str(target), "--markdown", str(markdown)]
    with pytest.raises(RuntimeError, match="killed"):
        run_command(*words)
    killing = False
    text = run_command(*words)
    assert len(asked) == len(set(asked)) == 32
    assert "| left | none | 3.550 (0.100) |" in text
    assert markdown.read_text() == text

    assert run_command("--json", str(target)) == text
    assert len(asked) == 32
    with pytest.raises(UsageError, match="32 runs are missing"):
        run_command("--json", str(target), "--seeds", "3,4")
    with pytest.raises(UsageError, match="another budget"):
        begun(target, fresh(100))


def test_processes_train_what_this_one_trains(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photographs")
    missing = [(LEFT.name, 1), (FULL.name, 2)]
    runs = [run for run in made_up({}) if (run["row"], run["seed"]) not in missing]
    target = tmp_path / "out.json"
    target.write_text(json.dumps({**fresh(2), "runs": runs}))
    run_command(
        *("--data", str(folder), "--steps", "2", "--jobs", "2", "--json", str(target)),
    )
    found = json.loads(target.read_text())
    assert found["pictures"] == PICTURES
    ours = {(run["row"], run["seed"]): run["epe"] for run in found["runs"]}
    assert len(ours) == 32
    assert ours[FULL.name, 2] == train(FULL.name, 2, 2, folder)["epe"]


@pytest.mark.parametrize("seeds", ["1", "1,x", "1,1", "1,-2"])
def test_seeds_are_two_or_more(seeds: str) -> None:
    result = CliRunner().invoke(flow_ablations.main, ["--json", "out.json", "--seeds", seeds])
    assert result.exit_code == 2
    assert "two numbers from 0 up" in result.output


def test_the_command_prints_the_tables_of_the_docs(tmp_path: Path) -> None:
    """The networks of the kept runs are those that it would train today."""
    docs, kept = Path(__file__).parents[2] / "docs", tmp_path / "kept.json"
    kept.write_bytes((docs / "flow-ablations.json").read_bytes())
    printed = run_command("--json", str(kept), "--steps", "600", "--seeds", "1,2")
    assert printed == (docs / "flow-ablations.md").read_text("utf-8")

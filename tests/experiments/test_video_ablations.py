"""The command of fig. 4: every system is trained, judged, and compared with the complete one."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments import video_ablations
from experiments.video_ablations import SYSTEMS, against, gains, main


def test_all_systems_of_both_seeds_and_no_run_twice(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(video_ablations, "PRIOR_STEPS", 1)
    monkeypatch.setattr(video_ablations, "QUALITIES", (2.0, 6.0))
    monkeypatch.setattr(video_ablations, "CROP", 64)
    out, words = tmp_path / "out.json", ["--steps", "2", "--more", "2", "--held-out", "1"]
    words += ["--json", str(out), "--markdown", str(tmp_path / "out.md")]
    result = CliRunner().invoke(main, ["--data", str(clips), *words])
    assert result.exit_code == 0, result.output
    told = json.loads(out.read_text("utf-8"))
    assert [run["seed"] for run in told["runs"]] == [1, 2]
    for run in told["runs"]:
        assert set(run["curves"]) == set(SYSTEMS)
        assert run["curves"]["skip only"]["bpp"][1] < run["curves"]["complete"]["bpp"][1]
    text = (tmp_path / "out.md").read_text("utf-8")
    assert all(f"| {system} |" in text for system in SYSTEMS)

    monkeypatch.setattr(video_ablations, "trained", None)
    again = CliRunner().invoke(main, ["--data", str(clips), *words])
    assert again.exit_code == 0, again.output
    assert json.loads(out.read_text("utf-8")) == told


def test_gains_are_of_one_seed_against_itself():
    complete = {"bpp": [0.1, 0.2, 0.4], "psnr": [30.0, 33.0, 36.0]}
    dearer = {"bpp": [0.15, 0.3, 0.6], "psnr": [30.0, 33.0, 36.0]}
    flat = {"bpp": [0.1, 0.2, 0.3], "psnr": [30.0, 30.1, 30.2]}
    assert against(dearer, complete) == pytest.approx(50, abs=0.1)
    assert against(flat, complete) is None
    curves = dict.fromkeys(SYSTEMS, dearer) | {"complete": complete, "skip only": flat}
    found = gains([{"seed": 1, "seconds": 1, "curves": curves}] * 2)
    assert found["CodecNet only"]["mean"] == pytest.approx(50, abs=0.1)
    assert found["CodecNet only"]["spread"] == 0
    assert found["skip only"]["mean"] is None


def test_the_command_prints_the_table_of_the_docs(tmp_path):
    docs, kept = Path(__file__).parents[2] / "docs", tmp_path / "kept.json"
    kept.write_bytes((docs / "video-ablations.json").read_bytes())
    result = CliRunner().invoke(main, ["--json", str(kept)])
    assert result.exit_code == 0, result.output
    assert result.output == (docs / "video-ablations.md").read_text("utf-8")

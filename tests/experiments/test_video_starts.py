"""The command that compares starts: every start of every seed at the same cost, none run twice."""

import json
from pathlib import Path

from click.testing import CliRunner

from experiments import trials, video_ablations, video_starts
from experiments.video_starts import STARTS, main
from flowcodec.training.video_mofnet import training


def test_every_start_is_trained_once_and_judged(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "START_BATCHES", 1)
    monkeypatch.setattr(trials, "CALIBRATION", (0, 1))
    monkeypatch.setattr(video_starts, "PRIOR_STEPS", 1)
    monkeypatch.setattr(video_starts, "CROP", 64)
    monkeypatch.setattr(video_starts, "SHOWN", (0, 1))
    monkeypatch.setattr(video_ablations, "QUALITIES", (2.0, 6.0))
    out, words = tmp_path / "out.json", ["--seconds", "0", "--held-out", "1", "--seeds", "1,2"]
    words += ["--json", str(out), "--markdown", str(tmp_path / "out.md")]
    result = CliRunner().invoke(main, ["--data", str(clips), *words])
    assert result.exit_code == 0, result.output
    told = json.loads(out.read_text("utf-8"))
    assert [run["start"] for run in told["runs"]] == [*STARTS, *STARTS]
    first = {run["start"]: run["curves"][0] for run in told["runs"]}
    assert first["flow and KLT"]["psnr"][1] > first["three phases"]["psnr"][1] + 5
    assert all(run["curves"][0]["step"] == 0 for run in told["runs"])
    assert all(run["curves"][-1]["step"] >= 2 for run in told["runs"])
    assert {found["over"] for found in told["gains"]} == set(STARTS[:2])

    monkeypatch.setattr(video_starts, "trained", None)
    again = CliRunner().invoke(main, ["--data", str(clips), *words])
    assert again.exit_code == 0, again.output
    assert json.loads(out.read_text("utf-8")) == told


def test_the_command_prints_the_table_of_the_docs(tmp_path):
    docs, kept = Path(__file__).parents[2] / "docs", tmp_path / "kept.json"
    kept.write_bytes((docs / "video-starts.json").read_bytes())
    result = CliRunner().invoke(main, ["--json", str(kept), "--seconds", "400"])
    assert result.exit_code == 0, result.output
    assert result.output == (docs / "video-starts.md").read_text("utf-8")

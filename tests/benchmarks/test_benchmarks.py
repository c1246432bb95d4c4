"""`make bench` runs through with any weights, and its figures hang together."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import resident
from benchmarks.pictures import mosaic
from benchmarks.stopwatch import Stopwatch
from flowcodec.media.video import open_video
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.training.pictures import draw, draw_folder

ROOT = Path(__file__).parents[2]


def test_bench_writes_its_figures(tmp_path: Path, tiny_weights: Path) -> None:
    pictures = draw_folder(tmp_path / "pictures", 1)
    target = tmp_path / "bench.json"
    words = ["--data", str(pictures), "--weights", str(tiny_weights), "--json", str(target)]
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "--repeat", "1", "--threads", "1", *words],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    figures = json.loads(target.read_text())
    assert [row["codec"] for row in figures["coding"]] == ["flowcodec", "AVIF", "WebP"]
    ours, *others = figures["coding"]
    for row in others:
        expected = ours["encode_seconds"] / row["encode_seconds"]
        assert row["encode_ratio"] == pytest.approx(expected)
    for shares in figures["shares"].values():
        assert sum(shares.values()) == pytest.approx(1)
        stages = ("synthesis", "prior: networks", "prior: tables", "entropy coding", "file")
        assert all(shares[stage] > 0 for stage in stages)
    assert figures["shares"]["encode"]["analysis"] > 0
    assert figures["shares"]["decode"]["analysis"] == 0
    commands = {row["command"]: row for row in figures["processes"]}
    assert list(commands) == ["flowcodec --help", "flowcodec info", "flowcodec decode"]
    help_peak = commands["flowcodec --help"]["peak_bytes"]
    assert 5e6 < help_peak < commands["flowcodec decode"]["peak_bytes"]


def test_peaks_are_those_of_the_command_alone() -> None:
    """One child fills 200 MB more than the other."""
    peaks = []
    for megabytes in (0, 200):
        program = f"x = b'1' * {megabytes * 10**6}"
        words = [sys.executable, "-m", "benchmarks.measured", sys.executable, "-c", program]
        run = subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
        peaks.append(json.loads(run.stdout)["peak_bytes"])
    assert peaks[1] - peaks[0] == pytest.approx(200e6, rel=0.1)


def test_memory_is_looked_at_after_so_many_frames(tmp_path: Path) -> None:
    source, coded, decoded = (tmp_path / name for name in ("a.y4m", "a.fcv", "b.y4m"))
    rng = np.random.default_rng(0)
    with create_video(source, usual_format(64, 64, Fraction(25))) as video:
        for _ in range(5):
            video.write(rng.integers(0, 256, (64, 64, 3), np.uint8))
    for words in (["encode", str(source), str(coded)], ["decode", str(coded), str(decoded)]):
        run = CliRunner().invoke(resident.main, [*words, "--threads", "1", "--after", "2"])
        found = json.loads(run.stdout)
        assert list(found) == ["2"]
        assert 0 < found["2"]["resident_bytes"] <= found["2"]["peak_bytes"] * 1.01
    with open_video(decoded) as video:
        assert len(list(video.timed)) == 5


def test_a_stopwatch_counts_nested_stages_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Work:
        def outer(self) -> None:
            self.inner()

        def inner(self) -> None:
            pass

    ticks = iter([0, 1, 3, 7, 15, 31])
    monkeypatch.setattr("benchmarks.stopwatch.time.perf_counter", lambda: next(ticks))
    watch = Stopwatch()
    watch.watch("a", Work, "outer")
    watch.watch("b", Work, "inner")
    with watch:
        Work().outer()
    assert watch.seconds == {"rest": 1 + 16, "a": 2 + 8, "b": 4}
    Work().outer()  # unwatched again: the clock has no tick left


def test_the_large_picture_has_no_edges_of_its_own() -> None:
    picture = draw(0, 20, 30)
    large = mosaic(picture, 70, 100)
    assert large.shape == (70, 100, 3)
    assert (large[:20, :30] == picture).all()
    assert (large[20:40, :30] == picture[::-1]).all()

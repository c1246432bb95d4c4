"""Two checkouts are timed beside each other."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import against
from benchmarks.against import Checkout, main, summary, videos
from flowcodec.errors import FlowcodecError
from tests.training.pictures import draw, draw_folder

ROOT = Path(__file__).parents[2]


def test_a_checkout_against_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "EACH", 1)
    monkeypatch.setattr(against, "CORES", 1)
    pictures = draw_folder(tmp_path / "pictures", 1)
    words = [str(ROOT), "--data", str(pictures), "--no-video", "--rounds", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    for what in ("encode a picture, warm", "decode a picture, warm", "decode, s", "--help, s"):
        assert what in result.output


def test_what_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(FlowcodecError, match="is no checkout of flowcodec"):
        Checkout(tmp_path, tmp_path / "work")
    with pytest.raises(FlowcodecError, match="no-such-command"):
        Checkout(ROOT, tmp_path / "work").run("no-such-command")


def test_videos_take_all_cores_where_a_checkout_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both start in 2 seconds; one takes 4 frames a second, with -j, the other one."""
    asked = []

    def run(tree: Checkout, *words: str) -> float:
        this, parallel = tree.folder.name == "this", "-j" in words
        if parallel and not this:
            raise FlowcodecError("-j is for pictures")
        asked.append((this, parallel, "--threads" in words))
        return 2 + frames_of(words) / (4 if this else 1)

    monkeypatch.setattr(Checkout, "run", run)
    monkeypatch.setattr(against, "SMALL", (32, 32))
    trees = tuple(Checkout(ROOT, tmp_path / name) for name in ("this", "other"))
    found = {what: summary(pairs) for what, pairs in videos(trees, draw(1), 2).items()}
    for what in ("encode", "decode"):
        row = found[f"{what} a video, frames a second"]
        assert row == {
            "this": pytest.approx(4),
            "other": pytest.approx(1),
            "ratio": pytest.approx(4),
        }
        assert found[f"{what} 48 frames, s"]["ratio"] == pytest.approx(14 / 50)
    assert set(asked) == {(True, True, False), (False, False, True)}


def frames_of(words: Sequence[str]) -> int:
    """Of the video that a command codes or decodes."""
    return int(words[1].partition(".")[0])


def test_ratios_are_taken_round_by_round() -> None:
    found = summary([(1.0, 2.0), (10.0, 20.0), (3.0, 2.0)])
    assert found == {"this": 3.0, "other": 2.0, "ratio": 0.5}

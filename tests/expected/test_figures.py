"""The bundled weights compress as well as they did, and see motion as well."""

import json

import numpy as np
import pytest

from benchmarks.curves import Bundled, bundled
from tests.expected.compare import changes
from tests.expected.make import FIGURES, key, measured, photographs
from tests.expected.scene import Scene

STORE = "python -m tests.expected.make stores new figures"
STORED = json.loads(FIGURES.read_text("utf-8"))


def test_figures_of_all_bundled_weights_are_stored() -> None:
    assert list(STORED) == [key(weights) for weights in bundled()], STORE


@pytest.mark.parametrize("weights", bundled(), ids=key)
def test_nothing_is_lost(weights: Bundled) -> None:
    pytest.importorskip("skimage")
    stored = STORED[key(weights)]
    assert stored["weights"] == weights.weights, f"these are other weights: {STORE}"
    told = list(changes(measured(weights), stored, key(weights)))
    assert not told, "\n".join([*told, f"If that is meant: {STORE}, to be committed with it"])


CURVE = {
    "qualities": [1.5, 4.0, 7.0],
    "bytes": [1000, 3000, 9000],
    "psnr": [28.0, 32.0, 37.0],
    "ms-ssim": [0.95, 0.98, 0.99],
}


def told(**changed: object) -> list[str]:
    return list(changes({"a": {**CURVE, **changed}}, {"a": CURVE}, "model, mse"))


def test_little_is_not_told() -> None:
    assert told(bytes=[1005, 2980, 9000], psnr=[28.01, 31.99, 37.01]) == []


@pytest.mark.parametrize(
    ("changed", "where", "verdict"),
    [
        ({"bytes": [1000, 3035, 9000]}, "quality 4", "lost"),
        ({"bytes": [980, 3000, 9000]}, "quality 1.5", "gained"),
        ({"psnr": [28.0, 32.0, 36.94]}, "quality 7", "lost"),
        ({"psnr": [28.0, 32.06, 37.0]}, "quality 4", "gained"),
        ({"ms-ssim": [0.949, 0.98, 0.99]}, "quality 1.5", "lost"),
        # Neither is much, but together they are 1.6 % of bytes at equal PSNR.
        ({"bytes": [1000, 3024, 9000], "psnr": [28.0, 31.97, 37.0]}, "quality 4", "lost"),
        ({"bytes": [1000, 2900, 9000], "psnr": [28.0, 31.9, 37.0]}, "quality 4", "gained and lost"),
    ],
)
def test_a_change_is_told(changed: dict[str, object], where: str, verdict: str) -> None:
    (line,) = told(**changed)
    assert line.startswith("model, mse, a at " + where)
    assert line.endswith(": " + verdict)


@pytest.mark.parametrize(("epe", "verdict"), [(0.202, ["lost"]), (0.2019, []), (0.19, ["gained"])])
def test_errors_of_motion_are_compared(epe: float, verdict: list[str]) -> None:
    lines = changes({"a": {"epe": epe}}, {"a": {"epe": 0.2}}, "model, epe")
    assert [line.rpartition(": ")[2] for line in lines] == verdict


def test_frames_move_as_the_scene_says() -> None:
    """The next frame, looked up where the pixels go, is the frame before."""
    pytest.importorskip("skimage")
    some = photographs()
    scene = Scene(some["coffee"], some["astronaut"], 96, 128)
    before, after = scene.frame(2).astype(float), scene.frame(3).astype(float)
    flow, seen = scene.motion(2)
    assert 0.8 < seen.mean() < 1
    y, x = np.mgrid[:96, :128]
    at = np.rint(np.stack([x, y], 2) + flow).astype(int)
    found = after[at[..., 1].clip(0, 95), at[..., 0].clip(0, 127)]
    error = np.abs(found - before).mean(2)
    still = np.abs(after - before).mean(2)
    assert error[seen].mean() < 0.5 * still[seen].mean()
    assert error[~seen].mean() > 2 * error[seen].mean()

"""Pictures to train on for seconds: drawn here, so that no test needs data."""

from pathlib import Path

import numpy as np
from PIL import Image

from flowcodec.training.image_cnn.recipe import ImageRecipe, ImageStage


def draw(seed: int, height: int = 128, width: int = 160) -> np.ndarray:
    """A scene of gradients and soft discs with a little grain, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 100.0
    slope = rng.normal(0, 60, (2, 3))
    scene = rng.uniform(60, 200, 3) + y[..., None] * slope[0] + x[..., None] * slope[1]
    for _ in range(4):
        centre, radius = rng.uniform(0, 1.6, 2), rng.uniform(0.1, 0.5)
        distance = np.hypot(y - centre[0], x - centre[1])[..., None]
        scene += rng.normal(0, 50, 3) / (1 + np.exp(20 * (distance - radius)))
    scene += rng.normal(0, 4, scene.shape)
    return scene.clip(0, 255).astype(np.uint8)


def draw_folder(folder: Path, count: int = 10) -> Path:
    """A folder of drawn PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        Image.fromarray(draw(seed)).save(folder / f"{seed:02}.png")
    return folder


def tiny_recipe(steps: int, **keys: object) -> ImageRecipe:
    """A recipe for the preset "tiny" on crops of 64x64."""
    stage = ImageStage(steps=steps, crop=64, batch=4, lr=2e-3, lr_end=1e-4)
    defaults = {"warm_up": 10, "held_out": 2, "evaluate_every": 10_000, "average": 0.98}
    keys = defaults | {"stages": [stage]} | keys
    return ImageRecipe(preset="tiny", **keys)  # type: ignore[arg-type]

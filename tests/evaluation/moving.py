"""Frames that move as told, for tests of optical flow."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcodec.media.flow import write_flow


def moving_texture(
    height: int, width: int, motion: tuple[float, float], frames: int
) -> list[NDArray[np.uint8]]:
    """RGB frames (H, W, 3) of a coloured texture that moves by `motion` (x, y) pixels a frame.

    Each frame is computed, not resampled, so fractions of a pixel are exact.
    """
    random = np.random.default_rng(3)
    waves = [
        (random.uniform(0.08, 0.7, 2) * random.choice([-1, 1], 2), random.uniform(0, 6.3, 3))
        for _ in range(12)
    ]
    y, x = np.mgrid[:height, :width]
    made = []
    for number in range(frames):
        at_x, at_y = x - number * motion[0], y - number * motion[1]
        light = sum(
            np.sin(at_x * frequency[0] + at_y * frequency[1])[..., None] * np.cos(phases)
            + np.cos(at_x * frequency[0] + at_y * frequency[1])[..., None] * np.sin(phases)
            for frequency, phases in waves
        )
        made.append(np.clip(128 + 22 * light, 0, 255).round().astype(np.uint8))
    return made


def save_pair(folder: Path, height: int, width: int, motion: tuple[float, float]) -> None:
    """A pair in the layout of a folder a scene; the flow of the lower half is unknown."""
    folder.mkdir(parents=True)
    frames = moving_texture(height, width, motion, frames=2)
    for name, frame in zip(("img1", "img2"), frames, strict=True):
        Image.fromarray(frame).save(folder / f"{name}.png")
    vectors = np.full((height, width, 2), motion, np.float32)
    valid = np.arange(height)[:, None].repeat(width, 1) < height // 2
    write_flow(folder / "flow.png", vectors, valid)

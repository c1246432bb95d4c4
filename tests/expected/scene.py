"""Frames whose motion is known: a camera pans and nears over a photograph, and a disc that is cut
from another one crosses what it sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcodec.evaluation.metrics import Pixels

NEAR, NEARER = 1.2, 0.01  # pixels of the photograph in a pixel of frame 0; how much less each frame
PAN = np.array([3.3, 1.4])  # (x, y), pixels of the photograph a frame
CROSSING = np.array([-5, 2])  # (x, y), pixels a frame


class Scene:
    """Frame by number of a scene, and how its pixels move to the next one."""

    def __init__(self, behind: Pixels, before: Pixels, height: int, width: int):
        """Of photographs (H, W, 3); `behind` has to reach as far as the last frame asked for."""
        self.behind, self.height, self.width = Image.fromarray(behind), height, width
        self.side = height // 3
        self.disc = np.asarray(Image.fromarray(before).resize((self.side, self.side)))
        y, x = np.mgrid[:height, :width]
        self.at = np.stack([x, y], 2) + 0.5  # centres of pixels

    def frame(self, number: int) -> Pixels:
        """uint8 (height, width, 3)."""
        scale, left, top = self._camera(number)
        size, how = (self.width, self.height), Image.Transform.AFFINE
        matrix = (scale, 0, left, 0, scale, top)
        seen = self.behind.transform(size, how, matrix, Image.Resampling.BICUBIC)
        pixels = np.array(seen)
        inside = self._inside(self.at, number)
        column, row = (self.at[inside] - self._corner(number)).astype(int).T
        pixels[inside] = self.disc[row, column]
        return pixels

    def motion(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Flow (height, width, 2) from a frame to the next, and where the next one shows it."""
        (scale, *corner), (next_scale, *next_corner) = map(self._camera, (number, number + 1))
        target = (self.at * scale + corner - np.array(next_corner)) / next_scale
        inside = self._inside(self.at, number)
        hidden = self._inside(target, number + 1) & ~inside
        target[inside] = self.at[inside] + CROSSING
        within = (target >= 0).all(2) & (target < (self.width, self.height)).all(2)
        return (target - self.at).astype(np.float32), within & ~hidden

    def _camera(self, number: int) -> tuple[float, float, float]:
        """Scale, and the place of the frame's corner in the photograph."""
        left, top = PAN * number
        return NEAR - NEARER * number, left, top

    def _corner(self, number: int) -> NDArray[np.int64]:
        """Of the square around the disc."""
        start = np.array([self.width - self.side, self.height - self.side]) // 2
        return start + CROSSING * number

    def _inside(self, at: NDArray[np.float64], number: int) -> NDArray[np.bool_]:
        """Which points lie on the disc."""
        middle = self._corner(number) + self.side / 2
        return ((at - middle) ** 2).sum(2) < (self.side / 2) ** 2

"""Random crops of pictures.

Crops depend on the seed and the step alone, so that a resumed training sees what it would have
seen without the interruption.
"""

from __future__ import annotations

import math

import numpy as np


class Crops:
    """Random square crops of random pictures, flipped, transposed, at times at half size."""

    def __init__(self, pictures: list[np.ndarray], seed: int, halve: float):
        self.pictures = pictures
        self.seed = seed
        self.halve = halve
        areas = np.array([p.shape[0] * p.shape[1] for p in pictures], dtype=np.float64)
        self.weights = areas / areas.sum()

    def batch(self, step: int, count: int, size: int) -> np.ndarray:
        """uint8 (count, 3, size, size)."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.pictures), count, p=self.weights)
        return np.stack([self.crop(self.pictures[i], size, rng) for i in chosen])

    def crop(self, picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        height, width = picture.shape[:2]
        factor = 2 if rng.random() < self.halve and min(height, width) >= 2 * size else 1
        side = size * factor
        top = rng.integers(0, height - side + 1)
        left = rng.integers(0, width - side + 1)
        crop = picture[top : top + side, left : left + side]
        if factor == 2:
            sums = crop.reshape(size, 2, size, 2, 3).sum((1, 3), dtype=np.uint16)
            crop = ((sums + 2) // 4).astype(np.uint8)
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < 0.25:
            crop = crop.transpose(1, 0, 2)
        return np.ascontiguousarray(crop.transpose(2, 0, 1))


def patches(pictures: list[np.ndarray], size: int, count: int, seed: int) -> np.ndarray:
    """About `count` random patches, float32 (n, 3 * size * size) in [-1/2, 1/2]."""
    rng = np.random.default_rng(seed)
    each = math.ceil(count / len(pictures))
    found = []
    for picture in pictures:
        tops = rng.integers(0, picture.shape[0] - size + 1, each)
        lefts = rng.integers(0, picture.shape[1] - size + 1, each)
        for top, left in zip(tops, lefts, strict=True):
            patch = picture[top : top + size, left : left + size]
            found.append(patch.transpose(2, 0, 1).reshape(-1))
    return np.stack(found).astype(np.float32) / 255 - 0.5

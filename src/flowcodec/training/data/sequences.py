"""Stretches of real video, at random: what P-frames are trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Sequences:
    """Crops of uint8 clips (T, H, W, 3): consecutive frames, flipped, turned and reversed.

    A clip that is shorter than what is asked for is played to and fro.
    """

    def __init__(self, clips: list[np.ndarray], seed: int):
        self.clips, self.seed = clips, seed

    def batch(self, step: int, count: int, frames: int, crop: int) -> Tensor:
        """(frames, count, 3, crop, crop) in [0, 1]; decided by seed and step alone.

        Clips must be so large, and have two frames or more.
        """
        rng = np.random.default_rng([self.seed, step, 3])
        found = []
        for _ in range(count):
            clip = self.clips[int(rng.integers(len(self.clips)))]
            places = places_of(len(clip), frames, rng)
            top = int(rng.integers(0, clip.shape[1] - crop + 1))
            left = int(rng.integers(0, clip.shape[2] - crop + 1))
            part = clip[places, top : top + crop, left : left + crop]
            for axis in (0, 1, 2):
                if rng.random() < 0.5:
                    part = np.flip(part, axis)
            if rng.random() < 0.5:
                part = part.swapaxes(1, 2)
            found.append(torch.from_numpy(part.copy()))
        return torch.stack(found, 1).permute(0, 1, 4, 2, 3).float().div_(255)


def places_of(length: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Which frames of a clip: neighbours, from anywhere on."""
    if frames <= length:
        return int(rng.integers(0, length - frames + 1)) + np.arange(frames)
    turn = length - 1
    return turn - np.abs(turn - (int(rng.integers(2 * turn)) + np.arange(frames)) % (2 * turn))

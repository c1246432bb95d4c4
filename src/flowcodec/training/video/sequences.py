"""Stretches of real video, at random: what P-frames are trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Sequences:
    """Crops of uint8 clips (T, H, W, 3): consecutive frames, flipped, turned and reversed."""

    def __init__(self, clips: list[np.ndarray], seed: int):
        self.clips, self.seed = clips, seed

    def batch(self, step: int, count: int, frames: int, crop: int) -> Tensor:
        """(frames, count, 3, crop, crop) in [0, 1]; decided by seed and step alone.

        Clips must have so many frames and be so large.
        """
        rng = np.random.default_rng([self.seed, step, 3])
        found = []
        for _ in range(count):
            clip = self.clips[int(rng.integers(len(self.clips)))]
            start = int(rng.integers(0, len(clip) - frames + 1))
            top = int(rng.integers(0, clip.shape[1] - crop + 1))
            left = int(rng.integers(0, clip.shape[2] - crop + 1))
            part = clip[start : start + frames, top : top + crop, left : left + crop]
            for axis in (0, 1, 2):
                if rng.random() < 0.5:
                    part = np.flip(part, axis)
            if rng.random() < 0.5:
                part = part.swapaxes(1, 2)
            found.append(torch.from_numpy(np.ascontiguousarray(part)))
        return torch.stack(found, 1).permute(0, 1, 4, 2, 3).float().div_(255)

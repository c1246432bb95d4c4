"""Real videos, whose flow nobody knows: what can be learned from them all the same.

Where the flow is right, the second frame sampled along it looks like the first. A robust penalty
keeps what is hidden from pulling too hard, smoothness fills in where there is nothing to see.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowcodec.media.folders import video_files
from flowcodec.media.video import open_video
from flowcodec.nn.warp import inside, warp

MOST_FRAMES = 30  # of a file; longer ones are cut
MOST_APART = 2  # frames
EDGE = 10.0  # how much a step in the picture excuses one of the flow
ROBUST = 0.45  # power of the squared difference
SMALL = 1e-3


class Clips:
    """Pairs of frames at random: crops of uint8 clips (T, H, W, 3), flipped and reversed."""

    def __init__(self, clips: list[np.ndarray], seed: int):
        self.clips, self.seed = clips, seed

    def batch(self, step: int, count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Two pictures (count, 3, height, width) in [0, 1]; by step alone, as scenes are."""
        rng = np.random.default_rng([self.seed, step, 2])
        firsts, seconds = [], []
        for _ in range(count):
            clip = self.clips[int(rng.integers(len(self.clips)))]
            frames, rows, columns = clip.shape[:3]
            apart = int(rng.integers(1, min(MOST_APART, frames - 1) + 1))
            start = int(rng.integers(0, frames - apart))
            top = int(rng.integers(0, rows - height + 1))
            left = int(rng.integers(0, columns - width + 1))
            pair = clip[[start, start + apart], top : top + height, left : left + width]
            for axis in (0, 1, 2):
                if rng.random() < 0.5:
                    pair = np.flip(pair, axis)
            pixels = torch.from_numpy(np.ascontiguousarray(pair)).permute(0, 3, 1, 2).float() / 255
            firsts.append(pixels[0])
            seconds.append(pixels[1])
        return torch.stack(firsts), torch.stack(seconds)


def load_clips(
    folder: Path, height: int, width: int, progress: Callable[[int, int], None] | None = None
) -> dict[str, list[np.ndarray]]:
    """All videos of a folder, recursive, but those of smaller or single frames; by scene.

    A scene is what a name says up to its last underscore: clips of one video should be held out
    together.
    """
    files = video_files(folder)
    scenes: dict[str, list[np.ndarray]] = {}
    with ThreadPoolExecutor() as pool:
        for index, (path, clip) in enumerate(zip(files, pool.map(_frames_of, files), strict=True)):
            if len(clip) > 1 and clip.shape[1] >= height and clip.shape[2] >= width:
                scenes.setdefault(path.stem.rpartition("_")[0] or path.stem, []).append(clip)
            if progress:
                progress(index + 1, len(files))
    return scenes


def _frames_of(path: Path) -> np.ndarray:
    frames = []
    with open_video(path) as video:
        for frame in video.whole:
            frames.append(frame)
            if len(frames) == MOST_FRAMES:
                break
    return np.stack(frames)


def photometric_loss(first: Tensor, second: Tensor, flow: Tensor, smoothness: float) -> Tensor:
    """How little `second`, warped by `flow`, looks like `first`, and how ragged the flow is.

    Differences of colour count only where the flow stays in the picture, steps of the flow the
    less the more the picture changes there (in pixels, times `smoothness`).
    """
    difference = (first - warp(second, flow)).square().mean(1, keepdim=True)
    alike = (inside(flow.detach()) * (difference + SMALL**2) ** ROBUST).mean()
    return alike + smoothness * (_ragged(first, flow, 2) + _ragged(first, flow, 3))


def _ragged(picture: Tensor, flow: Tensor, dimension: int) -> Tensor:
    edge = picture.diff(dim=dimension).abs().mean(1, keepdim=True)
    step = (flow.diff(dim=dimension).square() + SMALL**2).sqrt()
    return (step * torch.exp(-EDGE * edge)).mean()

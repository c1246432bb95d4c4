"""Data sets of known flow: which of their pairs are learned from, and batches of them.

Files are read as they are drawn. Pictures and flow are scaled, cropped and flipped, and the colours
changed, as thesis sec. 6.1 says; it leaves open by how much the axes are stretched, and how often a
pair is flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from flowcodec.errors import UsageError
from flowcodec.media.flow_sets import LoadedPair, Pair, find_pairs, load_pair
from flowcodec.nn.warp import inside
from flowcodec.training.data.camera import jitter
from flowcodec.training.data.pictures import hold_out
from flowcodec.training.data.scenes import Scene, join

SCALED = 0.9  # of the pairs
SMALLER, LARGER = -0.3, 1.0  # powers of two, of both axes: those for MPI-Sintel
STRETCHED = 0.2  # of each axis on top, up or down
MIRRORED, UPSIDE_DOWN = 0.5, 0.1  # of the pairs
APART = 0.2  # of the pairs: their pictures change colours each in its own way
FARTHEST = 400.0  # pixels; FlyingThings3D has a few flows of thousands, which would rule the loss
ALL_KNOWN = 1 - 1e-5  # of the weights of an interpolation, but for rounding


class Pairs:
    """Crops of pairs at random, each pair as likely as another."""

    def __init__(self, pairs: Sequence[Pair], seed: int):
        self.pairs, self.seed = pairs, seed
        self.pool = ThreadPoolExecutor()

    def batch(self, step: int, count: int, height: int, width: int) -> Scene:
        """`count` crops of height x width, on the CPU; by seed and step alone.

        Raises MediaError where a file is damaged.
        """

        def draw(place: int) -> Scene:
            rng = np.random.default_rng([self.seed, step, place, 3])
            pair = self.pairs[int(rng.integers(len(self.pairs)))]
            return augmented(load_pair(pair), rng, height, width)

        return join(list(self.pool.map(draw, range(count))), torch.device("cpu"))


@dataclass(frozen=True)
class DataSets:
    """Pairs to train on, those that are held out by data set, and what not to take for photographs.

    folders: names in the folder of data below which data sets lie, chosen or not.
    """

    training: list[Pair]
    held_out: dict[str, list[Pair]]
    folders: set[str]


def load_data_sets(folder: Path, names: Sequence[str], held_out: int) -> DataSets:
    """The data sets that `find_pairs` finds, or those of these names alone.

    Up to `held_out` pairs of each are held out. UsageError where a name or any pair is missing.
    """
    try:
        found = find_pairs(folder)
    except UsageError as error:
        raise UsageError(f"the recipe wants pairs: {error}") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(
            f"the recipe wants pairs of {', '.join(missing)}: {folder} holds {', '.join(found)}"
        )
    parts = {name: split(found[name], held_out) for name in names or found}
    training = [pair for part in parts.values() for pair in part[0]]
    if not training:
        raise UsageError(
            f"the recipe wants pairs: those of {', '.join(parts)} in {folder} are all for tests"
        )
    files = (
        path
        for pairs in found.values()
        for pair in pairs
        for path in (pair.first, pair.second, pair.flow)
    )
    folders = {path.relative_to(folder).parts[0] for path in files}
    return DataSets(training, {name: part[1] for name, part in parts.items() if part[1]}, folders)


def split(pairs: list[Pair], count: int) -> tuple[list[Pair], list[Pair]]:
    """A data set as (training, held out), the latter up to `count` pairs, spread evenly.

    What the set itself puts apart is not trained on. Held out are pairs that it calls "val", or, if
    there are none, some of those for training.
    """
    training = [pair for pair in pairs if pair.part not in ("val", "test")]
    validating = [pair for pair in pairs if pair.part == "val"]
    if not validating:
        return hold_out(training, count)
    count = min(count, len(validating))
    return training, [validating[len(validating) * i // count] for i in range(count)]


def whole(pair: Pair) -> Scene:
    """A pair as it is, a batch of one. Raises MediaError where a file is damaged."""
    return _scene(load_pair(pair))


def augmented(pair: LoadedPair, rng: Generator, height: int, width: int) -> Scene:
    """A random crop of height x width, scaled, flipped and recoloured; a batch of one."""
    place = _window(rng, pair.valid.shape, (height, width))
    steps = [-1 if rng.random() < share else 1 for share in (UPSIDE_DOWN, MIRRORED)]

    def part(array: NDArray[Any]) -> NDArray[Any]:
        return array[place][:: steps[0], :: steps[1]]

    flow = part(pair.flow) * np.array(steps[::-1], np.float32)
    occluded = None if pair.occluded is None else part(pair.occluded)
    cut = LoadedPair(part(pair.first), part(pair.second), flow, part(pair.valid), occluded)
    scene = _resized(_scene(cut), height, width)
    first, second = _recoloured(scene.first, scene.second, rng)
    return Scene(first, second, scene.flow, scene.occluded, scene.valid)


def _window(rng: Generator, shape: tuple[int, ...], crop: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a picture that become the crop.

    In a picture that is too small they are fewer than drawn, both in the same proportion.
    """
    scale = np.ones(2)
    if rng.random() < SCALED:
        scale = 2 ** (rng.uniform(SMALLER, LARGER) + rng.uniform(-STRETCHED, STRETCHED, 2))
    sides = np.array(crop) / scale
    sides *= min(1.0, (np.array(shape) / sides).min())
    whole_sides = np.maximum(sides.round().astype(int), 1)
    starts = rng.integers(0, np.array(shape) - whole_sides + 1)
    rows, columns = (
        slice(int(start), int(start + side))
        for start, side in zip(starts, whole_sides, strict=True)
    )
    return rows, columns


def _scene(pair: LoadedPair) -> Scene:
    """Arrays as tensors."""
    first, second, flow = (
        torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float()
        for array in (pair.first, pair.second, pair.flow)
    )
    hidden = np.zeros_like(pair.valid) if pair.occluded is None else pair.occluded
    occluded, valid = (torch.from_numpy(mask.copy())[None] for mask in (hidden, pair.valid))
    left = inside(flow)[:, 0] == 0
    return Scene(first / 255, second / 255, flow, occluded | left, valid)


def _resized(scene: Scene, height: int, width: int) -> Scene:
    """A scene at height x width.

    Flow is interpolated where all is known that goes into it, and the nearest pixel's elsewhere.
    """
    size = height, width
    rows, columns = scene.flow.shape[2:]
    first, second = (
        F.interpolate(picture, size, mode="bilinear", antialias=True)
        for picture in (scene.first, scene.second)
    )
    known, hidden = (mask[:, None].float() for mask in (scene.valid, scene.occluded))
    nearest = F.interpolate(torch.cat([scene.flow, known, hidden], 1), size, mode="nearest-exact")
    smooth = F.interpolate(torch.cat([scene.flow, known], 1), size, mode="bilinear")
    flow = torch.where(smooth[:, 2:] > ALL_KNOWN, smooth[:, :2], nearest[:, :2])
    flow = flow * flow.new_tensor([width / columns, height / rows]).view(1, 2, 1, 1)
    near = torch.linalg.vector_norm(flow, dim=1) <= FARTHEST
    return Scene(first, second, flow, nearest[:, 3] > 0, (nearest[:, 2] > 0) & near)


def _recoloured(first: Tensor, second: Tensor, rng: Generator) -> list[Tensor]:
    """Both pictures (1, 3, H, W) in other colours, in steps of 8 bits."""
    if rng.random() < APART:
        pictures = [jitter(first, rng, 1.0), jitter(second, rng, 1.0)]
    else:
        pictures = list(jitter(torch.cat([first, second]), rng, 1.0).split(1))
    return [(picture * 255).round() / 255 for picture in pictures]

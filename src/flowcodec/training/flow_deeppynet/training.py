"""Training of flow-deeppynet: scenes and data sets with their truth, and real video without."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowcodec.codecs.weights import weights_called
from flowcodec.errors import UsageError
from flowcodec.media.flow_sets import Pair
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.nn.warp import warp
from flowcodec.training.data.clips import Clips, load_clips, photometric_loss
from flowcodec.training.data.pairs import DataSets, Pairs, load_data_sets, whole
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.data.scenes import Scene, Scenes, join
from flowcodec.training.engine import Result, Training, configured
from flowcodec.training.flow_deeppynet.recipe import FlowRecipe, FlowStage
from flowcodec.training.networks import export, take

SMALLEST = 128  # pixels a side of a photograph
APART = 1024  # numbers of scenes between one step's and the next's
SMALL = 1e-2  # pixels: below, errors no longer steepen the loss
SLOW = 3.0  # pixels, in the mean over a scene
HELD_OUT_SEED = 1_000_003
HELD_OUT_SCENES, HELD_OUT_HEIGHT, HELD_OUT_WIDTH = 32, 256, 320


@dataclass(frozen=True)
class Batch:
    """What a step learns from: scenes by kind, and two frames each (B, 3, H, W) of real clips."""

    scenes: list[Scene]
    frames: tuple[Tensor, Tensor] | None


class Source:
    """Batches by step; the next one is made while the network works on this one."""

    def __init__(
        self, scenes: Scenes | None, clips: Clips | None = None, pairs: Pairs | None = None
    ):
        self.scenes, self.clips, self.pairs = scenes, clips, pairs
        self.pool = ThreadPoolExecutor(1)
        self.next: tuple[tuple[int, FlowStage], Future[Batch]] | None = None

    def batch(self, step: int, stage: FlowStage) -> Batch:
        """The batch of a step."""
        made = self.next
        batch = made[1].result() if made and made[0] == (step, stage) else self.make(step, stage)
        self.next = (step + 1, stage), self.pool.submit(self.make, step + 1, stage)
        return batch

    def make(self, step: int, stage: FlowStage) -> Batch:
        size = stage.height, stage.width
        scenes, frames = [], None
        if self.scenes and stage.batch:
            scenes.append(self.scenes.batch(step * APART, stage.batch, *size))
        if self.pairs and stage.pairs:
            scenes.append(self.pairs.batch(step, stage.pairs, *size))
        if self.clips and stage.clips:
            frames = self.clips.batch(step, stage.clips, *size)
        return Batch(scenes, frames)


@dataclass(frozen=True)
class HeldOut:
    """What the averaged network is measured on; pairs by data set."""

    scenes: list[Scene]
    clips: list[np.ndarray]
    pairs: dict[str, list[Pair]]


class FlowTraining(Training[FlowRecipe, FlowStage, DeepPyNet, Source, HeldOut]):
    """Training of flow-deeppynet.

    A few scenes have most of the error, those that move far; a limit for codecs would pass over
    them. Their gradients are clipped, like all others.
    """

    exploded = 30.0

    def build(self) -> DeepPyNet:
        """The untrained network; UsageError names the key that does not fit."""
        config = configured(self.recipe, PRESETS)
        torch.manual_seed(self.recipe.seed)
        return DeepPyNet(config)

    def load(
        self, data: Path, progress: Callable[[int, int], None] | None
    ) -> tuple[Source, HeldOut]:
        """Of a folder, what the stages want: photographs for scenes, data sets, videos."""
        recipe = self.recipe
        known = DataSets([], {}, set())
        if any(stage.pairs for stage in recipe.stages):
            known = load_data_sets(data, recipe.data_sets, recipe.held_out)
        pairs = Pairs(known.training, recipe.seed) if known.training else None
        scenes: Scenes | None = None
        held_out: list[Scene] = []
        if any(stage.batch for stage in recipe.stages):
            scenes, held_out = self.load_scenes(data, known.folders, progress)
        wanting = [stage for stage in recipe.stages if stage.clips]
        if not wanting:
            return Source(scenes, None, pairs), HeldOut(held_out, [], known.held_out)
        largest = max(s.height for s in wanting), max(s.width for s in wanting)
        found = list(load_clips(data, *largest, progress).values())
        if len(found) <= recipe.held_out:
            raise UsageError(
                f"the recipe wants clips: {data} needs videos of more than {recipe.held_out}"
                f" scenes, of at least {largest[1]}x{largest[0]} pixels"
            )
        training = [clip for scene in found[recipe.held_out :] for clip in scene]
        measured = [scene[0] for scene in found[: recipe.held_out]]
        source = Source(scenes, Clips(training, recipe.seed), pairs)
        return source, HeldOut(held_out, measured, known.held_out)

    def load_scenes(
        self, data: Path, without: set[str], progress: Callable[[int, int], None] | None
    ) -> tuple[Scenes, list[Scene]]:
        """Scenes of the photographs in a folder, and some of those that are held out."""
        try:
            pictures = load_pictures(data, SMALLEST, progress, without)
        except UsageError as error:
            beside = " beside its data sets" if without else ""
            raise UsageError(f"the recipe wants scenes (batch): {error}{beside}") from error
        photographs, kept = (
            [torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1))) for p in part]
            for part in hold_out(pictures, self.recipe.held_out)
        )
        furnished = self.recipe.furnished
        generated = Scenes(kept, HELD_OUT_SEED, furnished)
        size = HELD_OUT_HEIGHT, HELD_OUT_WIDTH
        count = HELD_OUT_SCENES if kept else 0
        held_out = [generated.scene(index, *size) for index in range(count)]
        there = [photograph.to(self.device) for photograph in photographs]
        return Scenes(there, self.recipe.seed, furnished), held_out

    def initialise(self, source: Source) -> None:
        """The recipe's `init`, if it has one."""
        init = self.recipe.init
        if init is None:
            return
        weights = weights_called(init).of("flow-deeppynet")
        own = self.model.config
        alike = dataclasses.replace(
            weights.config, updates=own.updates, polish=own.polish, pooled=own.pooled
        )
        if alike != self.model.config:
            raise UsageError(f"init = {init!r}: these weights are of another preset or switches")
        take(self.model, weights)

    def loss(self, source: Source, stage: FlowStage) -> Tensor:
        """Eq. 4.8: the error after each update, the later the heavier.

        Of a pixel, the absolute error summed over x and y, to the recipe's power; the mean is over
        those whose flow is known.
        """
        batch = source.batch(self.step, stage)
        scene = join(batch.scenes, self.device)
        weight = torch.where(scene.occluded, self.recipe.occluded, 1.0) * scene.valid
        weight = weight / scene.valid.sum().clamp_min(1)
        with self.autocast():
            estimates = self.model.estimates(scene.first, scene.second, every=True)
        total = scene.flow.new_zeros(())
        for estimate in estimates:
            error = (estimate.float() - scene.flow).abs().sum(1) + SMALL
            total = self.recipe.decay * total + (weight * error**self.recipe.power).sum()
        if batch.frames is None:
            return total
        first, second = (frames.to(self.device) for frames in batch.frames)
        with self.autocast():
            flow = self.model.estimates(first, second)[-1].float()
        unlike = photometric_loss(first, second, flow, self.recipe.smoothness)
        return total + self.recipe.photometric * unlike

    @torch.no_grad()
    def evaluate(self, held_out: HeldOut) -> Result:
        """End-point errors in pixels, the mean over scenes; flow where nothing moves.

        With clips, "db" too: PSNR of their second frames warped to the first. With pairs, the error
        for each data set.
        """
        every, visible, slow, still = [], [], [], []
        for scene in held_out.scenes:
            flow = self.flow(scene.first, scene.second)
            error = torch.linalg.vector_norm(flow - scene.flow, dim=1)
            every.append(float(error.mean()))
            visible.append(float(error[~scene.occluded].mean()))
            length = float(torch.linalg.vector_norm(scene.flow, dim=1).mean())
            if length == 0:
                still.append(every[-1])
            elif length < SLOW:
                slow.append(visible[-1])
        found = {"epe": every, "visible": visible, "slow": slow, "still": still}
        for name, pairs in held_out.pairs.items():
            found[f"epe {name}"] = [self.known_error(whole(pair)) for pair in pairs]
        if held_out.clips:
            found["db"] = [self.warped_psnr(clip) for clip in held_out.clips]
        return {name: [float(np.mean(values))] for name, values in found.items() if values}

    def known_error(self, scene: Scene) -> float:
        """Mean end-point error where the flow is known."""
        error = torch.linalg.vector_norm(self.flow(scene.first, scene.second) - scene.flow, dim=1)
        return float(error[scene.valid].mean())

    def flow(self, first: Tensor, second: Tensor) -> Tensor:
        """What the averaged network finds, on the CPU."""
        return self.average(first.to(self.device), second.to(self.device)).cpu()

    def warped_psnr(self, clip: np.ndarray) -> float:
        """Of a clip's second frame warped to its first, in decibels."""
        pair = torch.from_numpy(clip[:2]).permute(0, 3, 1, 2).float() / 255
        first, second = pair[:1], pair[1:]
        error = (warp(second, self.flow(first, second)) - first).square().mean()
        return -10 * math.log10(float(error) + 1e-10)

    def describe(self, result: Result) -> str:
        """All figures."""
        return ", ".join(f"{name} {value[0]:.3f}" for name, value in result.items())

    def export(self, path: Path) -> bytes:
        """The weights of the averaged network, with graphs; returns their hash."""
        return export("flow-deeppynet", self.average, "epe", path)

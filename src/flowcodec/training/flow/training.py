"""Training of flow-deeppynet: generated scenes with their truth."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from flowcodec.codecs.flow import restore
from flowcodec.codecs.weights import BUNDLED, load_weights, save_weights
from flowcodec.errors import UsageError
from flowcodec.models.flow_deeppynet.config import PRESETS, DeepPyNetConfig
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.training.engine import Result, Training
from flowcodec.training.flow.scenes import Scene, Scenes
from flowcodec.training.pictures import hold_out, load_pictures
from flowcodec.training.recipe import FlowRecipe, FlowStage

SMALLEST = 128  # pixels a side of a photograph
APART = 1024  # numbers of scenes between one step's and the next's
SMALL = 1e-2  # pixels: below, errors no longer steepen the loss
HELD_OUT_SEED = 1_000_003
HELD_OUT_SCENES, HELD_OUT_HEIGHT, HELD_OUT_WIDTH = 32, 256, 320


class Source:
    """Batches of scenes, the next one made while the network works on this one."""

    def __init__(self, scenes: Scenes):
        self.scenes = scenes
        self.pool = ThreadPoolExecutor(1)
        self.next: tuple[tuple[int, FlowStage], Future[Scene]] | None = None

    def batch(self, step: int, stage: FlowStage) -> Scene:
        """The scenes of a step."""
        made = self.next
        scene = made[1].result() if made and made[0] == (step, stage) else self.make(step, stage)
        self.next = (step + 1, stage), self.pool.submit(self.make, step + 1, stage)
        return scene

    def make(self, step: int, stage: FlowStage) -> Scene:
        return self.scenes.batch(step * APART, stage.batch, stage.height, stage.width)


class FlowTraining(Training[FlowRecipe, FlowStage, DeepPyNet, Source, list[Scene]]):
    """Training of flow-deeppynet."""

    def build(self) -> DeepPyNet:
        """The untrained network; UsageError names the key that does not fit."""
        recipe = self.recipe
        if recipe.preset not in PRESETS:
            raise UsageError(f"no preset called {recipe.preset}; there are: {', '.join(PRESETS)}")
        fields = dataclasses.asdict(PRESETS[recipe.preset])
        for name in recipe.switches:
            if name not in fields:
                raise UsageError(f"switches.{name} is no field of a preset: {', '.join(fields)}")
        try:
            config = msgspec.convert({**fields, **recipe.switches}, DeepPyNetConfig)
        except msgspec.ValidationError as error:
            raise UsageError(f"switches: {error}") from error
        torch.manual_seed(recipe.seed)
        return DeepPyNet(config)

    def load(
        self, data: Path, progress: Callable[[int, int], None] | None
    ) -> tuple[Source, list[Scene]]:
        """Scenes of the photographs in a folder, and some of those that are held out."""
        pictures = load_pictures(data, SMALLEST, progress)
        photographs, held_out = (
            [torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1))) for p in part]
            for part in hold_out(pictures, self.recipe.held_out)
        )
        scenes = Scenes([p.to(self.device) for p in photographs], self.recipe.seed)
        kept = Scenes(held_out, HELD_OUT_SEED)
        size = HELD_OUT_HEIGHT, HELD_OUT_WIDTH
        count = HELD_OUT_SCENES if held_out else 0
        return Source(scenes), [kept.scene(index, *size) for index in range(count)]

    def initialise(self, source: Source) -> None:
        """The recipe's `init`, if it has one."""
        init = self.recipe.init
        if init is None:
            return
        bundled = BUNDLED / f"{init}.safetensors"
        weights = load_weights(bundled if bundled.exists() else Path(init)).of("flow-deeppynet")
        if weights.config != self.model.config:
            raise UsageError(f"init = {init!r}: these weights are of another preset or switches")
        restore(self.model, weights)

    def loss(self, source: Source, stage: FlowStage) -> Tensor:
        """Eq. 4.8: the error after each update, the later the heavier.

        Of a pixel, the absolute error summed over x and y, to the recipe's power.
        """
        scene = source.batch(self.step, stage)
        weight = torch.where(scene.occluded, self.recipe.occluded, 1.0)
        with self.autocast():
            estimates = self.model.estimates(scene.first, scene.second, every=True)
        total = scene.flow.new_zeros(())
        for estimate in estimates:
            error = (estimate.float() - scene.flow).abs().sum(1) + SMALL
            total = self.recipe.decay * total + (weight * error**self.recipe.power).mean()
        return total

    @torch.no_grad()
    def evaluate(self, held_out: list[Scene]) -> Result:
        """End-point errors in pixels, the mean over scenes; flow where nothing moves."""
        every, visible, slow, still = [], [], [], []
        for scene in held_out:
            first, second = (x.to(self.device) for x in (scene.first, scene.second))
            error = torch.linalg.vector_norm(self.average(first, second).cpu() - scene.flow, dim=1)
            every.append(float(error.mean()))
            visible.append(float(error[~scene.occluded].mean()))
            length = float(torch.linalg.vector_norm(scene.flow, dim=1).mean())
            if length == 0:
                still.append(every[-1])
            elif length < 3:
                slow.append(visible[-1])
        return {
            "epe": [float(np.mean(every))],
            "visible": [float(np.mean(visible))],
            "slow": [float(np.mean(slow))],
            "still": [float(np.mean(still))],
        }

    def describe(self, result: Result) -> str:
        """End-point errors."""
        return ", ".join(f"{name} {value[0]:.3f}" for name, value in result.items()) + " px"

    def export(self, path: Path) -> bytes:
        """Write the weights in 16 bits; returns their hash."""
        model = copy.deepcopy(self.average).cpu()
        tensors = {name: value.float().numpy() for name, value in model.state_dict().items()}
        return save_weights(path, "flow-deeppynet", "epe", model.config, tensors, {})

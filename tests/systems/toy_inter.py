"""An inter system that codes by how a frame differs from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from flowcodec.codecs.runtime import Network, at_quality, gain_at
from flowcodec.codecs.systems import System
from flowcodec.codecs.weights import built_prior
from flowcodec.entropy.coder import Decoder, Encoder
from flowcodec.entropy.prior import Layout, latent_hash
from flowcodec.errors import FormatError
from flowcodec.nn.graph import Graph
from flowcodec.training.networks import export
from flowcodec.training.recipe import Recipe, Stage
from tests.systems import toy_picture
from tests.systems.toy_picture import STRIDE, ToyConfig

PRESETS = {"toy": ToyConfig(latent=12, slices=(12,))}


class Toy(toy_picture.Toy):
    """The picture system's layers, for differences."""


class Analysis(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, difference):
        y = self.network.g_a(difference[None])
        return y[0], self.network.h_a(y)[0]


class Synthesis(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, y, quality):
        return self.network.g_s(self.network.restored(y[None], quality))[0]


def graphs(network):
    y, quality = torch.zeros(network.config.latent, 8, 8), torch.full((1,), 4.0)
    pixels, latents = {1: "height", 2: "width"}, {1: "rows", 2: "columns"}
    return [
        Graph(
            "analysis",
            Analysis(network),
            {"difference": torch.zeros(3, 64, 64)},
            ("y", "z"),
            {"difference": pixels, "y": latents, "z": {1: "k", 2: "l"}},
        ),
        Graph(
            "synthesis",
            Synthesis(network),
            {"y": y, "quality": quality},
            ("difference",),
            {"difference": pixels, "y": latents},
        ),
    ]


@dataclass(frozen=True)
class Coded:
    data: bytes
    hash: int


class ToyModel:
    """An `InterModel`, whose state is the frame before, (3, h, w) padded and from -1/2 to 1/2."""

    def __init__(self, weights, device="cpu", threads=None):
        self.weights = weights
        self.prior = built_prior(weights, Layout(weights.config.slices, 1, 8))
        self.prior_hash = self.prior.hash
        self.analysis, self.synthesis = (
            Network(weights, name, device, threads) for name in ("analysis", "synthesis")
        )

    def start(self, frame):
        return frame.shape, self._padded(frame)

    def encode(self, frame, state, quality):
        shape, before = state
        y, z = self.analysis(difference=self._padded(frame) - before)
        z = np.rint(z * gain_at(self.prior.hyper.log_gain, quality)).astype(np.int64)
        encoder = Encoder()
        real = y * gain_at(self.prior.log_gain, quality)
        coded = self.prior.write(encoder, z, real, quality)
        return Coded(encoder.bytes(), latent_hash(z, coded)), self._after(state, coded, quality)

    def decode(self, data, hash, state, quality):
        height, width = (side // STRIDE for side in state[1].shape[1:])
        z, y = self.prior.read(Decoder(data), height, width, quality)
        if latent_hash(z, y) != hash:
            raise FormatError("the decoded latents do not match their hash")
        return self._after(state, y, quality)

    def shown(self, state):
        (height, width, _), x = state
        return np.rint((x.transpose(1, 2, 0)[:height, :width] + 0.5) * 255).astype(np.uint8)

    def _after(self, state, y, quality):
        added = self.synthesis(y=np.float32(y), quality=at_quality(quality))
        return state[0], np.clip(state[1] + added, -0.5, 0.5)

    def _padded(self, frame):
        below, beside = -frame.shape[0] % (4 * STRIDE), -frame.shape[1] % (4 * STRIDE)
        x = np.pad(frame, ((0, below), (0, beside), (0, 0)), "edge").transpose(2, 0, 1)
        return x.astype(np.float32) / 255 - 0.5


class ToyRecipe(Recipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="toy-inter"):
    stages: list[Stage]

    @property
    def all_stages(self) -> Sequence[Stage]:
        return self.stages


class ToyTraining(toy_picture.ToyTraining):
    """On pictures beside themselves, moved by a pixel."""

    def build(self):
        torch.manual_seed(self.recipe.seed)
        return Toy(PRESETS[self.recipe.preset])

    def loss(self, source, stage):
        x = torch.from_numpy(source.batch(self.step, stage.batch, 64)).float() / 255
        left = x - torch.roll(x, 1, 3)
        quality = torch.full((len(x),), 4.0)
        coded = self.model.code(self.model.g_a(left), quality)
        found = self.model.g_s(self.model.restored(coded.y, quality))
        return (coded.y_bits + coded.z_bits).mean() / 64**2 + 100 * (found - left).square().mean()

    def export(self, path):
        return export("toy-inter", self.average, "mse", path)


HERE = "tests.systems.toy_inter"
ROW = System(
    name="toy-inter",
    kind="inter",
    metrics=("mse",),
    code=251,
    config="tests.systems.toy_picture:ToyConfig",
    presets=f"{HERE}:PRESETS",
    model=f"{HERE}:ToyModel",
    network=f"{HERE}:Toy",
    graphs=f"{HERE}:graphs",
    work="tests.systems.toy_picture:work",
    recipe=f"{HERE}:ToyRecipe",
    training=f"{HERE}:ToyTraining",
)

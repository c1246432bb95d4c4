"""A picture system of one linear layer: what the house asks of a system, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from flowcodec.codecs.runtime import Network, at_quality, gain_at
from flowcodec.codecs.systems import System
from flowcodec.codecs.weights import built_prior
from flowcodec.entropy.prior import Layout
from flowcodec.models.work import HEIGHT, WIDTH, Counter, Work, parameters_of
from flowcodec.nn.graph import Graph
from flowcodec.nn.latents import LatentCoder
from flowcodec.nn.prior import PriorConfig
from flowcodec.quality import lambdas_of
from flowcodec.training.data.crops import Crops
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.engine import Training, configured
from flowcodec.training.networks import export
from flowcodec.training.recipe import Recipe, Stage

STRIDE = 8


@dataclass(frozen=True)
class ToyConfig:
    latent: int = 24
    hyper: int = 2
    slices: tuple[int, ...] = (4, 20)


PRESETS = {"toy": ToyConfig()}


class Toy(LatentCoder):
    """y = W x, x = V y."""

    def __init__(self, config: ToyConfig, inputs: int = 3):
        super().__init__(
            PriorConfig(
                latent=config.latent,
                hyper=config.hyper,
                features=6,
                hidden=(6, 6),
                slices=config.slices,
            )
        )
        self.config = config
        self.g_a = nn.Conv2d(inputs, config.latent, STRIDE, stride=STRIDE)
        self.g_s = nn.ConvTranspose2d(config.latent, 3, STRIDE, stride=STRIDE)
        with torch.no_grad():
            for gains in (self.prior.log_gain, self.log_inverse_gain):
                gains.table += torch.linspace(3, 6, 8)[:, None]


class Analysis(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, samples):
        return self.network.g_a(samples.permute(2, 0, 1)[None].float() / 255 - 0.5)[0]


class HyperAnalysis(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, y):
        return self.network.h_a(y[None])[0]


class Synthesis(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, y, quality):
        x = self.network.g_s(self.network.restored(y[None], quality))[0] + 0.5
        return x.permute(1, 2, 0) * 255


def graphs(network):
    y, quality = torch.zeros(network.config.latent, 8, 8), torch.full((1,), 4.0)
    latents = {"y": {1: "rows", 2: "columns"}}
    return [
        Graph(
            "analysis",
            Analysis(network),
            {"samples": torch.zeros(64, 64, 3, dtype=torch.uint8)},
            ("y",),
            {"samples": {0: "height", 1: "width"}, **latents},
        ),
        Graph(
            "hyper_analysis",
            HyperAnalysis(network),
            {"y": y},
            ("z",),
            {"z": {1: "k", 2: "l"}, **latents},
        ),
        Graph(
            "synthesis",
            Synthesis(network),
            {"y": y, "quality": quality},
            ("samples",),
            {"samples": {0: "height", 1: "width"}, **latents},
        ),
    ]


class ToyModel:
    """A `PictureModel`."""

    stride, reach, grid, fixed = STRIDE, 0, STRIDE, 0

    def __init__(self, weights, device="cpu", threads=None):
        self.weights, self.channels = weights, weights.config.latent
        self.prior = built_prior(weights, Layout(weights.config.slices, 1, 8))
        names = ("analysis", "hyper_analysis", "synthesis")
        self.networks = {name: Network(weights, name, device, threads) for name in names}

    def analyse(self, pixels, quality):
        return self.networks["analysis"](samples=pixels), gain_at(self.prior.log_gain, quality)

    def hyper_analyse(self, y, quality):
        y = np.pad(y, ((0, 0), (0, -y.shape[1] % 4), (0, -y.shape[2] % 4)), "edge")
        z = self.networks["hyper_analysis"](y=y)
        return np.rint(z * gain_at(self.prior.hyper.log_gain, quality)).astype(np.int64)

    def synthesise(self, y, quality):
        found = self.networks["synthesis"](y=np.float32(y), quality=at_quality(quality))
        return np.clip(np.rint(found), 0, 255).astype(np.uint8)

    def without_refinement(self):
        return None


class ToyRecipe(Recipe, forbid_unknown_fields=True, frozen=True, kw_only=True, tag="toy-picture"):
    stages: list[Stage]

    @property
    def all_stages(self) -> Sequence[Stage]:
        return self.stages


class ToyTraining(Training):
    def build(self):
        torch.manual_seed(self.recipe.seed)
        return Toy(configured(self.recipe, PRESETS))

    def load(self, data, progress):
        pictures, held_out = hold_out(load_pictures(data, 64, progress), self.recipe.held_out)
        return Crops(pictures, self.recipe.seed, 0.0), held_out

    def initialise(self, source):
        """Random weights."""

    def loss(self, source, stage):
        x = torch.from_numpy(source.batch(self.step, stage.batch, 64)).float() / 255
        quality = torch.full((len(x),), 4.0)
        coded = self.model.code(self.model.g_a(x - 0.5), quality)
        x_hat = self.model.g_s(self.model.restored(coded.y, quality)) + 0.5
        bpp = (coded.y_bits + coded.z_bits).mean() / 64**2
        return bpp + lambdas_of("mse")[3] * (x - x_hat).square().mean()

    def evaluate(self, held_out):
        return {"none": [0.0]}

    def describe(self, result):
        return "measured"

    def export(self, path):
        return export("toy-picture", self.average, "mse", path)


def work(network):
    counter = Counter()
    with torch.no_grad(), counter.counting():
        y = network.g_a(torch.zeros(1, 3, HEIGHT, WIDTH, device="meta"))
    kmac = {"analysis": counter.kmac, "prior": 0.0, "synthesis": counter.kmac}
    assert y.shape[2:] == (HEIGHT // STRIDE, WIDTH // STRIDE)
    return Work(parameters_of(network), kmac)


HERE = "tests.systems.toy_picture"
ROW = System(
    name="toy-picture",
    kind="picture",
    metrics=("mse",),
    code=250,
    config=f"{HERE}:ToyConfig",
    presets=f"{HERE}:PRESETS",
    model=f"{HERE}:ToyModel",
    network=f"{HERE}:Toy",
    graphs=f"{HERE}:graphs",
    work=f"{HERE}:work",
    recipe=f"{HERE}:ToyRecipe",
    training=f"{HERE}:ToyTraining",
)

"""What an estimator runs of flow-deeppynet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowcodec.models.flow_deeppynet.config import FIRST_MATCHED
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.nn.graph import Graph

HEIGHT, WIDTH = 96, 64  # pixels, of the examples


class Features(nn.Module):
    """A picture (3, H, W) in [0, 1] -> features (C, h, w) of the levels that are matched."""

    def __init__(self, network: DeepPyNet):
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        levels = self.network.features(picture[None])[FIRST_MATCHED - 1 :]
        return tuple(level[0] for level in levels)


class FlowBetween(nn.Module):
    """Two pictures (3, H, W), features of the first, features of the second -> flow (2, H, W)."""

    def __init__(self, network: DeepPyNet):
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor, *features: Tensor) -> Tensor:
        levels = [level[None] for level in features]
        finer = levels[:1] * (FIRST_MATCHED - 1)  # which nothing looks at
        ours, theirs = levels[: len(levels) // 2], levels[len(levels) // 2 :]
        return self.network.flow_between(first[None], second[None], finer + ours, finer + theirs)[0]


def graphs(network: DeepPyNet) -> list[Graph]:
    """Of one picture, and of a pair."""
    sides = dict(zip(("first", "second"), torch.rand(2, 3, HEIGHT, WIDTH), strict=True))
    pixels = {1: "height", 2: "width"}
    with torch.no_grad():
        features = {side: Features(network)(picture) for side, picture in sides.items()}
    names = [f"level{FIRST_MATCHED + place}" for place in range(len(features["first"]))]
    sizes = {name: {1: f"rows_{name}", 2: f"columns_{name}"} for name in names}
    levels = {
        f"{side}_{name}": level
        for side, found in features.items()
        for name, level in zip(names, found, strict=True)
    }
    return [
        Graph(
            "features",
            Features(network),
            {"picture": sides["first"]},
            tuple(names),
            {"picture": pixels, **sizes},
        ),
        Graph(
            "flow",
            FlowBetween(network),
            {**sides, **levels},
            ("flow",),
            dict.fromkeys((*sides, "flow"), pixels)
            | {name: sizes[name.split("_")[1]] for name in levels},
        ),
    ]

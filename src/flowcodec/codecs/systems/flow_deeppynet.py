"""How flow-deeppynet's networks estimate motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.finite import check_finite
from flowcodec.codecs.runtime import Network
from flowcodec.codecs.weights import Weights
from flowcodec.models.flow_deeppynet.config import FIRST_MATCHED, SMALLEST, DeepPyNetConfig

SMALL = 16 << 20  # bytes: pictures of half a megapixel are larger, with their features


@dataclass(frozen=True, eq=False)
class PyramidFeatures:
    """A picture (3, H, W) in [0, 1], and features (C, h, w) of its levels, fine to coarse."""

    picture: NDArray[np.float32]
    levels: list[NDArray[np.float32]]


class DeepPyNetModel:
    """A `FlowModel`."""

    smallest = SMALLEST

    def __init__(
        self, weights: Weights[DeepPyNetConfig], device: str = "cpu", threads: int | None = None
    ):
        self.weights = weights
        self._features = Network(weights, "features", device, threads, SMALL)
        self._flow = Network(weights, "flow", device, threads, SMALL)

    def features(self, picture: NDArray[np.float32]) -> PyramidFeatures:
        """As `FlowModel.features`."""
        return PyramidFeatures(picture, self._features(picture=picture))

    def flow_between(self, first: PyramidFeatures, second: PyramidFeatures) -> NDArray[np.float32]:
        """As `FlowModel.flow_between`."""
        flow: NDArray[np.float32] = self._flow(**_named("first", first), **_named("second", second))
        check_finite(flow, "the estimate of motion", self.weights)
        return flow

    def flow(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `FlowModel.flow`."""
        return self.flow_between(self.features(first), self.features(second))


def _named(side: str, features: PyramidFeatures) -> dict[str, Any]:
    """As the graph calls them."""
    levels = enumerate(features.levels, FIRST_MATCHED)
    return {side: features.picture, **{f"{side}_level{number}": level for number, level in levels}}

"""What the coding loops know of a system: these protocols, and nothing else.

Each is made from weights, a device of ONNX Runtime and a number of threads (None: its choice), and
keeps no state between calls. Quality is in thousandths, as files have it.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.weights import Weights
from flowcodec.entropy.prior import ExactPrior

Frame = NDArray[np.uint8]


class PictureModel(Protocol):
    """Transforms and prior of a picture codec.

    stride: pixels a side that a latent stands for; reach: pixels beyond a tile that change it;
    grid: pixels, at multiples of which transforms may begin, so that they see what they see in the
    whole picture; channels: of the latents y; fixed: how many of the first are decisions, which no
    price moves.
    """

    stride: int
    reach: int
    grid: int
    channels: int
    fixed: int
    prior: ExactPrior

    def analyse(
        self, pixels: Frame, quality: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(h * stride, w * stride, 3) samples -> latents before their gain (M, h, w), and the gain
        (M, 1, 1)."""

    def hyper_analyse(self, y: NDArray[np.float32], quality: int) -> NDArray[np.int64]:
        """Latents of a tile before their gain (M, h, w) -> z (N, k, l)."""

    def synthesise(self, y: NDArray[np.float32], quality: int) -> Frame:
        """Gained latents (M, h, w) -> samples (h * stride, w * stride, 3)."""

    def without_refinement(self) -> PictureModel | None:
        """This model, but what refines the decoded picture left out; None where nothing does."""


class CodedInter(Protocol):
    """A coded inter frame: its range code, and the CRC-32 of the latents that it stands for."""

    @property
    def data(self) -> bytes: ...

    @property
    def hash(self) -> int: ...


class InterModel(Protocol):
    """What codes a frame (H, W, 3) from a state; states are values, and nothing else remembers."""

    weights: Weights[Any]
    prior_hash: bytes

    def start(self, frame: Frame) -> Any:
        """The state after a frame that stood alone."""

    def encode(self, frame: Frame, state: Any, quality: int) -> tuple[CodedInter, Any]:
        """The coded frame, and the state after it."""

    def decode(self, data: bytes, hash: int, state: Any, quality: int) -> Any:
        """The state after a coded frame; FormatError where that is damaged."""

    def shown(self, state: Any) -> Frame:
        """The frame that a decoder shows in a state."""


class Features(Protocol):
    """All that an estimator of motion needs to know of a picture (3, H, W): a value, so that those
    of a frame of a video, which is the first of one pair and the second of another, are found
    once."""

    @property
    def picture(self) -> NDArray[np.float32]: ...


class FlowModel(Protocol):
    """An estimator of motion, channel 0 to the right and channel 1 down, in pixels.

    smallest: pixels a side of a picture, at least.
    """

    weights: Weights[Any]
    smallest: int

    def features(self, picture: NDArray[np.float32]) -> Any:
        """Features of a picture (3, H, W) in [0, 1], as the first or as the second of a pair."""

    def flow_between(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Features of two pictures of one size -> (2, H, W), from pixels of the first picture to
        the second."""

    def flow(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same of two pictures (3, H, W), of which no features are kept."""

"""Optical flow of two pictures: what `flowcodec.load("flow-deeppynet")` returns."""

from __future__ import annotations

from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcodec.codecs.finite import check_finite
from flowcodec.codecs.running import device_called, running
from flowcodec.codecs.weights import Weights
from flowcodec.errors import UsageError, WeightsError
from flowcodec.models.flow_deeppynet.config import SMALLEST, DeepPyNetConfig
from flowcodec.models.flow_deeppynet.model import DeepPyNet


class FlowEstimator:
    """Estimates motion with one set of weights. Create it with `flowcodec.load`.

    Flow maps pixels of the first picture to the second: channel 0 is x to the right, channel 1 is
    y down, in pixels.
    """

    def __init__(
        self,
        weights: Weights[DeepPyNetConfig],
        *,
        device: str = "cpu",
        threads: int | None = None,
    ):
        self.weights, self.threads = weights, threads
        self.device = device_called(device)
        with torch.random.fork_rng(devices=[]):
            model = DeepPyNet(weights.config)
        restore(model, weights)
        self.model = model.to(self.device).eval()

    @overload
    def flow(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]: ...

    @overload
    def flow(self, first: Tensor, second: Tensor) -> Tensor: ...

    def flow(
        self, first: NDArray[np.uint8] | Tensor, second: NDArray[np.uint8] | Tensor
    ) -> NDArray[np.float32] | Tensor:
        """From first to second, both of one size from 16x16 up.

        Arrays: uint8 (H, W, 3), (H, W, 1) or (H, W) -> float32 (H, W, 2).
        Tensors: float (B, 3 or 1, H, W) in [0, 1] -> float32 (B, 2, H, W) on the same device.
        UsageError for other shapes and types.
        """
        if isinstance(first, Tensor) and isinstance(second, Tensor):
            # A copy made outside of inference is a tensor that autograd takes like any other.
            return self._estimate(first, second).to(first.device).clone()
        if isinstance(first, Tensor) or isinstance(second, Tensor):
            raise UsageError("flow takes two arrays or two tensors, not one of each")
        vectors = self._estimate(_as_tensor(first), _as_tensor(second))[0]
        return vectors.permute(1, 2, 0).contiguous().cpu().numpy()

    def _estimate(self, first: Tensor, second: Tensor) -> Tensor:
        for x in (first, second):
            if x.ndim != 4 or x.shape[1] not in (1, 3) or not x.is_floating_point():
                raise UsageError("flow takes float tensors (B, 3, H, W) or uint8 arrays (H, W, 3)")
        if first.shape[2:] != second.shape[2:]:
            raise UsageError(
                f"flow takes two pictures of one size, not {_size(first)} and {_size(second)}"
            )
        if first.shape != second.shape:
            raise UsageError(
                "flow takes two pictures of one kind, and as many, not"
                f" {tuple(first.shape)} and {tuple(second.shape)}"
            )
        if min(first.shape[2:]) < SMALLEST:
            raise UsageError(
                f"flow needs pictures of at least {SMALLEST}x{SMALLEST} pixels, not {_size(first)}"
            )
        with running(self.threads):
            pictures = (
                x.to(self.device, torch.float32).expand(-1, 3, -1, -1) for x in (first, second)
            )
            flow = self.model(*pictures)
            check_finite(flow, "the estimate of motion", self.weights)
            return flow


def restore(model: DeepPyNet, weights: Weights[DeepPyNetConfig]) -> None:
    """Put the tensors of a weight file into the network; WeightsError where they do not fit."""
    try:
        model.load_state_dict({n: torch.from_numpy(t) for n, t in weights.transforms.items()})
    except RuntimeError as error:
        raise WeightsError(f"{weights.path}: the tensors are not those of its model") from error


def _as_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """(H, W, C) or (H, W) in 8 bits -> (1, C, H, W) in [0, 1]."""
    if not isinstance(picture, np.ndarray):
        raise UsageError(f"flow takes uint8 arrays (H, W, 3), not {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise UsageError(f"flow takes uint8 arrays (H, W, 3), not {picture.dtype} {picture.shape}")
    if picture.ndim == 2:
        picture = picture[..., None]
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255


def _size(x: Tensor) -> str:
    return f"{x.shape[-1]}x{x.shape[-2]}"

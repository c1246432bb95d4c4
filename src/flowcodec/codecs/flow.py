"""Optical flow of two pictures: what `flowcodec.load` returns of an estimator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.protocols import Features, FlowModel, Frame
from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.codecs.weights import Weights
from flowcodec.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

ARRAYS = "flow takes uint8 arrays (H, W, 3)"
TENSORS = "flow takes float tensors (B, 3, H, W) or uint8 arrays (H, W, 3)"


class FlowEstimator:
    """Estimates motion with one set of weights. Create it with `flowcodec.load`.

    Flow maps pixels of the first picture to the second: channel 0 is x to the right, channel 1 is
    y down, in pixels.
    """

    def __init__(self, weights: Weights[Any], *, device: str = "cpu", threads: int | None = None):
        self.weights = weights
        self.model: FlowModel = imported(SYSTEMS[weights.model].model)(weights, device, threads)

    @overload
    def flow(self, first: Frame, second: Frame) -> NDArray[np.float32]: ...

    @overload
    def flow(self, first: Tensor, second: Tensor) -> Tensor: ...

    def flow(self, first: Frame | Tensor, second: Frame | Tensor) -> NDArray[np.float32] | Tensor:
        """From first to second, both of one size from 16x16 up.

        Arrays: uint8 (H, W, 3), (H, W, 1) or (H, W) -> float32 (H, W, 2).
        Tensors of torch: float (B, 3 or 1, H, W) in [0, 1] -> float32 (B, 2, H, W) on the same
        device, outside of autograd. UsageError for other shapes and types.
        """
        torch = sys.modules.get("torch")
        tensors = [torch is not None and isinstance(x, torch.Tensor) for x in (first, second)]
        if not any(tensors):
            a, b = _planes(first), _planes(second)
            self._check(a[None], b[None])
            return _upright(self.model.flow(*map(_coloured, (a, b))))
        if not all(tensors):
            raise UsageError("flow takes two arrays or two tensors, not one of each")
        pictures: Any = (first, second)
        if not all(x.is_floating_point() for x in pictures):
            raise UsageError(TENSORS)
        batches = [x.detach().cpu().float().numpy() for x in pictures]
        self._check(*batches)
        found = [self.model.flow(*map(_coloured, pair)) for pair in zip(*batches, strict=True)]
        return torch.from_numpy(np.stack(found)).to(pictures[0].device)  # type: ignore[union-attr]

    def features(self, picture: Frame) -> Features:
        """All that `flow_between` needs to know of a picture, uint8 as `flow` has it.

        In a video each frame is the first of one pair and the second of another: kept, features
        are found once.
        """
        planes = _planes(picture)
        self._check(planes[None], planes[None])
        return self.model.features(_coloured(planes))

    def flow_between(self, first: Features, second: Features) -> NDArray[np.float32]:
        """Features of two pictures of one size -> their flow, float32 (H, W, 2)."""
        self._check(first.picture[None], second.picture[None])
        return _upright(self.model.flow_between(first, second))

    def _check(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        """UsageError unless these are as many pictures (B, C, H, W) of one size and kind."""
        for x in (first, second):
            if x.ndim != 4 or x.shape[1] not in (1, 3):
                raise UsageError(TENSORS)
        if first.shape[2:] != second.shape[2:]:
            raise UsageError(
                f"flow takes two pictures of one size, not {_size(first)} and {_size(second)}"
            )
        if first.shape != second.shape:
            raise UsageError(
                f"flow takes two pictures of one kind, and as many, not {first.shape} and"
                f" {second.shape}"
            )
        smallest = self.model.smallest
        if min(first.shape[2:]) < smallest:
            raise UsageError(
                f"flow needs pictures of at least {smallest}x{smallest} pixels, not {_size(first)}"
            )


def _planes(picture: Any) -> NDArray[np.float32]:
    """(H, W, C) or (H, W) in 8 bits -> (C, H, W) in [0, 1]."""
    if not isinstance(picture, np.ndarray):
        raise UsageError(f"{ARRAYS}, not {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise UsageError(f"{ARRAYS}, not {picture.dtype} {picture.shape}")
    planes = np.atleast_3d(picture).transpose(2, 0, 1)
    return np.divide(planes, 255, dtype=np.float32, order="C")


def _coloured(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3 or 1, H, W) -> (3, H, W)."""
    return np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])))


def _upright(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, H, W) -> (H, W, 2)."""
    return np.ascontiguousarray(flow.transpose(1, 2, 0))


def _size(x: NDArray[Any]) -> str:
    return f"{x.shape[-1]}x{x.shape[-2]}"

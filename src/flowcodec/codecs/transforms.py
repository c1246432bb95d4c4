"""The pixel path behind a narrow door: arrays in, arrays out.

Everything behind it is floating point and may differ in the last bit between machines; nothing of
it decides a probability.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs import numpy_transforms
from flowcodec.codecs.weights import Weights
from flowcodec.models.image_cnn.config import ImageCnnConfig


class Transforms(Protocol):
    """g_a, h_a and g_s of a weight file. Quality is in thousandths, as in files."""

    def analyse(
        self, pixels: NDArray[np.uint8], quality: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(16h, 16w, 3) samples -> latents before their gain (M, h, w), and the gain (M, 1, 1)."""

    def hyper_analyse(self, y: NDArray[np.float32], quality: int) -> NDArray[np.int64]:
        """Latents of a tile before their gain (M, h, w) -> z (N, ceil(h/4), ceil(w/4))."""

    def synthesise(self, y: NDArray[np.float32], quality: int) -> NDArray[np.uint8]:
        """Gained latents (M, h, w) -> samples (16h, 16w, 3)."""


def open_transforms(
    weights: Weights[ImageCnnConfig], device: str, threads: int | None
) -> Transforms:
    """NumPy where it can do the work, since importing torch takes longer than coding a picture."""
    if device == "cpu" and numpy_transforms.fits(weights.config):
        return numpy_transforms.NumpyTransforms(weights)
    from flowcodec.codecs.torch_transforms import TorchTransforms

    return TorchTransforms(weights, device, threads)

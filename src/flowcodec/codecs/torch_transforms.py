"""The pixel path in torch: networks of every kind, on every device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from flowcodec.codecs.finite import check_finite
from flowcodec.codecs.running import device_called, running
from flowcodec.codecs.weights import Weights
from flowcodec.errors import WeightsError
from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_cnn.model import ImageCnn


class TorchTransforms:
    """g_a, h_a and g_s of a weight file, on a torch device.

    `threads` limits torch while a call runs.
    """

    def __init__(
        self, weights: Weights[ImageCnnConfig], device: str = "cpu", threads: int | None = None
    ):
        self.weights, self.device, self.threads = weights, device_called(device), threads
        # Not on the meta device: its initialisers import torch._dynamo, two seconds' worth.
        with torch.random.fork_rng(devices=[]):
            model = ImageCnn(weights.config)
        state = {n: torch.from_numpy(t) for n, t in weights.transforms.items()}
        if "g_a.klt.weight" in state:  # one tensor for both transforms, stored once
            state["g_s.klt.weight"] = state["g_a.klt.weight"]
        if set(state) != {n for n in model.state_dict() if not n.startswith("prior.")}:
            raise WeightsError(f"{weights.path}: the tensors are not those of its model")
        try:
            model.load_state_dict(state, strict=False)
            model.prior.restore(weights.prior)
        except (RuntimeError, KeyError) as error:
            raise WeightsError(f"{weights.path}: tensors of a wrong shape: {error}") from error
        self.model = model.to(self.device).eval()

    def analyse(
        self, pixels: NDArray[np.uint8], quality: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `Transforms.analyse`."""
        with running(self.threads):
            x = torch.from_numpy(np.array(pixels, np.float32) / 255).to(self.device)
            x = x.permute(2, 0, 1)[None]
            y, gain = self.model.analyse(x, self._quality(quality))
            check_finite(y, "the analysis g_a", self.weights)
            return y[0].float().cpu().numpy(), gain[0].cpu().numpy()

    def hyper_analyse(self, y: NDArray[np.float32], quality: int) -> NDArray[np.int64]:
        """As `Transforms.hyper_analyse`."""
        with running(self.threads):
            z = self.model.hyper_analyse(
                torch.from_numpy(y).to(self.device)[None], self._quality(quality)
            )
            check_finite(z, "the hyper-analysis h_a", self.weights)
            return z[0].long().cpu().numpy()

    def synthesise(self, y: NDArray[np.float32], quality: int) -> NDArray[np.uint8]:
        """As `Transforms.synthesise`."""
        with running(self.threads):
            latents = torch.from_numpy(y.astype(np.float32)).to(self.device)[None]
            latents = latents.contiguous(memory_format=torch.channels_last)
            x = self.model.synthesise(latents, self._quality(quality))[0]
            check_finite(x, "the synthesis g_s", self.weights)
            x = x.float().mul_(255).round_().clamp_(0, 255).to(torch.uint8)
            return x.permute(1, 2, 0).contiguous().cpu().numpy()

    def _quality(self, quality: int) -> torch.Tensor:
        return torch.tensor([quality / 1000], device=self.device)

"""The KLT start: at step 0 the patch transform *is* the best linear transform codec."""

from __future__ import annotations

import math

import numpy as np
import torch

from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import PATCH, PatchAnalysis, PatchSynthesis


def fit_klt(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of patches (n, 3*16*16) in [-1/2, 1/2], channel-major.

    Returns (variances, components), largest first; components are columns. The mean is not
    subtracted: it lies along the first component.
    """
    covariance = patches.T.astype(np.float64) @ patches / len(patches)
    variances, components = np.linalg.eigh(covariance)
    return variances[::-1].copy(), components[:, ::-1].copy()


def quantiser_step(rate_weight: float) -> float:
    """The uniform quantiser's step (in 255ths) that minimises R + lambda * 255^2 * MSE.

    At high rate MSE = step^2/12 and R = -3 log2(step) bits a pixel, so step^2 = 18/(ln 2 lambda);
    at the rates of pictures a dead zone of zeros makes a smaller one better (0.8 of it).
    """
    return 0.8 * math.sqrt(18 / (math.log(2) * rate_weight))


def start_from_klt(model: ImageCnn, patches: np.ndarray, rate_weights: list[float]) -> None:
    """Set g_a, g_s and the gains so that the codec is the KLT with a uniform quantiser."""
    assert isinstance(model.g_a, PatchAnalysis) and isinstance(model.g_s, PatchSynthesis)
    variances, components = fit_klt(patches)
    latent = model.config.latent
    basis = torch.from_numpy(components[:, :latent].T.copy()).float().view(latent, 3, PATCH, PATCH)
    spread = torch.from_numpy(np.sqrt(variances[:latent])).float()
    with torch.no_grad():
        for transform in (model.g_a, model.g_s):
            transform.klt.weight.copy_(basis)
            transform.klt.bias.zero_()  # type: ignore[union-attr]
            transform.spread.copy_(spread[:, None, None])
        for index, weight in enumerate(rate_weights):
            gain = torch.log2(spread * 255 / quantiser_step(weight))
            model.prior.log_gain.table[index] = gain
            model.log_inverse_gain.table[index] = gain

"""The KLT start: at step 0 the patch transform *is* the best linear transform codec."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import PatchAnalysis, PatchSynthesis
from flowcodec.nn.klt import SMALLEST_SPREAD, dct, fit_klt, left_by, quantiser_step, spread_of
from flowcodec.nn.patches import PATCH, Planes
from flowcodec.nn.planes import to_planes

ERROR_PATCHES = 4096  # enough for the spread of 192 coefficients


def start_from_klt(model: ImageCnn, patches: np.ndarray, rate_weights: list[float]) -> None:
    """Set g_a, g_s and the gains so that the codec is the KLT with a uniform quantiser.

    patches (n, 3*16*16): RGB in [-1/2, 1/2], channel-major.
    """
    assert isinstance(model.g_a, PatchAnalysis) and isinstance(model.g_s, PatchSynthesis)
    planes = model.g_a.planes
    patches = patches_in(planes, patches)
    variances, components = fit_klt(patches)
    latent = model.config.latent
    basis = torch.from_numpy(components[:, :latent].T.copy()).float()
    variances = np.maximum(variances[:latent], SMALLEST_SPREAD**2)  # gray pictures leave zeros
    spread = torch.from_numpy(np.sqrt(variances)).float()
    start_gains(model, rate_weights, torch.log2(spread))
    some = torch.from_numpy(patches[:: max(1, len(patches) // ERROR_PATCHES)]).float()
    coefficient_spread = spread_of(dct(some, planes))
    errors = [left_by(quantiser_step(weight) / 255, some, basis, planes) for weight in rate_weights]
    with torch.no_grad():
        for transform in (model.g_a, model.g_s):
            transform.klt.weight.copy_(basis.view_as(transform.klt.weight))
            transform.klt.bias.zero_()  # type: ignore[union-attr]
            transform.spread.copy_(spread[:, None, None])
            transform.correction.spread.copy_(coefficient_spread[:, None, None])
            transform.correction.log_error.table.copy_(torch.log2(torch.stack(errors)))


def patches_in(planes: Planes, patches: np.ndarray) -> np.ndarray:
    """RGB patches (n, 3*16*16) as patches of those planes (n, channels * patch^2)."""
    x = torch.from_numpy(patches).view(-1, 3, PATCH, PATCH)
    return to_planes(x, planes).flatten(1).numpy()


def start_gains(
    model: ImageCnn, rate_weights: list[float], log_spread: Tensor | None = None
) -> None:
    """Set the gains so that each quality quantises y, of unit variance, in its own steps.

    rate_weights: lambda of the eight anchors; log_spread: log2 of what a unit of each channel is
    in pixels, one value in [0, 1] if absent.
    """
    with torch.no_grad():
        for index, weight in enumerate(rate_weights):
            gain = math.log2(255 / quantiser_step(weight))
            for table in model.gain_tables:
                table[index, -model.config.latent :] = (
                    gain if log_spread is None else log_spread + gain
                )
            if isinstance(model.g_a, PatchAnalysis) and isinstance(model.g_s, PatchSynthesis):
                for transform in (model.g_a, model.g_s):
                    transform.correction.log_error.table[index] = -gain

"""The KLT start: at step 0 the patch transform *is* the best linear transform codec."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flowcodec.models.image_cnn.config import BLOCK, PATCH
from flowcodec.models.image_cnn.dct import dct_basis
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import PatchAnalysis, PatchSynthesis

ERROR_PATCHES = 4096  # enough for the spread of 192 coefficients
SMALLEST_SPREAD = 2.0**-12  # a sixteenth of a 255th; below 2^-14, 16-bit floats lose digits


def fit_klt(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of patches (n, 3*16*16) in [-1/2, 1/2], channel-major.

    Returns (variances, components), largest first; components are columns. The mean is not
    subtracted: it lies along the first component.
    """
    covariance = patches.T.astype(np.float64) @ patches / len(patches)
    variances, components = np.linalg.eigh(covariance)
    return variances[::-1].copy(), components[:, ::-1].copy()


def quantiser_step(rate_weight: float) -> float:
    """The uniform quantiser's step (in 255ths) to start from at a lambda for 255^2 * MSE.

    At high rate MSE = step^2/12 and R = -3 log2(step) bits a pixel, so that R + lambda MSE is
    least at step^2 = 18/(ln 2 lambda). We start from 0.8 of that at lambda 0.18, times a factor
    that grows to 1.45 as lambda falls to a hundredth, where most latents are zero; training
    moves the gains from there.
    """
    return 0.8 * math.sqrt(18 / (math.log(2) * rate_weight)) * (0.18 / rate_weight) ** 0.08


def start_from_klt(model: ImageCnn, patches: np.ndarray, rate_weights: list[float]) -> None:
    """Set g_a, g_s and the gains so that the codec is the KLT with a uniform quantiser."""
    assert isinstance(model.g_a, PatchAnalysis) and isinstance(model.g_s, PatchSynthesis)
    variances, components = fit_klt(patches)
    latent = model.config.latent
    basis = torch.from_numpy(components[:, :latent].T.copy()).float().view(latent, 3, PATCH, PATCH)
    variances = np.maximum(variances[:latent], SMALLEST_SPREAD**2)  # gray pictures leave zeros
    spread = torch.from_numpy(np.sqrt(variances)).float()
    start_gains(model, rate_weights, torch.log2(spread))
    some = torch.from_numpy(patches[:: max(1, len(patches) // ERROR_PATCHES)]).float()
    coefficient_spread = spread_of(dct(some))
    errors = [
        left_by(quantiser_step(weight) / 255, some, basis.flatten(1)) for weight in rate_weights
    ]
    with torch.no_grad():
        for transform in (model.g_a, model.g_s):
            transform.klt.weight.copy_(basis)
            transform.klt.bias.zero_()  # type: ignore[union-attr]
            transform.spread.copy_(spread[:, None, None])
            transform.correction.spread.copy_(coefficient_spread[:, None, None])
            transform.correction.log_error.table.copy_(torch.log2(torch.stack(errors)))


def left_by(step: float, patches: Tensor, basis: Tensor) -> Tensor:
    """Root mean square, by coefficient of the corrections, of the error of quantised patches."""
    y = torch.round(patches @ basis.T / step) * step
    return spread_of(dct(patches - y @ basis))


def dct(patches: Tensor) -> Tensor:
    """Coefficients of patches (n, 3*16*16) in which corrections are made, (n, 192, 2, 2)."""
    basis = torch.from_numpy(dct_basis())
    return F.conv2d(patches.view(-1, 3, PATCH, PATCH), basis, stride=BLOCK)


def spread_of(coefficients: Tensor) -> Tensor:
    """Root of the mean square of each channel, at least `SMALLEST_SPREAD`."""
    return coefficients.square().mean((0, 2, 3)).sqrt().clamp(min=SMALLEST_SPREAD)


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

"""The best linear transform of patches, and what quantising it leaves."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from flowcodec.nn.blockwise import analyse
from flowcodec.nn.patches import Planes, dct_basis

SMALLEST_SPREAD = 2.0**-12  # a sixteenth of a 255th; below 2^-14, 16-bit floats lose digits


def fit_klt(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of patches (n, any) around zero.

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


def left_by(step: float, patches: Tensor, basis: Tensor, planes: Planes) -> Tensor:
    """Root mean square, by coefficient of the corrections, of the error of quantised patches."""
    y = torch.round(patches @ basis.T / step) * step
    return spread_of(dct(patches - y @ basis, planes))


def dct(patches: Tensor, planes: Planes) -> Tensor:
    """Coefficients of patches (n, channels * patch^2), channel-major, in which corrections are
    made: (n, coefficients, 2, 2)."""
    basis = torch.from_numpy(dct_basis(planes))
    shaped = patches.view(-1, planes.channels, planes.patch, planes.patch)
    return analyse(shaped, basis)


def spread_of(coefficients: Tensor) -> Tensor:
    """Root of the mean square of each channel, at least `SMALLEST_SPREAD`."""
    return coefficients.square().mean((0, 2, 3)).sqrt().clamp(min=SMALLEST_SPREAD)

"""The start of the patch transform: at step 0 the codec is a KLT of what an estimated flow leaves.

The flow goes through in blocks as it is, alpha is one, and nothing is corrected.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flowcodec.models.video_mofnet.codec import PatchCodec
from flowcodec.models.video_mofnet.config import FLOW_UNIT
from flowcodec.models.video_mofnet.model import VideoMofNet
from flowcodec.nn.correction import Correction
from flowcodec.nn.klt import SMALLEST_SPREAD, dct, fit_klt, left_by, quantiser_step, spread_of
from flowcodec.nn.patches import PATCH, RGB

FLOW_STEPS = (1.0, 0.25)  # pixels, of the quantiser of flow at the qualities 1 and 8
ERROR_PATCHES = 4096


@torch.no_grad()
def start_from_klt(
    model: VideoMofNet, x: Tensor, prediction: Tensor, rate_weights: list[float]
) -> None:
    """Set transform and gains by frames and their predictions, (B, 3, 16h, 16w) in [0, 1]."""
    transform = model.codec.transform
    assert isinstance(transform, PatchCodec)
    latent = model.config.latent
    left = patches_of(x - prediction)
    variances, components = fit_klt(left.numpy())
    basis = torch.from_numpy(components[:, :latent].T.copy()).float()
    spread = torch.from_numpy(np.sqrt(np.maximum(variances[:latent], SMALLEST_SPREAD**2))).float()
    transform.klt.weight.copy_(basis.view(latent, 3, PATCH, PATCH))
    transform.spread.copy_(spread[:, None, None])
    before, after = transform.correction
    assert isinstance(before, Correction) and isinstance(after, Correction)
    before.spread.copy_(spread_of(dct(left, RGB))[:, None, None])
    after.spread.copy_(spread_of(dct(patches_of(x - 0.5), RGB))[:, None, None])
    some = left[:: max(1, len(left) // ERROR_PATCHES)]
    steps = [quantiser_step(weight) / 255 for weight in rate_weights]
    errors = torch.log2(torch.stack([left_by(step, some, basis, RGB) for step in steps]))
    for correction in (before, after):
        correction.log_error.table.copy_(errors)
    for index, step in enumerate(steps):
        for table in model.codec.gain_tables:
            table[index] = torch.log2(spread) - math.log2(step)
    first, last = (math.log2(FLOW_UNIT / step) for step in FLOW_STEPS)
    ladder = torch.linspace(first, last, len(steps))[:, None]
    for table in model.motion.gain_tables:
        table.copy_(ladder.expand_as(table))


def patches_of(x: Tensor) -> Tensor:
    """(B, C, 16h, 16w) -> all patches, channel-major: (n, C*16*16)."""
    found = F.unfold(x.cpu(), PATCH, stride=PATCH)
    return found.transpose(1, 2).reshape(-1, found.shape[1])

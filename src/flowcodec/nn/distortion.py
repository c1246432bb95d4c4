"""What is lost of a picture, one value a picture, and what it is worth in bits."""

from __future__ import annotations

import torch
from torch import Tensor

from flowcodec.nn.patches import YUV420
from flowcodec.nn.planes import to_planes
from flowcodec.quality import ANCHORS


def distortion(metric: str, x: Tensor, x_hat: Tensor) -> Tensor:
    """x, x_hat (B, 3, H, W) on the scale of [0, 1] -> (B,): mean squared error, 1 - MS-SSIM, or,
    of sides that are even, the weighted squared error of planes in 4:2:0 ("yuv")."""
    if metric == "mse":
        return (x - x_hat).square().mean((1, 2, 3))
    if metric == "yuv":
        error = to_planes(x - x_hat, YUV420).square().sum((1, 2, 3))
        return error / (3 * x.shape[2] * x.shape[3])
    from pytorch_msssim import ms_ssim

    value: Tensor = ms_ssim(x_hat, x, data_range=1.0, size_average=False)
    return 1 - value


def lambda_of(lambdas: list[float], quality: Tensor) -> Tensor:
    """lambda at real qualities (B,), geometric between anchors."""
    logs = torch.log(torch.tensor(lambdas, device=quality.device))
    low = (quality - 1).floor().clamp(0, ANCHORS - 2).long()
    fraction = quality - 1 - low
    return torch.exp(logs[low] * (1 - fraction) + logs[low + 1] * fraction)

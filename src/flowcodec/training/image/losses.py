"""Distortions of training, one value a crop."""

from __future__ import annotations

from torch import Tensor


def distortion(metric: str, x: Tensor, x_hat: Tensor) -> Tensor:
    """x, x_hat (B, 3, H, W) on the scale of [0, 1] -> (B,): mean squared error or 1 - MS-SSIM."""
    if metric == "mse":
        return (x - x_hat).square().mean((1, 2, 3))
    from pytorch_msssim import ms_ssim

    value: Tensor = ms_ssim(x_hat, x, data_range=1.0, size_average=False)
    return 1 - value

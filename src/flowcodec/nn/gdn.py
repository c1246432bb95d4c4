"""Generalised divisive normalisation (Ballé et al. 2016), the activation of g_a and g_s."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.nn.straight_through import lower_bound


class GDN(nn.Module):
    """y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2); the inverse multiplies instead.

    Shapes (B, C, H, W) -> (B, C, H, W). beta starts at 1 and gamma at 1e-3 on the diagonal, so
    that the layer starts close to identity. Both are kept positive through their square roots.
    """

    def __init__(self, channels: int, *, inverse: bool = False):
        super().__init__()
        self.inverse = inverse
        self.beta_root = nn.Parameter(torch.ones(channels))
        self.gamma_root = nn.Parameter(torch.eye(channels) * 1e-3**0.5 + 1e-3)

    def forward(self, x: Tensor) -> Tensor:
        beta = lower_bound(self.beta_root, 1e-3) ** 2
        gamma = self.gamma_root**2
        norm = torch.sqrt(F.conv2d(x * x, gamma[:, :, None, None], beta))
        return x * norm if self.inverse else x / norm

"""Trunks on what they were never trained on."""

import torch
from torch import nn

from flowcodec.nn.blocks import GatedBlock


@torch.no_grad()
def test_gates_do_not_square_what_is_large_from_block_to_block() -> None:
    """Eight blocks with weights as large as trained ones: without a bound, 10^38 is passed."""
    torch.manual_seed(1)
    trunk = nn.Sequential(*[GatedBlock(32) for _ in range(8)])
    for name, weight in trunk.named_parameters():
        if name.endswith("second.weight"):
            weight *= 10
    x = torch.randn(1, 32, 16, 16)
    assert torch.isfinite(trunk(x)).all()
    assert trunk(1000 * x).abs().max() < 1e6 * trunk(x).abs().max()

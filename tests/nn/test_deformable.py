"""Deformable convolution, merging and expanding of patches."""

import pytest
import torch
import torch.nn.functional as F

from flowcodec.nn.deformable import (
    REACH,
    DeformableConv2d,
    DeformableExpanding,
    DeformableMerging,
)


@pytest.mark.parametrize("side", [1, 2, 4])
@torch.no_grad()
def test_it_begins_as_a_convolution_of_patches(side: int) -> None:
    torch.manual_seed(1)
    layer, x = DeformableConv2d(3, 5, side), torch.randn(2, 3, 8, 12)
    weight = layer.weight.weight.view(5, 3, side, side)
    wanted = F.conv2d(x, weight, layer.weight.bias, stride=side)
    torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_taps_are_taken_from_where_the_offsets_say() -> None:
    """Half a position to the right, and one up at most, however large the offset is."""
    torch.manual_seed(1)
    layer, x = DeformableConv2d(3, 5, 2), torch.randn(1, 3, 8, 12)
    layer.offsets.bias[:4] = torch.atanh(torch.tensor(0.5 / REACH))
    layer.offsets.bias[4:] = -50
    right = torch.cat([x[..., 1:], x[..., -1:]], 3)
    between = (x + right) / 2
    moved = torch.cat([between[:, :, :1], between[:, :, :-1]], 2)
    weight = layer.weight.weight.view(5, 3, 2, 2)
    wanted = F.conv2d(moved, weight, layer.weight.bias, stride=2)
    torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-5)


def test_merging_and_expanding_learn_where_to_look() -> None:
    torch.manual_seed(1)
    merging, expanding = DeformableMerging(3, 6), DeformableExpanding(6, 3)
    x = torch.randn(2, 3, 8, 12)
    inner = merging(x)
    assert inner.shape == (2, 6, 4, 6)
    out = expanding(inner)
    assert out.shape == x.shape
    (out - x).square().sum().backward()
    for part in (merging, expanding):
        gradient = part.convolution.offsets.weight.grad
        assert gradient is not None and gradient.any()

"""Transformer blocks with spatial reduction."""

import pytest
import torch
import torch.nn.functional as F

from flowcodec.nn.transformer import SpatialReductionAttention, TransformerBlock


@pytest.mark.parametrize("reduction", [1, 2])
@torch.no_grad()
def test_attention_is_what_its_equations_say(reduction: int) -> None:
    """Eq. 3.14 to 3.17, for the second of two windows, position by position."""
    torch.manual_seed(1)
    layer, x = SpatialReductionAttention(6, 2, reduction, 4), torch.randn(1, 6, 4, 8)
    window = x[0, :, :, 4:]
    patches = F.unfold(window[None], reduction, stride=reduction)[0].T  # channel-major
    patches = patches.view(-1, 6, reduction**2).transpose(1, 2).flatten(1)
    reduced = F.layer_norm(F.linear(patches, layer.reduce.weight, layer.reduce.bias), (6,))
    keys, values = layer.key_value(reduced).split(6, 1)
    for row, column in ((0, 0), (3, 2)):
        query = layer.query(window[:, row, column])
        heads = []
        for part in (slice(0, 3), slice(3, 6)):
            weights = torch.softmax(keys[:, part] @ query[part] / 3**0.5, 0)
            heads.append(weights @ values[:, part])
        wanted = layer.out(torch.cat(heads))
        torch.testing.assert_close(layer(x)[0, :, row, 4 + column], wanted, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_windows_do_not_see_each_other() -> None:
    torch.manual_seed(1)
    block, x = TransformerBlock(6, 2, 2, 4, 3), torch.randn(1, 6, 8, 8)
    before = block(x)
    x[:, :, 4:, 4:] += 1
    after = block(x)
    changed = (before != after).any(1)[0]
    assert changed[4:, 4:].all() and not changed[:4].any() and not changed[:, :4].any()


def test_what_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="4 heads of 6 channels"):
        SpatialReductionAttention(6, 4, 1, 4)
    with pytest.raises(ValueError, match="windows of 4 reduced 3-fold"):
        SpatialReductionAttention(6, 2, 3, 4)

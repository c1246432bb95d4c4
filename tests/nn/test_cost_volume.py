"""The cost volume by matrix products is the one taken displacement by displacement."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcodec.nn.cost_volume import cost_volume


def one_by_one(a: torch.Tensor, b: torch.Tensor, groups: int, radius: int) -> torch.Tensor:
    def unit(x: torch.Tensor) -> torch.Tensor:
        x = x.unflatten(1, (groups, -1))
        return x * torch.rsqrt(x.square().sum(2, keepdim=True) + 1e-8)

    a, b = unit(a), F.pad(unit(b), (radius,) * 4)
    height, width = a.shape[3:]
    found = [
        (a * b[..., dy : dy + height, dx : dx + width]).sum(2)
        for dy in range(2 * radius + 1)
        for dx in range(2 * radius + 1)
    ]
    return torch.stack(found, 2).flatten(1, 2)


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 2, 4]), st.integers(1, 4))
@settings(max_examples=30)
def test_values_and_gradients(height: int, width: int, groups: int, radius: int) -> None:
    torch.manual_seed(height * 100 + width)
    a, b = (
        torch.randn(2, 4, height, width, dtype=torch.double, requires_grad=True) for _ in range(2)
    )
    ours, theirs = cost_volume(a, b, groups, radius), one_by_one(a, b, groups, radius)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(theirs)
    for mine, other in zip(
        torch.autograd.grad((ours * weight).sum(), (a, b)),
        torch.autograd.grad((theirs * weight).sum(), (a, b)),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)

"""Updates are orthogonal whatever the gradient, and they train."""

import pytest
import torch
from torch import nn

from flowcodec.training.muon import Muon, is_matrix, orthogonalise


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (24, 24)])
@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, 0.5), (torch.bfloat16, 0.45)])
def test_updates_have_singular_values_near_one(
    shape: tuple[int, int], dtype: torch.dtype, least: float
) -> None:
    """Of each matrix of several, in the directions that it has."""
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(2, *shape), full_matrices=False)
    spectrum = torch.logspace(0, -1.5, min(shape))
    sizes = torch.tensor([1e-3, 1.0])[:, None, None]
    updates = orthogonalise((left * spectrum @ right * sizes).to(dtype)).float()
    assert updates.shape == (2, *shape)
    values = torch.linalg.svdvals(updates)
    assert values.min() > least and values.max() < 1.3
    kept = (left.mT @ updates @ right.mT).diagonal(dim1=1, dim2=2)
    assert (kept > least).all()


def test_a_convolution_is_found_again() -> None:
    torch.manual_seed(0)
    wanted, found = nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3)
    x = torch.randn(8, 4, 10, 10)
    with torch.no_grad():
        found.bias.copy_(wanted.bias)
        target = wanted(x)
    optimiser = Muon([{"params": [found.weight]}], lr=0.05)
    losses = []
    for step in range(150):
        optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / 150)
        optimiser.zero_grad()
        loss = (found(x) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 1e-3 * losses[0]


def test_matrices_are_convolutions_between_channels() -> None:
    assert is_matrix(torch.zeros(8, 4, 3, 3))
    assert not is_matrix(torch.zeros(8)) and not is_matrix(torch.zeros(8, 4))
    assert not is_matrix(torch.zeros(8, 1, 3, 3)) and not is_matrix(torch.zeros(3, 8, 1, 1)[:1])

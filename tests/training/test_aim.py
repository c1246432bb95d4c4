"""A change of metric or lambda moves the steps as the theory of high rate says."""

import pytest
import torch

from flowcodec.models.image_cnn.transforms import in_steps
from flowcodec.quality import lambdas_of
from flowcodec.training.aim import costs, start_masking
from flowcodec.training.image_cnn.aim import change_aim
from tests.models.networks import small
from tests.training.pictures import draw


@pytest.fixture
def x() -> torch.Tensor:
    """A smooth picture whose right half has a rough texture."""
    smooth = torch.from_numpy(draw(0, 192, 192).transpose(2, 0, 1).copy())[None].float() / 255
    rough = torch.randn(192, 192, generator=torch.Generator().manual_seed(1))
    rough[:, :96] = 0
    return (smooth + 0.15 * rough).clamp(0, 1)


def test_four_times_lambda_makes_half_the_steps(x: torch.Tensor) -> None:
    model = small("patch", "none", 1, False)
    before = model.prior.log_gain.table.clone()
    change_aim(model, x, ("mse", [1.0] * 8), ("mse", [4.0] * 8))
    for table in (model.prior.log_gain.table, model.log_inverse_gain.table):
        assert torch.allclose(table, before + 1)
    for transform in (model.g_a, model.g_s):
        error = transform.correction.log_error.table
        assert torch.allclose(error, torch.full_like(error, -1))


def test_ms_ssim_forgives_errors_where_there_is_contrast(x: torch.Tensor) -> None:
    model = small("patch", "none", 1, False, masking=True)
    start_masking(model.g_a.masking)
    octaves = in_steps(model.g_a.masking(x))
    assert octaves.std() > 0.25
    same = octaves.square().mean().sqrt().expand_as(octaves)  # about the same squared error
    basis = model.g_a.klt.weight
    spread, even = (costs(basis, x, "ms-ssim", o).mean() for o in (octaves, same))
    squared = [costs(basis, x, "mse", o).mean() for o in (octaves, same)]
    assert spread / squared[0] < even / squared[1]
    gains = model.prior.log_gain.table[:, 0].clone()
    change_aim(model, x, ("mse", lambdas_of("mse")), ("ms-ssim", lambdas_of("ms-ssim")))
    assert torch.equal(model.prior.log_gain.table[:, 0], gains)  # masking's own

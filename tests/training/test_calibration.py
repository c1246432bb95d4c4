"""The line search finds the gains of least loss, and leaves masking's alone."""

import math

import torch

from flowcodec.training.image_cnn.calibration import calibrate
from tests.models.networks import small


def test_gains_go_to_the_least_loss_of_each_quality() -> None:
    model = small("patch", "none", 1, False, masking=True)
    gains, inverses = model.prior.log_gain.table.data, model.log_inverse_gain.table.data
    start = gains.clone()
    goal = start + torch.linspace(-1, 1, 8)[:, None]
    goal[:, 9:] += 0.5  # another band

    def loss_at(anchor: int) -> float:
        return float((gains[anchor, 1:] - goal[anchor, 1:]).square().sum())

    calibrate(model, loss_at)
    assert torch.equal(gains, inverses)
    assert torch.equal(gains[:, 0], start[:, 0])
    assert (gains - goal)[:, 1:].abs().max() < 0.11


def test_a_loss_that_is_no_number_ends_the_search() -> None:
    model = small("patch", "none", 1, False)
    before = [table.clone() for table in model.gain_tables]
    calibrate(model, lambda anchor: math.nan)
    for table, kept in zip(model.gain_tables, before, strict=True):
        assert torch.allclose(table, kept)

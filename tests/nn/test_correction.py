"""What corrections see."""

import pytest
import torch

from flowcodec.nn.correction import Correction
from flowcodec.nn.patches import RGB, YUV420, Planes

GRAY = torch.tensor([1.0, 0.0, 0.0])  # of each colour of `dct_basis`, one that is gray


@pytest.mark.parametrize(
    ("planes", "step"), [(RGB, [1.0, 1.0, 1.0]), (YUV420, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0])]
)
@torch.no_grad()
def test_relief_is_a_small_step_between_blocks_at_any_brightness(
    planes: Planes, step: list[float]
) -> None:
    """Nothing in a flat picture; at a step of gray, in steps of what the quantiser leaves."""
    correction = Correction(4, 1, trunk="gated", planes=planes, relief=True)
    correction.log_error.table += -6  # an error of 1/64
    error = torch.full((1, planes.coefficients, 1, 1), 2.0**-6)
    flat = torch.full((1, planes.channels, 4 * planes.block, 6 * planes.block), 0.4)
    reliefs = []
    for x in (flat, flat.clone()):
        if reliefs:
            x[..., 3 * planes.block :] += 1e-3 * torch.tensor(step)[:, None, None]
        reliefs.append(correction._seen(x, error, None)[:, -9:].view(3, 3, 4, 6))
    assert reliefs[0].abs().max() < 1e-4
    gray_mean = 1e-3 * sum(step[:4]) ** 0.5 * planes.block  # orthonormal: as long as the step is
    for window, found in zip((1.0, 4.0, 16.0), reliefs[1], strict=True):
        expected = torch.zeros(6)
        expected[2:4] = torch.tensor([-1.0, 1.0]) * gray_mean / 3 / window * 2**6
        wanted = torch.tanh(expected) * GRAY[:, None]
        torch.testing.assert_close(found, wanted[:, None].expand(3, 4, 6), atol=1e-4, rtol=1e-3)

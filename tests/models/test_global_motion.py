"""What a camera did, found in the flow of blocks."""

import pytest
import torch

from flowcodec.models.video_mofnet.global_motion import LARGEST, estimate, field

PAN = [21.0, 0, 0, -10, 0, 0]
ZOOM = [3.0, 16, -2, 5, 1, 12]


def test_the_field_is_what_the_format_says() -> None:
    found = field(torch.tensor([[8.0, 16, 24, -8, 0, 4]]), 4, 5)
    assert found.shape == (1, 2, 4, 5)
    u, v = -1 + 1 / 5, -1 + 1 / 4  # the top left sample
    torch.testing.assert_close(found[0, :, 0, 0], torch.tensor([1 + 2 * u + 3 * v, -1 + v / 2]))


@pytest.mark.parametrize("camera", [PAN, ZOOM])
def test_a_third_of_the_frame_may_move_otherwise(camera: list[float]) -> None:
    torch.manual_seed(1)
    wanted = torch.tensor([camera])
    flow = field(wanted, 30, 40) + 0.02 * torch.randn(1, 2, 30, 40)
    flow[:, :, 12:, 18:] += torch.tensor([4.0, -7.0]).view(1, 2, 1, 1)
    assert (estimate(flow, linear=True) - wanted).abs().max() <= 1


def test_a_pan_has_two_numbers_and_each_of_a_batch_its_own() -> None:
    flow = torch.cat([field(torch.tensor([camera]), 16, 16) for camera in (PAN, ZOOM)])
    found = estimate(flow, linear=False)
    assert found[0].tolist() == PAN
    assert found[1, [1, 2, 4, 5]].abs().max() == 0


def test_most_of_a_frame_stands_still() -> None:
    """Whatever the rest does: the mean of all would be wrong everywhere."""
    flow = torch.zeros(1, 2, 20, 20)
    flow[:, :, :, 12:] = torch.linspace(-30, 30, 8)
    assert estimate(flow, linear=True).abs().max() == 0


def test_what_no_file_can_say_is_cut() -> None:
    found = estimate(torch.full((1, 2, 8, 8), 1e6), linear=True)
    assert found.abs().max() < LARGEST

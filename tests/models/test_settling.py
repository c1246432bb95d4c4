"""Flow that is cheaper to code, and as good where a picture tells motion."""

import pytest
import torch

from flowcodec.models.video_mofnet.settling import settled


def picture(height, width):
    """Plain on the left half, fine texture on the right one."""
    x = torch.full((1, 3, height, width), 0.5)
    torch.manual_seed(1)
    x[..., width // 2 :] += 0.2 * torch.randn(1, 1, height, width - width // 2)
    return x


@pytest.mark.parametrize("size", [(64, 128), (16, 16), (72, 200)])
def test_noise_of_a_plain_area_gives_way_and_textured_motion_stays(size):
    height, width = size
    torch.manual_seed(2)
    found = torch.randn(1, 2, height // 8, width // 8)
    flow = settled(found, picture(height, width), torch.tensor([4.0]))
    half = width // 16
    textured = (flow - found)[..., half + 1 :]
    assert textured.numel() == 0 or textured.abs().max() < 0.25
    plain = flow[..., : half - 1]
    assert plain.numel() == 0 or plain.std() < 0.4 * found[..., : half - 1].std()


def test_what_moves_as_one_is_left_alone():
    found = torch.tensor([3.0, -1.5])[None, :, None, None].expand(2, 2, 8, 12)
    flow = settled(found, picture(64, 96).expand(2, 3, 64, 96), torch.tensor([1.0, 8.0]))
    assert (flow - found).abs().max() < 1e-3


def test_a_low_quality_settles_more():
    torch.manual_seed(2)
    found, x = torch.randn(1, 2, 8, 16), picture(64, 128) * 0.1
    low, high = ((settled(found, x, torch.tensor([q])) - found).abs().mean() for q in (1.0, 8.0))
    assert low > 1.1 * high

"""Flow that is cheaper to code, and as good where a picture tells motion."""

import numpy as np
import pytest

from flowcodec.models.video_mofnet.settling import pooled, settled


def picture(height, width):
    """Plain on the left half, fine texture on the right one."""
    x = np.full((3, height, width), 0.5, np.float32)
    half = width // 2
    x[..., half:] += 0.2 * np.random.default_rng(1).normal(size=(1, height, width - half))
    return x


def motion(height, width):
    """Of blocks without any order, (2, 8 height, 8 width)."""
    found = np.random.default_rng(2).normal(size=(2, height, width)).astype(np.float32)
    return found.repeat(8, 1).repeat(8, 2)


@pytest.mark.parametrize("size", [(64, 128), (16, 16), (72, 200)])
def test_noise_of_a_plain_area_gives_way_and_textured_motion_stays(size):
    height, width = size
    given = motion(height // 8, width // 8)
    flow, found = settled(given, picture(height, width), 4.0), pooled(given, 8)
    half = width // 16
    textured = (flow - found)[..., half + 1 :]
    assert not textured.size or np.abs(textured).max() < 0.25
    plain = flow[..., : half - 1]
    assert not plain.size or plain.std() < 0.4 * found[..., : half - 1].std()


@pytest.mark.parametrize("quality", [1.0, 8.0])
def test_what_moves_as_one_is_left_alone(quality):
    given = np.broadcast_to(np.float32([[[3.0]], [[-1.5]]]), (2, 64, 96))
    flow = settled(given, picture(64, 96), quality)
    assert np.abs(flow - pooled(given, 8)).max() < 1e-3


def test_a_low_quality_settles_more():
    given, x = motion(8, 16), picture(64, 128) * 0.1
    found = pooled(given, 8)
    low, high = (np.abs(settled(given, x, q) - found).mean() for q in (1.0, 8.0))
    assert low > 1.1 * high

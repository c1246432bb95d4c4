import math

import numpy as np
import pytest
import torch
from pytorch_msssim import ms_ssim as known_ms_ssim

from flowcodec import yuv
from flowcodec.errors import UsageError
from flowcodec.evaluation.metrics import (
    MS_SSIM_MIN_SIDE,
    ms_ssim,
    ms_ssim_db,
    psnr,
    psnr_yuv,
    ssimulacra2_score,
)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(40, 200, (height, width, 3), dtype=np.uint8)


def test_psnr_of_known_errors():
    black = np.zeros((4, 6, 3), np.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 1) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(black, black + 255) == psnr(black + 255, black) == 0.0
    one_channel = black.copy()
    one_channel[..., 2] = 30  # a mean over all samples, not over channels' decibels
    assert psnr(black, one_channel) == pytest.approx(10 * math.log10(255**2 / 300))


def test_psnr_of_planes_is_of_8_bits_and_told_by_the_original():
    original = picture(9, 14)
    planes = yuv.eight_bits(original)
    assert psnr_yuv(original, planes) == math.inf
    brighter = [planes[0] + np.uint8(1), *planes[1:]]
    assert psnr_yuv(original, brighter) == pytest.approx(48.1308, abs=1e-4)
    assert psnr_yuv(original, [plane + 1.0 for plane in planes]) == pytest.approx(48.1308, abs=1e-4)
    with pytest.raises(UsageError, match="one shape"):
        psnr_yuv(original, [plane[:-1] for plane in planes])
    with pytest.raises(UsageError, match="uint8"):
        psnr_yuv(original.astype(np.float32), planes)


def test_ms_ssim_falls_with_noise_and_is_symmetric():
    clean = picture(170, 260)
    noise = np.random.default_rng(2).normal(0, 1, clean.shape)
    little, much = (np.clip(clean + s * noise, 0, 255).astype(np.uint8) for s in (5, 40))
    assert ms_ssim(clean, clean) == pytest.approx(1, abs=1e-6)
    assert 1 > ms_ssim(clean, little) > ms_ssim(clean, much) > 0
    assert ms_ssim(clean, much) == pytest.approx(ms_ssim(much, clean), abs=1e-6)


@pytest.mark.parametrize("shape", [(161, 200, 3), (163, 161, 1), (256, 256, 3)])
@pytest.mark.parametrize("noise", [3, 40])
def test_ms_ssim_is_what_a_known_implementation_gives(shape, noise):
    rng = np.random.default_rng(4)
    smooth = 128 + 60 * np.sin(np.arange(shape[1]) / 9)[None, :, None] * np.ones(shape)
    a, b = (np.clip(smooth + rng.normal(0, s, shape), 0, 255).astype(np.uint8) for s in (9, noise))
    planes = [torch.from_numpy(x).permute(2, 0, 1)[None].double() for x in (a, b)]
    assert ms_ssim(a, b) == pytest.approx(float(known_ms_ssim(*planes, data_range=255)), abs=1e-5)


def test_ms_ssim_needs_five_scales():
    side = MS_SSIM_MIN_SIDE
    assert ms_ssim(picture(side, side), picture(side, side)) is not None
    assert ms_ssim(picture(side - 1, 300), picture(side - 1, 300)) is None
    assert ms_ssim(picture(1, 1), picture(1, 1)) is None


def test_ssimulacra2_falls_with_noise_from_100():
    pytest.importorskip("ssimulacra2")
    clean = picture(60, 80)
    noise = np.random.default_rng(2).normal(0, 1, clean.shape)
    little, much = (np.clip(clean + s * noise, 0, 255).astype(np.uint8) for s in (3, 40))
    assert ssimulacra2_score(clean, clean) == 100
    assert 100 > ssimulacra2_score(clean, little) > ssimulacra2_score(clean, much)
    assert ssimulacra2_score(clean[:7], clean[:7]) is None
    with pytest.raises(UsageError, match="one shape"):
        ssimulacra2_score(clean, clean[:30])


def test_ms_ssim_db():
    assert ms_ssim_db(0.99) == pytest.approx(20)
    assert ms_ssim_db(1.0) == math.inf


@pytest.mark.parametrize("measure", [psnr, ms_ssim])
def test_pictures_of_other_shapes_or_types_are_refused(measure):
    with pytest.raises(UsageError, match="one shape"):
        measure(picture(4, 4), picture(4, 5))
    with pytest.raises(UsageError, match="uint8"):
        measure(picture(4, 4), picture(4, 4).astype(np.float32))

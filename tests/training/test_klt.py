"""At step 0 the codec is the KLT with a uniform quantiser, in closed form."""

import dataclasses

import numpy as np
import pytest
import torch

from flowcodec.models.image_cnn.config import PRESETS
from flowcodec.models.image_cnn.klt import start_from_klt
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.nn.klt import fit_klt, quantiser_step
from flowcodec.quality import MSE_LAMBDAS
from flowcodec.training.data.crops import patches
from tests.training.pictures import draw

SIDE = 128
QUALITIES = torch.tensor([1, 1.5, 2, 3, 4, 4.75, 6, 7, 8])


def tiles(picture: np.ndarray) -> np.ndarray:
    """All 16x16 patches of a picture without overlap, as `patches` gives them."""
    height, width = picture.shape[:2]
    cells = picture.reshape(height // 16, 16, width // 16, 16, 3).transpose(0, 2, 4, 1, 3)
    return cells.reshape(-1, 768).astype(np.float32) / 255 - 0.5


def started(latent: int, sample: np.ndarray) -> ImageCnn:
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS["tiny"], latent=latent, slices=(8, latent - 8))
    model = ImageCnn(config)
    start_from_klt(model, sample, MSE_LAMBDAS)
    return model.eval()


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255


@torch.no_grad()
def test_components_that_are_left_out_are_all_that_is_lost() -> None:
    """On the patches that the KLT was fitted to, the error is the sum of their variances."""
    picture = draw(3, SIDE, SIDE)
    sample = tiles(picture)
    variances, _ = fit_klt(sample)
    x = tensor(picture)
    for latent in (24, 100):
        model = started(latent, sample)
        features, _ = model.g_s(model.g_a(x - 0.5, QUALITIES[:1]), QUALITIES[:1])
        error = float((features + 0.5 - x).square().mean())
        assert error == pytest.approx(variances[latent:].sum() / 768, rel=1e-3)


@torch.no_grad()
def test_all_components_give_the_picture_back() -> None:
    sample = patches([draw(1), draw(2)], 16, 2000, seed=1)
    model = started(768, sample)
    x = tensor(draw(3, SIDE, SIDE))
    y = model.g_a(x - 0.5, QUALITIES[:1])
    back, _ = model.g_s(y, QUALITIES[:1])
    torch.testing.assert_close(back + 0.5, x, atol=1e-4, rtol=0)


@torch.no_grad()
def test_latents_are_quantised_in_the_steps_of_each_quality() -> None:
    """Rounding latents times their gain is rounding components to multiples of the step."""
    sample = tiles(draw(3, SIDE, SIDE))
    model = started(24, sample)
    _, components = fit_klt(sample)
    for quality, weight in ((1.0, MSE_LAMBDAS[0]), (8.0, MSE_LAMBDAS[7])):
        y, gain = model.analyse(tensor(draw(3, SIDE, SIDE)), torch.tensor([quality]))
        found = (y * gain)[0].permute(1, 2, 0).reshape(-1, 24).numpy()
        expected = 255 * sample @ components[:, :24] / quantiser_step(weight)
        np.testing.assert_allclose(found, expected, atol=1e-2)


@torch.no_grad()
def test_rate_and_quality_rise_with_every_real_quality() -> None:
    pictures = [draw(seed) for seed in range(3)]
    model = started(100, patches(pictures, 16, 3000, seed=1))
    x = tensor(draw(3, SIDE, SIDE)).expand(len(QUALITIES), -1, -1, -1)
    out = model(x, QUALITIES)
    errors = (out.x_hat - x).square().mean((1, 2, 3))
    assert (out.bits.sum(1).diff() > 0).all()
    assert (errors.diff() < 0).all()


@torch.no_grad()
def test_gray_pictures_leave_components_without_variance() -> None:
    gray = [np.repeat(draw(seed)[:, :, :1], 3, axis=2) for seed in range(3)]
    model = started(768, patches(gray, 16, 1000, seed=1))
    out = model(tensor(gray[0][:128, :128]), QUALITIES[-1:])
    assert torch.isfinite(out.bits).all() and torch.isfinite(out.x_hat).all()


def test_a_finer_step_serves_a_larger_lambda() -> None:
    steps = [quantiser_step(weight) for weight in MSE_LAMBDAS]
    assert steps == sorted(steps, reverse=True)

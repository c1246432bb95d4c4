"""image-transformer: shapes, gradients, and the start from image-cnn."""

import dataclasses

import pytest
import torch

from flowcodec.models.image_cnn.work import work
from flowcodec.models.image_transformer.config import PRESETS, ImageTransformerConfig
from flowcodec.models.image_transformer.model import ImageTransformer
from tests.models.networks import fine, shake

TINY = PRESETS["tiny"]
PATCH = ImageTransformerConfig(
    transform="patch",
    width=4,
    latent=12,
    hyper=3,
    features=5,
    hidden=(6, 6),
    slices=(3, 4, 5),
    attention="none",
    components=1,
    refinement=False,
    blocks=(1, 1),
    trunk="gated",
    relief=True,
    first_half=1,
    stages=(4, 8, 6, 12, 16),
    heads=(1, 2, 3, 3, 4),
)
VARIANTS = {
    "stages": TINY,
    "masked context": dataclasses.replace(TINY, slices=(12,), first_half=0),
    "MHSA, six blocks": dataclasses.replace(TINY, reduction=False, blocks_at_16=2),
    "beside the core": PATCH,
}


def network(config: ImageTransformerConfig) -> ImageTransformer:
    torch.manual_seed(7)
    model = fine(ImageTransformer(config))  # type: ignore[assignment]
    shake(model)
    return model  # type: ignore[return-value]


@pytest.mark.parametrize("name", VARIANTS)
def test_shapes_and_gradients(name: str) -> None:
    model = network(VARIANTS[name])
    x, quality = torch.rand(2, 3, 64, 128), torch.tensor([2.5, 7.0])
    y, gain = model.analyse(x, quality)
    assert y.shape == (2, 12, 4, 8) and gain.shape == (2, 12, 1, 1)
    assert model.hyper_analyse(y, quality).shape == (2, model.config.hyper, 1, 2)
    out = model(x, quality, noise=True)
    assert out.x_hat.shape == x.shape and (out.bits > 0).all()
    (out.bits.sum() / 64**2 + (out.x_hat - x).square().sum()).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@torch.no_grad()
def test_the_paper_preset_has_the_chapters_stages() -> None:
    """Channels and strides of table 3.1. Parameters are ours: table 7.7 prints 27.3 M."""
    with torch.device("meta"):
        model = ImageTransformer(PRESETS["paper"]).eval()
    x, quality = torch.zeros(1, 3, 128, 128, device="meta"), torch.ones(1, device="meta")
    y = model.g_a(x, quality)
    assert y.shape == (1, 320, 8, 8)
    stages = [layer.norm.num_features for layer in model.g_a.layers if hasattr(layer, "norm")]
    stages += [layer.norm.num_features for layer in model.h_a.layers if hasattr(layer, "norm")]
    assert stages == [64, 128, 320, 512, 704]
    assert model.h_a(y).shape[2:] == (2, 2)
    assert model.g_s(y, quality)[0].shape == x.shape
    assert work(model).parameters == 31_745_462


def test_configurations_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="five stages"):
        dataclasses.replace(TINY, stages=(4, 8, 12))
    with pytest.raises(ValueError, match="image-cnn's alone"):
        dataclasses.replace(PATCH, refinement=True)
    with pytest.raises(ValueError, match="12 channels of the third stage"):
        dataclasses.replace(TINY, latent=20, slices=(10, 10))

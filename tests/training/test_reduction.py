"""Weights of a network of RGB begin one of planes in 4:2:0."""

from pathlib import Path

import pytest
import torch

from flowcodec.codecs.weights import BUNDLED
from flowcodec.errors import UsageError
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.nn.klt import fit_klt
from flowcodec.nn.patches import YUV420
from flowcodec.nn.planes import to_planes
from flowcodec.training.data.crops import Crops, patches
from flowcodec.training.image_cnn.reduction import matched_klt, reduced
from flowcodec.training.image_cnn.training import ImageTraining
from flowcodec.training.networks import export
from tests.models.networks import fine, shake, small
from tests.training.pictures import draw, tiny_recipe

YUV = {"planes": "yuv420", "refinement": False, "attention": "none"}


@pytest.fixture(scope="module")
def sample() -> torch.Tensor:
    pictures = [draw(seed) for seed in range(3)]
    return torch.from_numpy(patches(pictures, 16, 2000, 1)).view(-1, 3, 16, 16)


@pytest.fixture
def old() -> ImageCnn:
    model = fine(small("patch", "none", 1, False, trunk="gated", relief=True))
    shake(model)
    return model


@torch.no_grad()
def test_what_lies_behind_the_pixels_is_taken_over(old: ImageCnn, sample: torch.Tensor) -> None:
    new = reduced(old, sample)
    before, after = old.state_dict(), new.state_dict()
    pixels = [key for key in before if ".klt." in key or ".spread" in key or ".table" in key]
    pixels += [key for key in before if ".correction.stem.w" in key or ".correction.out." in key]
    same = set(before).difference(pixels)
    assert len(same) > 50 and all(torch.equal(before[key], after[key]) for key in same)
    ratio = torch.log2(after["g_a.spread"] / before["g_a.spread"])[:, 0, 0]
    for inner, outer in zip(old.gain_tables, new.gain_tables, strict=True):
        torch.testing.assert_close(outer, inner + ratio)  # steps in pixels are the same


@torch.no_grad()
def test_a_correction_of_gray_is_the_old_one(old: ImageCnn, sample: torch.Tensor) -> None:
    """Where it is linear in what it sees; tanh sees other steps."""
    for transform in (old.g_a, old.g_s):
        table = transform.correction.log_error.table
        table.copy_(table[:1].expand_as(table))
    new = reduced(old, sample)
    quality = torch.tensor([3.0])
    gray = 1e-4 * torch.randn(1, 1, 32, 48).expand(1, 3, 32, 48)
    for one, other in ((old.g_a, new.g_a), (old.g_s, new.g_s)):
        wanted, seen = one.correction(gray, quality)
        found, seen_in_planes = other.correction(to_planes(gray, YUV420), quality)
        torch.testing.assert_close(seen_in_planes, seen, atol=1e-4, rtol=1e-3)
        change = to_planes(wanted - gray, YUV420)
        assert change.abs().max() > 1e-2
        torch.testing.assert_close(found - to_planes(gray, YUV420), change, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_gray_pictures_are_enough_to_begin_with(old: ImageCnn, sample: torch.Tensor) -> None:
    gray = sample[:, :1].expand_as(sample).contiguous()
    assert all(torch.isfinite(value).all() for value in reduced(old, gray).state_dict().values())


def test_a_klt_in_another_order_is_found_again(sample: torch.Tensor) -> None:
    planes = to_planes(sample, YUV420).flatten(1)
    _, components = fit_klt(planes.numpy())
    klt = torch.from_numpy(components[:, :40].T.copy()).float()
    generator = torch.Generator().manual_seed(1)
    signs = torch.randint(0, 2, (40, 1), generator=generator) * 2 - 1
    wanted = klt[torch.randperm(40, generator=generator)] * signs
    blurred = wanted + 0.02 * torch.randn(wanted.shape, generator=generator)
    torch.testing.assert_close(matched_klt(blurred, planes), wanted)


def test_a_training_begins_in_planes_and_goes_on_in_them(tmp_path: Path, pictures: Path) -> None:
    """The first evaluation of weights for MSE in RGB, turned into planes, is of a working codec."""
    rgb = tmp_path / "rgb.safetensors"
    switches = {key: value for key, value in YUV.items() if key != "planes"}
    training = ImageTraining(tiny_recipe(1, switches=switches), tmp_path)
    source, held_out = training.load(pictures, None)
    training.initialise(source)
    export("image-cnn", training.model, "mse", rgb)

    recipe = tiny_recipe(1, metric="yuv", switches=YUV, init=str(rgb))
    begun = ImageTraining(recipe, tmp_path)
    begun.initialise(source)
    begun.average.load_state_dict(begun.model.state_dict())
    result = begun.evaluate(held_out)
    assert min(result["psnr"]) > 24 and result["psnr"] == sorted(result["psnr"])
    assert result["objective"][0] == pytest.approx(
        result["bpp"][0] + 0.0018 * 255**2 * 10 ** (-result["psnr"][0] / 10), rel=0.3
    )
    yuv = tmp_path / "yuv.safetensors"
    begun.export(yuv)
    again = ImageTraining(tiny_recipe(1, metric="yuv", switches=YUV, init=str(yuv)), tmp_path)
    again.initialise(source)
    before, after = begun.model.state_dict(), again.model.state_dict()
    assert all(torch.allclose(before[key], after[key], atol=2e-3, rtol=2e-3) for key in before)


def test_planes_do_not_begin_with_weights_for_ms_ssim(tmp_path: Path) -> None:
    init = str(BUNDLED / "image-cnn-ms-ssim.safetensors")
    training = ImageTraining(tiny_recipe(1, metric="yuv", switches=YUV, init=init), tmp_path)
    with pytest.raises(UsageError, match='goes on from weights for "mse" or "yuv"'):
        training.initialise(Crops([draw(0)], 1, 0.0))

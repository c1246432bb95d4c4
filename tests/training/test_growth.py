"""Weights of a smaller network become the start of a larger one that computes the same."""

from pathlib import Path

import pytest
import torch

from flowcodec.errors import UsageError
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.training.image_cnn.growth import continue_from
from flowcodec.training.networks import export
from tests.models.networks import fine, shake, small


def network(**fields: object) -> ImageCnn:
    return fine(small("patch", "none", 1, False, **fields))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = network()
    shake(model)
    path = tmp_path_factory.mktemp("weights") / "first.safetensors"
    export("image-cnn", model, "mse", path)
    return path


@pytest.mark.parametrize(
    "fields",
    [{}, {"width": 7}, {"blocks": (2, 3)}, {"width": 6, "blocks": (1, 2)}, {"first_half": 1}],
)
@torch.no_grad()
def test_a_larger_network_computes_the_same(first: Path, fields: dict[str, object]) -> None:
    check(first, network(), network(**fields))


def check(first: Path, model: ImageCnn, larger: ImageCnn) -> None:
    continue_from(model, str(first))
    continue_from(larger, str(first))
    x, quality = torch.rand(2, 3, 64, 64), torch.tensor([2.5, 7.0])
    before, after = model(x, quality), larger(x, quality)
    assert torch.allclose(before.x_hat, after.x_hat, atol=1e-5)
    assert torch.allclose(before.bits, after.bits, rtol=1e-4)


@pytest.mark.parametrize("fields", [{"width": 7}, {"blocks": (2, 3)}, {"relief": True}])
@torch.no_grad()
def test_a_larger_gated_network_computes_the_same(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    model = network(trunk="gated")
    shake(model)
    first = tmp_path / "first.safetensors"
    export("image-cnn", model, "mse", first)
    check(first, network(trunk="gated"), network(trunk="gated", **fields))


@torch.no_grad()
def test_masking_that_is_silent_changes_nothing_but_its_own_bits(first: Path) -> None:
    model, larger = network(), network(masking=True)
    continue_from(model, str(first))
    continue_from(larger, str(first))
    for parameter in larger.g_a.masking.parameters():
        parameter.zero_()
    x, quality = torch.rand(2, 3, 64, 64), torch.tensor([2.5, 7.0])
    before, after = model(x, quality), larger(x, quality)
    assert torch.allclose(before.x_hat, after.x_hat, atol=1e-5)
    assert torch.allclose(before.bits[:, 0], after.bits[:, 0], rtol=1e-4)
    assert (after.bits[:, 1] > before.bits[:, 1]).all()


def test_a_smaller_network_is_refused(first: Path) -> None:
    with pytest.raises(UsageError, match="another preset or switches"):
        continue_from(network(width=3), str(first))

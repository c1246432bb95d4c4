"""`flowcodec.load("flow-deeppynet")`: arrays and tensors in, flow out, errors in one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import flowcodec
from flowcodec.codecs.flow import FlowEstimator
from flowcodec.codecs.weights import load_weights
from flowcodec.errors import UsageError, WeightsError
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.training.networks import export, restored


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("flow") / "tiny.safetensors"
    export("flow-deeppynet", DeepPyNet(PRESETS["tiny"]), "epe", path)
    return path


@pytest.fixture(scope="module")
def estimator(weights: Path) -> FlowEstimator:
    return flowcodec.load("flow-deeppynet", weights=weights, threads=1)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 256, (2, 37, 50, 3), dtype=np.uint8)
    return first, second


def test_arrays_tensors_and_gray_agree(
    estimator: FlowEstimator, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = pair
    flow = estimator.flow(first, second)
    assert flow.shape == (37, 50, 2) and flow.dtype == np.float32
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 for x in pair]
    found = estimator.flow(tensors[0], tensors[1])
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), flow, atol=1e-4)
    gray = [x[..., :1] for x in pair]
    three = estimator.flow(*(np.repeat(x, 3, 2) for x in gray))
    np.testing.assert_allclose(estimator.flow(*gray), three, atol=1e-4)
    np.testing.assert_allclose(estimator.flow(*(x[..., 0] for x in gray)), three, atol=1e-4)


@pytest.fixture(scope="module")
def thorough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that does all there is: pooled features, more updates, a polish."""
    torch.manual_seed(2)
    network = DeepPyNet(replace(PRESETS["tiny"], updates=(1, 2, 1), polish=2, pooled=2))
    for tensor in network.parameters():
        tensor.data += 0.05 * torch.randn(tensor.shape)
    path = tmp_path_factory.mktemp("flow") / "thorough.safetensors"
    export("flow-deeppynet", network, "epe", path)
    return path


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (64, 48), (33, 130)])
def test_graphs_are_the_network_at_any_size(thorough: Path, size: tuple[int, int]) -> None:
    coarse = torch.rand(1, 6, 9, 9, generator=torch.Generator().manual_seed(1))
    first, second = F.interpolate(coarse, size, mode="bicubic").clamp(0, 1).split(3, 1)
    with torch.inference_mode():
        wanted = restored(load_weights(thorough))(first, second)
    found = flowcodec.load("flow-deeppynet", weights=thorough, threads=1).flow(first, second)
    assert wanted.abs().max() > 0.1
    assert torch.linalg.vector_norm(found - wanted, dim=1).mean() < 0.01


def test_kept_features_give_the_same(
    estimator: FlowEstimator, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = map(estimator.features, pair)
    np.testing.assert_array_equal(estimator.flow_between(first, second), estimator.flow(*pair))
    np.testing.assert_array_equal(
        estimator.flow_between(second, first), estimator.flow(*reversed(pair))
    )
    with pytest.raises(UsageError, match="of one size"):
        estimator.flow_between(first, estimator.features(pair[0][:32]))


def test_what_is_estimated_can_stand_in_a_loss(estimator: FlowEstimator) -> None:
    pictures = torch.rand(2, 1, 3, 32, 40)
    flow = estimator.flow(*pictures)
    scale = torch.ones(1, requires_grad=True)
    (scale * flow).square().sum().backward()
    assert scale.grad is not None and torch.isfinite(scale.grad).all()


def test_threads_do_not_matter(weights: Path, pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, two = (
        flowcodec.load("flow-deeppynet", weights=weights, threads=n).flow(*pair) for n in (1, 2)
    )
    np.testing.assert_allclose(one, two, atol=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 40, 3), np.uint8), "32x32 and 40x32"),
        (np.zeros((8, 40, 3), np.uint8), np.zeros((8, 40, 3), np.uint8), "16x16"),
        (np.zeros((32, 32, 3)), np.zeros((32, 32, 3)), "uint8 arrays .* not float64"),
        ([[0] * 32] * 32, [[0] * 32] * 32, "uint8 arrays .* not list"),
        (np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 4), np.uint8), "uint8 arrays"),
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 1), np.uint8), "one kind"),
        (np.zeros((32, 32, 3), np.uint8), torch.zeros(1, 3, 32, 32), "one of each"),
        (torch.zeros(3, 32, 32), torch.zeros(3, 32, 32), "float tensors"),
        (torch.zeros(3), torch.zeros(4), "float tensors"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(1, 3, 32, 32), "one kind, and as many"),
    ],
)
def test_what_is_no_pair_is_refused(
    estimator: FlowEstimator, first: object, second: object, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        estimator.flow(first, second)  # type: ignore[call-overload]


def test_weights_of_another_model_are_refused(weights: Path, tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="weights of image-cnn, not of flow-deeppynet"):
        flowcodec.load("flow-deeppynet", weights=tiny_weights)
    with pytest.raises(WeightsError, match="weights of flow-deeppynet, not of image-cnn"):
        flowcodec.load("image-cnn", weights=weights)


def test_the_bundled_weights_see_a_shift() -> None:
    """Texture moved by whole pixels, in the middle of the picture."""
    rng = np.random.default_rng(3)
    coarse = np.kron(rng.integers(40, 216, (30, 36, 3)), np.ones((5, 5, 1)))
    scene = (coarse + rng.normal(0, 6, coarse.shape)).clip(0, 255).astype(np.uint8)
    first, second = scene[10:138, 10:170], scene[14:142, 4:164]
    flow = flowcodec.load("flow-deeppynet", threads=1).flow(first, second)
    error = np.abs(flow[24:-24, 24:-24] - [6, -4])
    assert np.median(error) < 0.1

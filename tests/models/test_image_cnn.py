"""Every combination of the switches that tables 7.5 and 7.6 of the thesis turn."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from flowcodec.models.image_cnn.transforms import PatchAnalysis, StridedSynthesis
from flowcodec.nn.attention import ATTENTIONS, FixedAdjacentAttention, attention
from flowcodec.nn.blocks import GatedBlock
from flowcodec.nn.gdn import GDN
from tests.models.networks import fine, shake, small

SWITCHES = list(itertools.product(["strided", "patch"], ATTENTIONS, [1, 3], [False, True]))
QUALITY = torch.tensor([2.0, 6.5])


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    """Two pictures of 64x128 with some structure."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(128), indexing="ij")
    waves = [torch.sin(rows / (3 + c) + columns / 5) for c in range(3)]
    picture = 0.5 + 0.3 * torch.stack(waves)
    return torch.stack([picture, picture.flip(2)])


@pytest.mark.parametrize(("transform", "block", "components", "refinement"), SWITCHES)
def test_every_combination_trains(
    x: torch.Tensor, transform: str, block: str, components: int, refinement: bool
) -> None:
    """Shapes are as documented and a gradient reaches every parameter."""
    model = fine(small(transform, block, components, refinement))
    shake(model)
    out = model(x, QUALITY, noise=True)
    assert out.x_hat.shape == x.shape
    assert out.bits.shape == (2, 2) and (out.bits > 0).all()
    rate_and_distortion = out.bits.sum() / 64**2 + (out.x_hat - x).square().sum()
    rate_and_distortion.backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.numel() and (parameter.grad is None or not parameter.grad.any())
    ]
    assert silent == []


@torch.no_grad()
def test_a_gated_block_is_what_its_formula_says() -> None:
    torch.manual_seed(0)
    block, x = GatedBlock(4), torch.randn(2, 4, 5, 6)
    assert (block(x) - x).square().mean() < 0.02 * x.square().mean()  # near identity at first
    shake(block)
    tensors = block.state_dict()

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        weight, bias = tensors[f"{name}.weight"][:, :, 0, 0], tensors[f"{name}.bias"]
        return torch.einsum("oi,bihw->bohw", weight, x) + bias[:, None, None]

    inner = F.pad(F.leaky_relu(linear("space.first", x), 0.1), (1, 1, 1, 1))
    windows = inner.unfold(2, 3, 1).unfold(3, 3, 1)  # (B, C, h, w, 3, 3)
    kernels, bias = tensors["space.across.weight"][:, 0], tensors["space.across.bias"]
    across = torch.einsum("bchwyx,cyx->bchw", windows, kernels) + bias[:, None, None]
    x1 = x + linear("space.second", across)
    halves = linear("gate.halves", x1)
    gated = F.leaky_relu(halves[:, :4], 0.1) * halves[:, 4:]
    torch.testing.assert_close(block(x), x1 + linear("gate.second", gated))


def test_a_gated_trunk_trains_and_is_refused_without_patches(x: torch.Tensor) -> None:
    model = fine(small("patch", "none", 1, False, trunk="gated", blocks=(1, 2)))
    shake(model)
    out = model(x, QUALITY, noise=True)
    (out.bits.sum() / 64**2 + (out.x_hat - x).square().sum()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert model.g_s.correction.out.weight.shape[2:] == (1, 1)
    with pytest.raises(ValueError, match='trunk "gated" is for the patch transform'):
        small("strided", "none", 1, False, trunk="gated")
    with pytest.raises(ValueError, match="relief is for the patch transform"):
        small("strided", "none", 1, False, relief=True)


@torch.no_grad()
@pytest.mark.parametrize("transform", ["strided", "patch"])
def test_latents_stand_at_a_sixteenth_and_hyper_latents_at_a_sixty_fourth(
    x: torch.Tensor, transform: str
) -> None:
    """Coding takes any multiple of 16; h_a's input is filled up to a multiple of 4."""
    model = small(transform, "aab", 3, True)
    quality = torch.tensor([3.0])
    y, gain = model.analyse(x[:1, :, :48, :80], quality)
    assert y.shape == (1, 12, 3, 5) and gain.shape == (1, 12, 1, 1)
    z = model.hyper_analyse(y, quality)
    assert z.shape == (1, 3, 1, 2)
    assert torch.equal(z, z.round())
    assert model.synthesise(torch.round(y * gain), quality).shape == (1, 3, 48, 80)


@torch.no_grad()
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_begins_as_identity(name: str) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 12, 11, 18)
    block = attention(name, 12)
    torch.testing.assert_close(block(features), features)
    shake(block)
    assert name == "none" or not torch.allclose(block(features), features, atol=1e-2)


@torch.no_grad()
def test_attention_of_the_prior_begins_as_identity() -> None:
    torch.manual_seed(0)
    features = torch.round(torch.randn(1, 12, 11, 18) * 1024) / 1024
    assert torch.equal(FixedAdjacentAttention(12)(features), features)


@torch.no_grad()
@pytest.mark.parametrize("name", ["aab", "nlam"])
def test_attention_looks_no_further_than_its_window(name: str) -> None:
    """A change inside one window of 8x8 reaches others only through 3x3 filters beside it."""
    torch.manual_seed(0)
    block = attention(name, 4)
    shake(block)
    features = torch.randn(1, 4, 8, 40)
    changed = features.clone()
    changed[..., :8] += 1
    reach = {"aab": 1, "nlam": 14}[name]
    difference = (block(changed) - block(features)).abs().amax((0, 1, 2))
    assert (difference[:8] > 0).all()
    assert (difference[8 + reach :] == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("transform", ["strided", "patch"])
def test_refinement_begins_silent(x: torch.Tensor, transform: str) -> None:
    model = small(transform, "none", 1, True)
    y = torch.round(3 * torch.randn(2, 12, 4, 8))
    refined = model.synthesise(y, QUALITY)
    assert model.refinement is not None
    torch.nn.init.normal_(model.refinement.out.weight)
    assert not torch.allclose(model.synthesise(y, QUALITY), refined)
    model.refinement = None
    assert torch.equal(model.synthesise(y, QUALITY), refined)


@torch.no_grad()
def test_gdn_divides_and_its_inverse_multiplies() -> None:
    """y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2), written out for one position."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, 1, 1)
    for inverse in (False, True):
        layer = GDN(3, inverse=inverse)
        shake(layer)
        beta, gamma = layer.beta_root**2, layer.gamma_root**2
        norm = torch.sqrt(beta + gamma @ x.view(3).square())
        expected = x.view(3) * norm if inverse else x.view(3) / norm
        torch.testing.assert_close(layer(x).view(3), expected)


def test_the_patch_transform_is_one_tensor_in_both_directions() -> None:
    patch, strided = small("patch", "none", 1, False), small("strided", "none", 1, False)
    assert isinstance(patch.g_a, PatchAnalysis) and isinstance(strided.g_s, StridedSynthesis)
    assert patch.g_s.klt.weight is patch.g_a.klt.weight

"""The network: every switch, every size, and what Lucas-Kanade steps add."""

import dataclasses

import pytest
import torch

from flowcodec.evaluation.work import work_of
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.models.flow_deeppynet.polish import polish, propagate, settle

TINY = PRESETS["tiny"]


def waves(height: int, width: int, dx: float = 0.0, dy: float = 0.0) -> torch.Tensor:
    """A smooth pattern, moved by (dx, dy): (1, 3, H, W) in [0, 1]."""
    y, x = torch.meshgrid(
        torch.arange(height) - float(dy), torch.arange(width) - float(dx), indexing="ij"
    )
    planes = [
        torch.sin(x / 3 + y / 7) + torch.sin(y / 4 - x / 9),
        torch.sin(x / 5 - y / 3) + torch.sin((x + y) / 6),
        torch.sin(x / 4) * torch.sin(y / 5) * 2,
    ]
    return torch.stack(planes)[None] / 4 + 0.5


@pytest.mark.parametrize("pyramids", [1, 2, 3])
@pytest.mark.parametrize("modulation", ["both", "maf", "abf", "none"])
@pytest.mark.parametrize("modulated", [(1,), (2, 3, 4), (1, 2, 3, 4)])
def test_every_switch_learns_everywhere(
    pyramids: int, modulation: str, modulated: tuple[int, ...]
) -> None:
    config = dataclasses.replace(
        TINY, pyramids=pyramids, modulation=modulation, modulated=modulated, updates=(2, 1, 1)
    )
    torch.manual_seed(1)
    model = DeepPyNet(config)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(pyramids + 1):  # branches that begin at zero pass nothing back in a first step
        estimates = model.estimates(waves(33, 40), waves(33, 40, 2), every=True)
        assert [e.shape for e in estimates] == [(1, 2, 33, 40)] * 4
        optimiser.zero_grad()
        sum((e - 2).abs().mean() for e in estimates).backward()
        optimiser.step()
    silent = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().any()}
    # Of the pyramids before the last one, levels count up to the highest that is handed on.
    handed = 0 if modulation == "none" else max(modulated)
    idle = {
        f"pyramids.pyramids.{place}.levels.{level}."
        for place in range(pyramids - 1)
        for level in range(handed, 4)
    }
    assert silent == {n for n, _ in model.named_parameters() if n.startswith(tuple(idle))}


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (64, 48), (100, 33)])
def test_any_size_and_batches_of_any_number(size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    model = DeepPyNet(TINY).eval()
    first, second = torch.rand(2, 2, 3, *size)
    with torch.no_grad():
        both = model(first, second)
        apart = torch.cat([model(first[i : i + 1], second[i : i + 1]) for i in (0, 1)])
        assert both.shape == (2, 2, *size)
        torch.testing.assert_close(both, apart, atol=2e-2, rtol=1e-3)
        every = model.estimates(first, second, every=True)
        torch.testing.assert_close(every[-1], model.estimates(first, second)[-1])


def test_large_flow_stays_exact_beside_layers_of_sixteen_bits() -> None:
    torch.manual_seed(1)
    decoder = DeepPyNet(TINY).decoder
    flow, hidden = torch.full((1, 2, 8, 8), 40.3), torch.randn(1, TINY.decoder[-1], 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        fine = decoder.upsample(flow, hidden)
    torch.testing.assert_close(fine, torch.full((1, 2, 32, 32), 161.2), atol=1e-3, rtol=0)


def test_the_paper_preset_has_the_size_of_the_thesis() -> None:
    parameters = work_of("flow-deeppynet", PRESETS["paper"]).parameters
    assert parameters == pytest.approx(6.1e6, rel=0.02)


def test_edges_find_their_flow() -> None:
    """A square over a still picture; the flow given has its edges three pixels further in."""
    generator = torch.Generator().manual_seed(1)
    ground, square = torch.rand(2, 3, 64, 64, generator=generator)
    first, second = ground.clone()[None], ground.clone()[None]
    first[..., 20:44, 20:44] = square[:, 20:44, 20:44]
    second[..., 20:44, 27:51] = square[:, 20:44, 20:44]
    wanted, given = torch.zeros(1, 2, 64, 64), torch.zeros(1, 2, 64, 64)
    wanted[:, 0, 20:44, 20:44] = 7
    given[:, 0, 23:41, 23:41] = 7
    error = (propagate(first, second, given) - wanted).abs().mean()
    assert error < 0.3 * (given - wanted).abs().mean()
    assert torch.equal(propagate(first, first, 0 * given), 0 * given)


def test_lucas_kanade_finds_what_is_left() -> None:
    """From half a pixel wrong to a twentieth; a change of brightness between does not matter."""
    first, second = waves(60, 80), waves(60, 80, 3.4, -1.7) + 0.05
    near = torch.tensor([3.0, -1.5]).view(1, 2, 1, 1).expand(1, 2, 60, 80)
    found = polish(first, second, near, 3)[:, :, 8:-8, 8:-8]
    wanted = torch.tensor([3.4, -1.7]).view(1, 2, 1, 1)
    assert (found - wanted).abs().mean() < 0.05


def test_lucas_kanade_leaves_flow_alone_where_there_is_nothing_to_see() -> None:
    flat = torch.full((1, 3, 32, 32), 0.5)
    flow = torch.full((1, 2, 32, 32), 1.25)
    torch.testing.assert_close(polish(flat, flat, flow, 3), flow)
    noisy = flat + 0.004 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(1))
    assert (polish(flat, noisy, flow, 3) - flow).abs().mean() < 0.02


def test_flow_settles_in_smooth_regions() -> None:
    """Flow of 0.3 pixels where there is nothing to see, beside texture that does not move."""
    picture = waves(96, 128)
    picture[..., 64:] = 0.5
    flow = torch.zeros(1, 2, 96, 128)
    flow[..., 80:] = 0.3
    settled = settle(picture, picture, flow)
    assert settled[..., :48].abs().max() < 0.02
    assert settled[..., 88:].abs().mean() < 0.15
    flow[..., 80:] = 5  # another thing that moves: no concern of its neighbour
    torch.testing.assert_close(settle(picture, picture, flow)[..., 96:], flow[..., 96:])

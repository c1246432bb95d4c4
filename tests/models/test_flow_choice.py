"""What a place at 1/8 may take for its motion, and how it chooses."""

from __future__ import annotations

import dataclasses

import torch

from flowcodec.models.flow_deeppynet.choice import STRIDE, Choice, Chooser, claims, landing
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.models.flow_deeppynet.model import DeepPyNet

CHOOSES = dataclasses.replace(PRESETS["tiny"], nearby=(1, 3))


def test_candidates_are_the_flow_the_camera_and_places_around() -> None:
    flow, camera = torch.arange(2 * 64.0).view(1, 2, 8, 8), torch.full((1, 2, 8, 8), 7.0)
    found = list(Chooser(CHOOSES).candidates(flow, camera))
    assert torch.equal(found[0], flow) and torch.equal(found[1], camera)
    here = {tuple(x[0, :, 4, 4].tolist()) for x in found[2:]}
    around = [(4, 3), (4, 5), (3, 4), (5, 4), (4, 1), (4, 7), (1, 4), (7, 4)]
    assert here == {tuple(flow[0, :, y, x].tolist()) for y, x in around}
    assert torch.equal(found[4][0, :, :, 0], flow[0, :, :, 0])  # the border goes on


def test_the_highest_score_is_taken() -> None:
    candidates = torch.arange(3.0).view(1, 3, 1, 1, 1).expand(2, 3, 2, 4, 5)
    scores = torch.zeros(2, 3, 4, 5)
    scores[0, 2], scores[1, 1, :2] = 1.0, 1.0
    flow = Choice(candidates, scores).flow
    assert (flow[0] == 2).all() and (flow[1, :, :2] == 1).all() and (flow[1, :, 2:] == 0).all()


def test_the_loss_is_lower_the_likelier_what_is_right() -> None:
    right = torch.full((1, 2, 30, 33), 2.0 * STRIDE)
    weight = torch.full((1, 30, 33), 1 / (30 * 33))
    candidates = torch.stack([torch.full((1, 2, 4, 5), x) for x in (2.0, 6.0)], 1)
    losses = []
    for score in (20.0, 0.0, -20.0):
        scores = torch.zeros(1, 2, 4, 5)
        scores[:, 0] = score
        losses.append(float(Choice(candidates, scores).loss(right, weight)))
    assert losses[0] < 1e-3 < losses[1] < losses[2]
    assert abs(losses[1] * 2 - losses[2]) < 1e-3  # half of the way between
    assert float(Choice(candidates, scores).loss(right, 0 * weight)) == 0


def test_what_comes_to_lie_on_something_is_told() -> None:
    """A clear place moves over its neighbour to the right; one beyond the border stays on it."""
    weight = torch.full((1, 1, 2, 4), 0.5)
    weight[0, 0, 0, 1] = 0.9
    flow = torch.zeros(1, 2, 2, 4)
    flow[0, 0, 0, 1], flow[0, 1, 1, 3] = 1.2, 5.0
    taken = claims(weight, flow)
    wanted = torch.tensor([[0.5, -1.0, 0.9, 0.5], [0.5, 0.5, 0.5, 0.5]])
    torch.testing.assert_close(taken[0, 0], wanted)
    wanted[0, 1] = 0.9
    torch.testing.assert_close(landing(taken, flow)[0, 0], wanted)


def test_every_part_of_the_choice_learns_whatever_the_size() -> None:
    torch.manual_seed(1)
    model = DeepPyNet(CHOOSES)
    first, second = torch.rand(2, 2, 3, 50, 71)
    truth, weight = torch.full((2, 2, 50, 71), 9.0), torch.ones(2, 50, 71)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):  # scores begin at zero, and pass nothing back in a first step
        flows, choice = model.estimates(first, second, every=True)
        assert choice is not None and all(flow.shape == truth.shape for flow in flows)
        optimiser.zero_grad()
        choice.loss(truth, weight).backward()
        optimiser.step()
    for name, parameter in model.named_parameters():
        if name.startswith("chooser."):
            assert parameter.grad is not None and parameter.grad.abs().any(), name


def test_untrained_every_place_keeps_its_flow() -> None:
    torch.manual_seed(1)
    model = DeepPyNet(CHOOSES).eval()
    with torch.no_grad():
        choice = model.estimates(*torch.rand(2, 1, 3, 64, 48)).choice
    assert choice is not None
    assert torch.equal(choice.flow, choice.candidates[:, 0])


def test_pairs_choose_apart() -> None:
    torch.manual_seed(1)
    model = DeepPyNet(CHOOSES).eval()
    assert model.chooser is not None
    torch.nn.init.normal_(model.chooser.score.weight)
    first, second = torch.rand(2, 2, 3, 64, 48)
    with torch.no_grad():
        both = model.estimates(first, second).choice
        apart = [model.estimates(first[i : i + 1], second[i : i + 1]).choice for i in (0, 1)]
    assert both is not None
    for i, alone in enumerate(apart):
        assert alone is not None
        torch.testing.assert_close(both.scores[i : i + 1], alone.scores, atol=1e-3, rtol=1e-3)

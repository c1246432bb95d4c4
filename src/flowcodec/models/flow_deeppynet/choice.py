"""Which motion a place takes: its own, that of one around it, or the camera's. Not in the thesis.

A search tells nothing of what is hidden in the second picture, and little of smooth surfaces: their
flow is a guess, and coarse levels guess across edges. What is right is often known nearby. So each
place at 1/8 chooses among candidates, as PatchMatch has it (Barnes and others 2009), by a small
network that looks at each of them in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.flow_deeppynet.config import DeepPyNetConfig
from flowcodec.nn.blocks import zero_start
from flowcodec.nn.global_motion import estimate, field
from flowcodec.nn.warp import inside, warp

LEVEL = 3
STRIDE = 2**LEVEL
SEEN, WIDTH = 12, 16  # channels: of what is seen of a place, and within
DILATIONS = (1, 2, 4)
FACTS = 7  # about a candidate, beside the similarity in each group
FAR = 32.0  # places; no difference counts for more
UNIT = 8.0  # places, 1 to the network
LINEAR = 0.05  # of a pixel, beside the logarithm of errors


@dataclass(frozen=True)
class Choice:
    """candidates (B, K, 2, h, w), flow in places at 1/8, and their scores (B, K, h, w)."""

    candidates: Tensor
    scores: Tensor

    @property
    def flow(self) -> Tensor:
        """The candidate of the highest score: (B, 2, h, w)."""
        best = self.scores.argmax(1)[:, None, None].expand(-1, -1, 2, -1, -1)
        return self.candidates.gather(1, best)[:, 0]

    def loss(self, flow: Tensor, weight: Tensor) -> Tensor:
        """What a choice by the likelihoods is expected to cost, summed with these weights.

        flow (B, 2, H, W) in pixels and weight (B, H, W) of the whole picture; the middle of each
        place counts for it. An error of e pixels costs log(1 + e) and a little of e itself: most of
        what could be far better is no farther than the largest errors, which nothing helps.
        """
        middle = slice(STRIDE // 2, None, STRIDE)
        right = flow[:, None, :, middle, middle]
        rows, columns = right.shape[3:]
        away = STRIDE * self.candidates[..., :rows, :columns] - right
        error = torch.linalg.vector_norm(away, dim=2)
        cost = torch.log1p(error) + LINEAR * error
        likely = self.scores[..., :rows, :columns].float().softmax(1)
        return ((likely * cost).sum(1) * weight[:, middle, middle]).sum() * STRIDE**2


class Chooser(nn.Module):
    """Scores candidates by what the pictures, and the decoder's hidden features, say of each."""

    def __init__(self, config: DeepPyNetConfig):
        super().__init__()
        order = 1  # of level 3 among those that are matched
        self.groups, self.nearby = config.groups[order], config.nearby
        self.seen = nn.Conv2d(config.decoder[-1] + config.embedding[order], SEEN, 1)
        widths = (SEEN + self.groups + FACTS, *(WIDTH for _ in DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation)
            for before, after, dilation in zip(widths, widths[1:], DILATIONS, strict=False)
        )
        self.score = zero_start(nn.Conv2d(WIDTH, 1, 1))  # at first, flow stays

    def forward(self, first: Tensor, second: Tensor, hidden: Tensor, flow: Tensor) -> Choice:
        """Embeddings of both pictures at 1/8 (B, C, h, w), and flow (B, 2, h, w) in places."""
        seen = F.leaky_relu(self.seen(torch.cat([hidden, first], 1)), 0.1)
        camera = field(estimate(flow * STRIDE, linear=True), *flow.shape[2:]) / STRIDE
        first = self.unit(first)
        own = self.alike(first, second, flow)
        own_mean = own.mean(1, keepdim=True)
        taken = claims(own_mean, flow)
        hides = landing(taken, flow) - own_mean
        candidates, scores = [], []
        for candidate in self.candidates(flow, camera):
            alike = self.alike(first, second, candidate)
            mean = alike.mean(1, keepdim=True)
            facts = [
                *(seen, alike, mean - own_mean, hides, landing(taken, candidate) - mean),
                (candidate - flow).clamp(-FAR, FAR) / UNIT,
                _length(candidate - camera),
                inside(candidate),
            ]
            x = torch.cat(facts, 1)
            for layer in self.layers:
                x = F.leaky_relu(layer(x), 0.1, inplace=True)
            candidates.append(candidate)
            scores.append(self.score(x)[:, 0])
        return Choice(torch.stack(candidates, 1), torch.stack(scores, 1))

    def candidates(self, flow: Tensor, camera: Tensor) -> Iterator[Tensor]:
        """The flow itself, the camera's, and that of places to the four sides."""
        yield flow
        yield camera
        height, width = flow.shape[2:]
        for far in self.nearby:
            around = F.pad(flow, (far,) * 4, mode="replicate")
            for down, right in ((0, far), (2 * far, far), (far, 0), (far, 2 * far)):
                yield around[:, :, down : down + height, right : right + width]

    def unit(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, groups, C / groups, h, w), vectors of length one."""
        return F.normalize(x.unflatten(1, (self.groups, -1)), dim=2)

    def alike(self, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        """Cosine similarity along a flow, (B, groups, h, w)."""
        return (first * self.unit(warp(second, flow))).sum(2)


def claims(weight: Tensor, flow: Tensor) -> Tensor:
    """The largest weight (B, 1, h, w) that comes to lie at each place of the second picture.

    What is hidden there looks like nothing in it, but something else lies where it would be.
    """
    taken = torch.full_like(weight, -1.0).flatten(1)
    taken = taken.scatter_reduce(1, _places(flow), weight.flatten(1), "amax")
    return taken.view_as(weight)


def landing(x: Tensor, flow: Tensor) -> Tensor:
    """x (B, 1, h, w) of the second picture, taken at the place next to where the flow leads."""
    return x.flatten(1).gather(1, _places(flow)).view_as(x)


def _places(flow: Tensor) -> Tensor:
    """Numbers (B, h * w) of the places where the flow leads: the nearest in the second picture."""
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0].round().long()
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1].round().long()
    return (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(1)


def _length(difference: Tensor) -> Tensor:
    return torch.linalg.vector_norm(difference, dim=1, keepdim=True).clamp_max(FAR) / UNIT

"""flow-deeppynet: the optical flow network of the thesis, as a torch module.

first  ─pyramids─► features ─────────────┬──────────► decoder ─► flow += update, level by level
second ─pyramids─► features ─warp(flow)─► cost volume ──►┘ (1/32,) 1/16, 1/8, 1/4, then full size

Convention: flow maps pixels of the first picture to the second; channel 0 is x to the right,
channel 1 is y down, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flowcodec.models.flow_deeppynet.config import MATCHED, STRIDE, DeepPyNetConfig
from flowcodec.models.flow_deeppynet.polish import polish
from flowcodec.models.flow_deeppynet.pyramids import Pyramids
from flowcodec.nn.blocks import zero_start
from flowcodec.nn.cost_volume import cost_volume
from flowcodec.nn.precision import without_autocast
from flowcodec.nn.warp import inside, warp

FINEST = 4  # stride of the last level at which flow is estimated
SHARPNESS = 10.0  # of the softmax over a cost volume, at first
FLOW_UNIT = 8.0  # pixels of a level: a flow of this length is 1 to the decoder


class DeepPyNet(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1], of any size from 16x16 -> flow (B, 2, H, W) in pixels."""

    def __init__(self, config: DeepPyNetConfig):
        super().__init__()
        self.config = config
        self.pyramids = Pyramids(config)
        self.matchers = nn.ModuleList(
            Matcher(config, order, config.channels[level - 1])
            for order, level in enumerate(MATCHED)
        )
        self.decoder = Decoder(config)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow alone, polished."""
        return self.flow_between(first, second, self.features(first), self.features(second))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Of levels 1 to 4 of a picture, whose sides are brought to multiples of the stride; and
        pooled ones, where flow begins with such."""
        height, width = picture.shape[2:]
        stride = 2 * STRIDE if self.config.pooled else STRIDE
        padding = (0, -width % stride, 0, -height % stride)
        features: list[Tensor] = self.pyramids(
            _together(F.pad(picture - 0.5, padding, mode="replicate"))
        )
        return [*features, F.avg_pool2d(features[-1], 2)] if self.config.pooled else features

    def flow_between(
        self, first: Tensor, second: Tensor, ours: Sequence[Tensor], theirs: Sequence[Tensor]
    ) -> Tensor:
        """The flow, polished, of two pictures and of their features."""
        height, width = first.shape[2:]
        flow = self._updates(ours, theirs, every=False)[-1][:, :, :height, :width]
        return polish(first, second, flow, self.config.polish)

    def estimates(self, first: Tensor, second: Tensor, every: bool = False) -> list[Tensor]:
        """The flow after each update at full size, coarse to fine (for eq. 4.8); or the last.

        All but the last are upsampled bilinearly, the last by weights of the decoder.
        """
        height, width = first.shape[2:]
        found = self._updates(self.features(first), self.features(second), every)
        return [estimate[:, :, :height, :width] for estimate in found]

    def _updates(
        self, ours: Sequence[Tensor], theirs: Sequence[Tensor], every: bool
    ) -> list[Tensor]:
        """As `estimates`, as large as the pyramids are."""
        found = []
        flow: Tensor | None = None
        steps = list(zip(self.matchers, MATCHED, self.config.updates, strict=True))
        if self.config.pooled:
            steps.insert(0, (self.matchers[0], MATCHED[0] + 1, self.config.pooled))
        for matcher, level, updates in steps:
            assert isinstance(matcher, Matcher)
            matched = matcher.prepare(ours[level - 1], theirs[level - 1])
            batch, _, *size = ours[level - 1].shape
            flow = ours[0].new_zeros(batch, 2, *size) if flow is None else enlarge(flow, 2)
            for _ in range(updates):
                seen = matcher(matched, flow.detach())
                hidden, update = self.decoder(seen)
                flow = flow.detach() + update
                if every:
                    found.append(enlarge(flow, 2**level))
        assert flow is not None
        if every:
            found.pop()
        return [*found, self.decoder.upsample(flow, hidden)]


class Matcher(nn.Module):
    """What the decoder sees of one level: features of the first picture, costs, and the flow."""

    offsets: Tensor

    def __init__(self, config: DeepPyNetConfig, order: int, channels: int):
        super().__init__()
        self.groups, self.radius = config.groups[order], config.radius
        reach = (2 * config.radius + 1) ** 2
        self.embed = nn.Conv2d(channels, config.embedding[order], 1)
        self.features = nn.Conv2d(channels, config.features, 1)
        self.costs = nn.Conv2d(self.groups * reach, config.cost, 1)
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        side = torch.arange(-config.radius, config.radius + 1.0)
        offsets = torch.stack(torch.meshgrid(side, side, indexing="ij")).flip(0).flatten(1)
        self.register_buffer("offsets", offsets, persistent=False)  # (2, reach): dx, dy

    def prepare(self, ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of both pictures' features (B, C, h, w): embeddings of either, features of the first."""
        return self.embed(ours), self.embed(theirs), F.leaky_relu(self.features(ours), 0.1)

    def forward(self, matched: tuple[Tensor, Tensor, Tensor], flow: Tensor) -> Tensor:
        first, second, features = matched
        volume = cost_volume(first, warp(second, flow), self.groups, self.radius)
        mean = volume.permute(0, 2, 3, 1).unflatten(3, (self.groups, -1)).mean(3)
        with without_autocast(flow.device):  # in 16 bits fractions of a pixel are lost
            likely = torch.softmax(mean.float() * self.sharpness, 3)  # (B, h, w, reach)
            best = (likely @ self.offsets.T).permute(0, 3, 1, 2)
        costs = F.leaky_relu(self.costs(volume), 0.1, inplace=True)
        place = torch.cat([best, flow / FLOW_UNIT, inside(flow)], 1)
        return torch.cat([costs, features, _together(place)], 1)


class Decoder(nn.Module):
    """The one decoder of all levels (eq. 4.6): what was seen -> hidden features and an update."""

    def __init__(self, config: DeepPyNetConfig):
        super().__init__()
        widths = (config.cost + config.features + 5, *config.decoder)
        self.best = slice(config.cost + config.features, config.cost + config.features + 2)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation)
            for before, after, dilation in zip(widths, widths[1:], config.dilations, strict=False)
        )
        self.update = zero_start(nn.Conv2d(widths[-1], 2, 3, padding=1))
        self.trust = nn.Conv2d(widths[-1], 1, 1)  # in the likeliest displacement
        self.weights = zero_start(nn.Conv2d(widths[-1], 9 * FINEST**2, 1))

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        hidden = seen
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), 0.1, inplace=True)
        best = seen[:, self.best]
        return hidden, self.update(hidden) + torch.sigmoid(self.trust(hidden)) * best

    def upsample(self, flow: Tensor, hidden: Tensor) -> Tensor:
        """Convex upsampling: each fine pixel a weighted mean of the 3x3 coarse ones around it."""
        batch, _, height, width = flow.shape
        weights = self.weights(hidden).permute(0, 2, 3, 1).unflatten(3, (9, FINEST**2))
        weights = weights.transpose(3, 4)  # so that those of a pixel lie together
        with without_autocast(flow.device):
            around = F.unfold(F.pad(flow * FINEST, (1, 1, 1, 1), mode="replicate"), 3)
            around = around.view(batch, 2, 9, height, width).permute(0, 3, 4, 1, 2).contiguous()
            fine = around @ weights.float().softmax(4).transpose(3, 4)  # (B, h, w, 2, 16)
        fine = fine.unflatten(4, (FINEST, FINEST)).permute(0, 3, 1, 4, 2, 5)
        return fine.reshape(batch, 2, FINEST * height, FINEST * width)


def _together(x: Tensor) -> Tensor:
    """The same with the channels of a place together in memory, as convolutions like it."""
    return x.contiguous(memory_format=torch.channels_last)


def enlarge(flow: Tensor, factor: int) -> Tensor:
    """Flow in pixels of a level -> of one `factor` times as large (eq. 4.7)."""
    fine = F.interpolate(flow, scale_factor=factor, mode="bilinear", align_corners=False)
    return factor * fine

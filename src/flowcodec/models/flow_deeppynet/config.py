"""Presets of flow-deeppynet: frozen data, one dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SMALLEST = 16  # pixels a side
STRIDE = 16  # of the coarsest level
LEVELS = 4  # of features, at 1/2, 1/4, 1/8 and 1/16
MATCHED = (4, 3, 2)  # levels at which flow is estimated, in order
FIRST_MATCHED = min(MATCHED)


@dataclass(frozen=True)
class DeepPyNetConfig:
    """Sizes and switches of DeepPyNet (thesis ch. 4).

    channels, blocks: of levels 1 to 4, width and residual blocks of each pyramid; pyramids: 1 is
    the left alone, 2 the middle after it, 3 all; modulation: what a pyramid hands to the next, the
    mask (MAF), the bias (ABF), both or nothing, at `modulated` levels; embedding, groups, updates:
    at levels 4, 3 and 2, channels that are compared, in how many groups, and how often the flow is
    updated; radius: of the search; cost: channels of the cost volume after its 1x1 convolution;
    features: those of the first picture's features beside it; decoder, dilations: widths and
    dilations of the shared decoder's convolutions; polish: steps of Lucas-Kanade after the network,
    once edges have found their flow (`polish.polish`); pooled: updates that come first, at 1/32, on
    pooled features of level 4, for motion beyond the reach of that level. The thesis has neither of
    the last two.

    Our reading, where the thesis is silent or contradicts itself:
    groups      it prints five counts for strides of 64 to 4; its pyramid has 1/16, 1/8 and 1/4 of
                these, so that the last three count, 16, 16 and 12
    updates     "double the number of levels" is two at each level
    output      "1/16" contradicts its own levels: flow is updated down to 1/4, and the decoder then
                weighs the neighbours of each fine pixel (`Decoder.upsample`)
    decoder     one for all levels, as its text on residual refinement ends; what makes the inputs
                of all levels alike is a convolution of 1x1, since 2x2 would shift by half a pixel
    widths      not printed: chosen so that "paper" has its 6.1 million parameters
    `pyramids.Level` has more on eq. 4.4; delta of eq. 4.8 is `decay` in a recipe.
    """

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    pyramids: int
    modulation: Literal["both", "maf", "abf", "none"]
    modulated: tuple[int, ...]
    embedding: tuple[int, int, int]
    groups: tuple[int, int, int]
    updates: tuple[int, int, int]
    radius: int
    cost: int
    features: int
    decoder: tuple[int, ...]
    dilations: tuple[int, ...]
    polish: int = 0
    pooled: int = 0


PRESETS = {
    "paper": DeepPyNetConfig(
        channels=(32, 64, 96, 128),
        blocks=(2, 2, 2, 2),
        pyramids=3,
        modulation="both",
        modulated=(2, 3, 4),
        embedding=(128, 128, 96),
        groups=(16, 16, 12),
        updates=(2, 2, 2),
        radius=4,
        cost=128,
        features=64,
        decoder=(192, 192, 128, 96, 64),
        dilations=(1, 1, 1, 1, 1),
    ),
    "compact": DeepPyNetConfig(
        channels=(16, 24, 40, 56),
        blocks=(0, 0, 1, 1),
        pyramids=3,
        modulation="both",
        modulated=(2, 3, 4),
        embedding=(32, 32, 24),
        groups=(4, 4, 2),
        updates=(3, 2, 1),
        radius=4,
        cost=48,
        features=32,
        decoder=(64, 64, 64, 48, 32),
        dilations=(1, 2, 4, 2, 1),
        polish=3,
        pooled=3,
    ),
    "tiny": DeepPyNetConfig(
        channels=(4, 8, 8, 8),
        blocks=(0, 0, 0, 1),
        pyramids=3,
        modulation="both",
        modulated=(2, 3, 4),
        embedding=(8, 8, 8),
        groups=(1, 1, 1),
        updates=(1, 1, 1),
        radius=4,
        cost=8,
        features=8,
        decoder=(16, 16),
        dilations=(1, 1),
    ),
}

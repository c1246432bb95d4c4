"""A line search for the gains: moved by what the loss really is, in a minute.

A straight-through gradient is blind to what rounding does: the rate of a latent that rounds to zero
does not seem to hang on its gain, though a higher gain would make some of these latents ones.
`nn.symbols.quantise` has a gradient that sees it, in small steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.quality import ANCHORS

BANDS = (8, 24, 64, 160)  # where bands of channels end, in the order of the KLT
STEPS = (-0.2, 0.1, -0.1)  # octaves, tried in turn


@torch.no_grad()
def calibrate(model: ImageCnn, loss_at: Callable[[int], float]) -> None:
    """Shift the gains of bands of channels, with their inverses, at each anchor quality.

    loss_at: the loss of the model as it is at an anchor, 0 to 7, on some pictures. First all bands
    move together, as far as that helps, then each by itself.
    """
    first, last = int(model.config.masking), model.config.coded
    edges = [first, *(first + end for end in BANDS if first + end < last), last]
    bands = [slice(first, last), *map(slice, edges[:-1], edges[1:])]
    tables = model.gain_tables
    for anchor in range(ANCHORS):
        best = loss_at(anchor)
        for band in bands:
            for step in STEPS:
                best = _walk(tables, anchor, band, step, best, loss_at)


def _walk(
    tables: tuple[Tensor, ...],
    anchor: int,
    band: slice,
    step: float,
    best: float,
    loss_at: Callable[[int], float],
) -> float:
    """Go on in steps of one size while the loss falls; returns the least loss."""
    while True:
        for table in tables:
            table[anchor, band] += step
        found = loss_at(anchor)
        if not found < best:  # nor where it is no number
            for table in tables:
                table[anchor, band] -= step
            return best
        best = found

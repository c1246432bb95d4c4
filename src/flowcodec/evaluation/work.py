"""What the network of a system costs, and the card of a weight file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.codecs.weights import load_weights

if TYPE_CHECKING:
    from flowcodec.models.work import Work


def work_of(system: str, config: Any) -> Work:
    """Count convolutions and matrix products over a picture of 768x512, without computing it."""
    row = SYSTEMS[system]
    with torch.device("meta"):
        network = imported(row.network)(config)
    work: Work = imported(row.work)(network)
    return work


def card_of(path: Path, preset: str, quality: float | None = None) -> dict[str, Any]:
    """The facts that `flowcodec models` shows of a weight file, for the JSON file beside it.

    quality: the only one of a codec that was trained for one.
    """
    weights = load_weights(path)
    row = SYSTEMS[weights.model]
    card = {
        "model": weights.model,
        "metric": weights.metric,
        "preset": preset,
        "file": path.name,
        "weights_hash": weights.hash[:4].hex(),
    }
    work = work_of(weights.model, weights.config).as_json()
    if row.kind == "flow":
        return {**card, **work}
    model = imported(row.model)(weights)
    prior = model.prior.hash if row.kind == "picture" else model.prior_hash
    qualities = [1, 8] if quality is None else [quality, quality]
    return {**card, "prior_hash": prior[:4].hex(), **work, "qualities": qualities}

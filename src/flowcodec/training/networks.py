"""Networks and weight files: one into the other, whatever the system.

`python -m flowcodec.training.networks FILE...` adds graphs to weights that were written without.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.codecs.weights import Weights, load_weights, replace_graphs, save_weights
from flowcodec.errors import WeightsError
from flowcodec.nn.restoring import restore, stored
from flowcodec.training.graphs import drawn


def restored(weights: Weights[Any]) -> Any:
    """The network of a weight file; WeightsError where its tensors do not fit."""
    with torch.random.fork_rng(devices=[]):
        network = imported(SYSTEMS[weights.model].network)(weights.config)
    take(network, weights)
    return network.eval()


def take(network: nn.Module, weights: Weights[Any]) -> None:
    """Put the tensors of a weight file into a network; WeightsError where they do not fit."""
    try:
        restore(network, weights.transforms, weights.prior)
    except ValueError as error:
        raise WeightsError(f"{weights.path}: {error}") from error


def export(system: str, network: Any, metric: str, path: Path) -> bytes:
    """Write the weights of a network in 16 bits, its priors as integers, and the graphs by which
    coders run it; returns their hash."""
    network = copy.deepcopy(network).cpu().float()
    floats, integers = stored(network)
    graphs = drawn(imported(SYSTEMS[system].graphs)(network), floats)
    return save_weights(path, system, metric, network.config, floats, integers, graphs)


def add_graphs(path: Path) -> None:
    """Draw the graphs of a weight file, and write it again with them; nothing else changes."""
    weights = load_weights(path)
    graphs = imported(SYSTEMS[weights.model].graphs)(restored(weights))
    replace_graphs(path, drawn(graphs, weights.transforms))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        add_graphs(Path(name))

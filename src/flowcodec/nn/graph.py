"""Parts of networks that coders run without torch: how each is called, to be drawn as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True)
class Graph:
    """A part of a network.

    part: holds the whole network as `network`, whose tensors it uses, and takes `inputs` in their
    order; inputs: an example of each; outputs: names; varying: which dimensions of an input or of
    an output have any length, with a name each.
    """

    name: str
    part: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    varying: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

"""Tensors of a weight file into a network, and out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from flowcodec.nn.prior import Prior

Floats = Mapping[str, NDArray[np.float32]]
Integers = Mapping[str, NDArray[np.integer]]


def stored(network: nn.Module) -> tuple[dict[str, NDArray[np.float32]], dict[str, np.ndarray]]:
    """Tensors and priors as weight files have them, by name: each tensor once, whoever shares it,
    and the integers of each prior, after the name of the part that it belongs to."""
    integers: dict[str, np.ndarray] = {}
    places = tuple(f"{name}." for name, _ in _priors(network))
    for name, prior in _priors(network):
        part = name.removesuffix("prior")
        integers.update({part + key: array for key, array in prior.export().items()})
    floats, seen = {}, set()
    for name, tensor in network.state_dict().items():
        if not name.startswith(places) and tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            floats[name] = tensor.detach().float().cpu().numpy().copy()
    return floats, integers


def restore(network: nn.Module, floats: Floats, integers: Integers) -> None:
    """Put what `stored` gave into a network; ValueError where it is of another one."""
    state = {name: torch.from_numpy(np.array(value)) for name, value in floats.items()}
    expected = stored(network)[0]
    if set(state) != set(expected):
        raise ValueError("the tensors are not those of its model")
    try:
        network.load_state_dict(state, strict=False)
        for name, prior in _priors(network):
            part = name.removesuffix("prior")
            arrays = {n.removeprefix(part): a for n, a in integers.items() if n.startswith(part)}
            prior.restore(arrays)
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"tensors of a wrong shape: {error}") from error


def _priors(network: nn.Module) -> Iterator[tuple[str, Prior]]:
    for name, module in network.named_modules():
        if isinstance(module, Prior):
            yield name, module

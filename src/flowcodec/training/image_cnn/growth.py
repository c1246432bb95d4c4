"""Going on from weights, also from those of a smaller network."""

from __future__ import annotations

import dataclasses
import re

import torch
from torch import Tensor

from flowcodec.codecs.weights import Weights, weights_called
from flowcodec.errors import UsageError
from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.training.networks import restored

# Where one may surpass its first weights.
GROWING = ("width", "blocks", "relief", "masking", "first_half")
HALVES = ".gate.halves."  # two outputs for each channel, those of one half before the other's
OF_SLICES = re.compile(r"(prior\.(?:heads|contexts)\.)(\d+)(.*)")
BY_LATENT = {  # the dimension in which masking adds a channel, or a slice, before the others
    "h_a.first.weight": 1,
    "log_inverse_gain.table": 1,
    "prior.log_gain.table": 1,
    "prior.half_bias": 0,
}


def continue_from(network: ImageCnn, name: str) -> Weights[ImageCnnConfig]:
    """Take the weights of a file, or the bundled ones of that name ("image-cnn-mse").

    Where they are of a narrower or shallower network, or of one without masking, this one
    computes the same at first. UsageError for weights of any other network.
    """
    weights = weights_called(name)
    if not isinstance(network.config, type(weights.config)):
        raise UsageError(f"init = {name!r}: these are weights of {weights.model}")
    if not grows(weights.config, network.config):
        raise UsageError(f"init = {name!r}: these weights are of another preset or switches")
    small = restored(weights).state_dict()
    large = network.state_dict()
    if network.config.masking and not weights.config.masking:
        small = {with_slice_before(key): value for key, value in small.items()}
        for key, dimension in BY_LATENT.items():
            first = large[key].narrow(dimension, 0, 1)
            if not key.endswith("table"):  # of gains, which are right
                first = torch.zeros_like(first)
            small[key] = torch.cat([first, small[key]], dimension)
    network.load_state_dict({key: grown(key, small.get(key), large[key]) for key in large})
    return weights


def grows(small: ImageCnnConfig, large: ImageCnnConfig) -> bool:
    """Whether the two differ at most in `GROWING`, and there not downwards."""
    fields = {field.name for field in dataclasses.fields(small)} - set(GROWING)
    same = all(getattr(small, field) == getattr(large, field) for field in fields)
    up = small.width <= large.width
    up &= small.relief <= large.relief and small.masking <= large.masking
    up &= small.first_half in (0, large.first_half)
    deeper = all(a <= b for a, b in zip(small.blocks, large.blocks, strict=True))
    return up and deeper and same


def with_slice_before(key: str) -> str:
    """The name of a tensor of the prior once another slice is coded before all others."""
    return OF_SLICES.sub(lambda found: f"{found[1]}{int(found[2]) + 1}{found[3]}", key)


def grown(key: str, small: Tensor | None, large: Tensor) -> Tensor:
    """A tensor of the larger network: the smaller one's in its corner.

    New channels are computed from random weights, but what reads them begins at zero; a new
    residual block ends in zeros, and so does the context of a new slice.
    """
    if small is None:
        silent = ".second." in key or ".contexts." in key
        return torch.zeros_like(large) if silent else large
    if small.shape == large.shape:
        return small
    if HALVES in key:
        pairs = zip(small.chunk(2), large.chunk(2), strict=True)
        return torch.cat([grown("", *pair) for pair in pairs])
    result = large.clone()
    if small.ndim == 4:
        result[: small.shape[0], small.shape[1] :] = 0
    result[tuple(slice(0, length) for length in small.shape)] = small
    return result

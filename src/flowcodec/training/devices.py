"""Where torch trains."""

from __future__ import annotations

import torch

from flowcodec.errors import UsageError

DEVICES = ("cpu", "cuda", "mps")


def device_called(name: str) -> torch.device:
    """The device of that name: "cpu", "cuda", "cuda:1", "mps"; UsageError where it is not there."""
    try:
        device = torch.device(str(name))
        known = device.type in DEVICES
    except RuntimeError:
        known = False
    if not known:
        raise UsageError(f"there is no device {str(name)!r}; use cpu, cuda, cuda:1, ... or mps")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is available; use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no MPS device is available; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no {device}, CUDA devices: {torch.cuda.device_count()}")
    return device

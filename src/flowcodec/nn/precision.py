"""Where autocast has to end."""

from __future__ import annotations

import contextlib
from typing import Any

import torch


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """A block that computes in the types it is given, whatever autocast is around it."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()  # "meta", on which operations are only counted

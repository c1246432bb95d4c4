"""Networks at work: torch limited to some threads, no gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from flowcodec.errors import UsageError


def device_called(name: str) -> torch.device:
    """The device of that name; UsageError where it is CUDA and there is none."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("no CUDA device is available; use --device cpu")
    return torch.device(name)


@contextlib.contextmanager
def running(threads: int | None) -> Iterator[None]:
    """A block without gradients, in which torch takes at most `threads` threads."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)

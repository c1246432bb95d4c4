"""What a process does with the memory of tensors that are no more."""

import sys
from pathlib import Path

import pytest
import torch

from flowcodec.codecs.memory import give_back, keeping_freed_memory

MEGABYTE = 2**20
COUNT, SIDE = 64, 2048  # of planes of 16 MB: 1 GB

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the C library")


def resident() -> int:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 // MEGABYTE


def use_and_free() -> None:
    planes = [torch.ones(SIDE, SIDE) for _ in range(COUNT)]
    del planes


def test_freed_memory_is_kept_in_the_block_and_given_back_after_it():
    give_back()
    before = resident()
    with keeping_freed_memory():
        use_and_free()
        kept = resident() - before
    assert kept > 900
    assert resident() - before < 100

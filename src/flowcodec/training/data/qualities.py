"""The qualities of a batch."""

from __future__ import annotations

import numpy as np

from flowcodec.quality import ANCHORS


def sample_quality(single: float | None, count: int, rng: np.random.Generator) -> np.ndarray:
    """Real qualities, stratified over [1, 8]; or a single one."""
    if single is not None:
        return np.full(count, single, np.float32)
    cells = (np.arange(count) + rng.random(count)) / count
    return rng.permutation(1 + (ANCHORS - 1) * cells).astype(np.float32)

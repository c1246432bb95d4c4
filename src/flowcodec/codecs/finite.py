"""Whether what networks compute are numbers: broken weights are named where they show."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.weights import Weights
from flowcodec.errors import WeightsError

# NumPy's warnings where check_finite will say it.
unwarned = np.errstate(over="ignore", invalid="ignore")


def check_finite(values: NDArray[np.floating], stage: str, weights: Weights[Any]) -> None:
    """WeightsError if any of the values that a stage gave is infinite or not a number."""
    if not float(abs(values).max()) < math.inf:
        raise WeightsError(
            f"{weights.path}: {stage} gives values that are not finite: the weights are broken;"
            " use others"
        )

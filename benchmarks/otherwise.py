"""Another machine, or nearly; `python -m benchmarks.otherwise` is `flowcodec` there.

Networks run as they are drawn, with none of ONNX Runtime's kernels and fusions for this processor,
and matrix products by kernels of `OPENBLAS`: sums are taken in another order, so floats differ.
"""

from __future__ import annotations

import sys

import onnxruntime

OPENBLAS = {"OPENBLAS_CORETYPE": "Nehalem"}  # SSE4.1, for the environment of a process


class AsDrawn(onnxruntime.SessionOptions):  # type: ignore[misc]
    """Options of a session that leaves a graph as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def run_otherwise() -> None:
    """Networks that are built from now on run as they are drawn."""
    onnxruntime.SessionOptions = AsDrawn


if __name__ == "__main__":
    from flowcodec.cli.main import main

    run_otherwise()
    sys.exit(main())

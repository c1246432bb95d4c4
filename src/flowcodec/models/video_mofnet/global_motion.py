"""Global motion: what a camera does to a whole frame, in six integers.

Where everything pans, zooms or turns, latents would say the same of each block anew. So the flow of
the blocks is coded as what it differs from this one, and a pan costs a few bytes. In NumPy: coding
may not need torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

UNIT = 8  # parts of a pixel
LARGEST = 1 << 15  # such parts
ROUNDS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.5)  # pixels: blocks that differ by more count for little
WITHIN = ROUNDS[-1]
RIDGE = 1e-3  # blocks


def field(camera: Floats | NDArray[np.int64], height: int, width: int) -> NDArray[np.float32]:
    """camera (6,) -> flow (2, height, width) in pixels.

    (x, y) moves by (c0 + c1 u + c2 v, c3 + c4 u + c5 v) / 8, u and v being its place from -1 to 1
    between the outer edges of the picture.
    """
    v, u = _sides(height, width)
    parts = np.reshape(camera / UNIT, (2, 3, 1, 1)).astype(np.float32)
    return parts[:, 0] + parts[:, 1] * u + parts[:, 2] * v[:, None]


def estimate(coarse: Floats, linear: bool = True) -> NDArray[np.int64]:
    """The motion of most blocks of coarse (2, h, w) in pixels -> integers (6,), of which the first
    and fourth alone are not zero unless `linear`.

    By reweighted least squares: from the median of the blocks in ever narrower ranges, and from
    standing still; what explains more blocks is taken.
    """
    flow = coarse.reshape(2, -1).astype(np.float64)
    places = _places(*coarse.shape[1:])[: 3 if linear else 1]
    median = np.median(flow, 1, keepdims=True)
    starts = [(median, ROUNDS), (np.zeros_like(median), (WITHIN,) * len(ROUNDS))]
    first, second = (_descend(flow, places, *start) for start in starts)
    motion = min(second, first, key=lambda each: left_over(flow - each @ places))
    whole = np.rint(motion * UNIT).clip(1 - LARGEST, LARGEST - 1).astype(np.int64)
    return np.pad(whole, ((0, 0), (0, 3 - whole.shape[1]))).reshape(6)


def _descend(flow: Floats, places: Floats, start: Floats, ranges: tuple[float, ...]) -> Floats:
    """flow (2, n), places (k, n) -> (2, k), so that m @ places is the flow of most."""
    left = flow - start
    ridge = RIDGE * np.eye(len(places))
    for within in ranges:
        weighted = np.square(1 - _unlike(left, within)) * places
        motion = np.linalg.solve(weighted @ places.T + ridge, weighted @ flow.T).T
        left = flow - motion @ places
    return motion


def left_over(left: Floats) -> float:
    """How many blocks a motion does not explain that leaves these flows, (2, ...)."""
    return float(_unlike(left, WITHIN).sum())


def _unlike(left: Floats, within: float) -> Floats:
    """(2, ...) in pixels -> (...), from 0 where nothing is left to 1."""
    squared = np.square(left).sum(0)
    return squared / (squared + within**2)


def _places(height: int, width: int) -> Floats:
    """1, u and v of each position: (3, height * width)."""
    v, u = _sides(height, width)
    return np.stack(np.broadcast_arrays(np.float32(1), u, v[:, None])).reshape(3, -1)


def _sides(height: int, width: int) -> list[NDArray[np.float32]]:
    """Places down and across, from -1 to 1."""
    return [((2 * np.arange(n) + 1) / n - 1).astype(np.float32) for n in (height, width)]

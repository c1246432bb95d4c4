"""Global motion: what a camera does to a whole frame, in six integers.

Where everything pans, zooms or turns, latents would say the same of each block anew. So the flow of
the blocks is coded as what it differs from this one, and a pan costs a few bytes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

UNIT = 8  # parts of a pixel
LARGEST = 1 << 15  # such parts
ROUNDS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.5)  # pixels: blocks that differ by more count for little
WITHIN = ROUNDS[-1]
RIDGE = 1e-3  # blocks


def field(camera: Tensor, height: int, width: int) -> Tensor:
    """camera (B, 6) -> flow (B, 2, height, width) in pixels.

    (x, y) moves by (c0 + c1 u + c2 v, c3 + c4 u + c5 v) / 8, u and v being its place from -1 to 1
    between the outer edges of the picture.
    """
    places = _places(height, width, camera)
    return (camera.view(-1, 2, 3) @ places / UNIT).unflatten(2, (height, width))


@torch.no_grad()
def estimate(coarse: Tensor, linear: bool) -> Tensor:
    """The motion of most blocks of coarse (B, 2, h, w) in pixels -> integers (B, 6), of which the
    first and fourth alone are not zero unless `linear`.

    By reweighted least squares: from the median of the blocks in ever narrower ranges, and from
    standing still; what explains more blocks is taken.
    """
    height, width = coarse.shape[2:]
    flow = coarse.flatten(2)
    places = _places(height, width, coarse)[: 3 if linear else 1]
    median = flow.median(2, keepdim=True).values
    starts = [(median, ROUNDS), (torch.zeros_like(median), (WITHIN,) * len(ROUNDS))]
    first, second = (_descend(flow, places, *start) for start in starts)
    better = _left_over(flow, places, first) < _left_over(flow, places, second)
    motion = torch.where(better[:, None, None], first, second)
    whole = (motion * UNIT).round().clamp(1 - LARGEST, LARGEST - 1)
    return F.pad(whole, (0, 3 - whole.shape[2])).flatten(1)


def _descend(flow: Tensor, places: Tensor, start: Tensor, ranges: tuple[float, ...]) -> Tensor:
    """flow (B, 2, n), places (k, n) -> (B, 2, k), so that m @ places is the flow of most."""
    left = flow - start
    ridge = RIDGE * torch.eye(len(places), dtype=flow.dtype, device=flow.device)
    motion = flow.new_zeros(len(flow), 2, len(places))
    for within in ranges:
        weight = (1 - _unlike(left, within)).square()
        squares = torch.einsum("bn,in,jn->bij", weight, places, places) + ridge
        products = torch.einsum("bn,in,bcn->bic", weight, places, flow)
        motion = torch.linalg.solve(squares, products).transpose(1, 2)
        left = flow - motion @ places
    return motion


def _left_over(flow: Tensor, places: Tensor, motion: Tensor) -> Tensor:
    """How many blocks a motion does not explain: (B,)."""
    return _unlike(flow - motion @ places, WITHIN).sum(1)


def _unlike(left: Tensor, within: float) -> Tensor:
    """(B, 2, n) in pixels -> (B, n), from 0 where nothing is left to 1."""
    squared = left.square().sum(1)
    return squared / (squared + within**2)


def _places(height: int, width: int, like: Tensor) -> Tensor:
    """1, u and v of each position: (3, height * width)."""
    v, u = (
        (2 * torch.arange(n, dtype=like.dtype, device=like.device) + 1) / n - 1
        for n in (height, width)
    )
    one = torch.ones(height, width, dtype=like.dtype, device=like.device)
    return torch.stack([one, u.expand(height, width), v[:, None].expand(height, width)]).flatten(1)

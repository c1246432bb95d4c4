"""Pixels under alpha 0, which nobody sees: before coding they are filled with what costs least.

Networks and DCTs get a membrane: a hidden pixel is about the mean of those around it. A pyramid
spans it over any distance. A level halves the one above, as far as that is seen, is filled itself,
and gives the level above a start, which sweeps of that mean finish. Lossless coding gets repeated
pixels, of which it makes nearly nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.fidelity import STRIP, Pixels

Seen = NDArray[np.bool_]

MIDDLE = 128
SWEEPS = 2


def spanned(pixels: Pixels, seen: Seen) -> Pixels:
    """The picture (H, W, C) with a membrane where it is not `seen` (H, W)."""
    if seen.all():
        return pixels
    if not seen.any():
        return np.full_like(pixels, MIDDLE)
    coarse = spanned(*_halved(pixels, seen))
    height, width = seen.shape
    result = np.empty_like(pixels)
    for top in range(0, height, STRIP):
        begin, end = max(0, top - 2 * SWEEPS), min(height, top + STRIP + 2 * SWEEPS)
        start = _doubled(coarse, begin, end, width)
        strip = _swept(pixels[begin:end], seen[begin:end], start)
        result[top : top + STRIP] = strip[top - begin :][:STRIP]
    return result


def repeats(pixels: Pixels, seen: Seen) -> Iterator[Pixels]:
    """The picture (H, W, C) with black where it is not `seen` (H, W), and with the pixel that was
    seen last, row by row."""
    yield pixels * seen[..., None]
    flat = seen.reshape(-1)
    if flat.any():
        last = np.maximum.accumulate(np.where(flat, np.arange(flat.size), flat.argmax()))
        yield pixels.reshape(flat.size, -1)[last].reshape(pixels.shape)


def _halved(pixels: Pixels, seen: Seen) -> tuple[Pixels, Seen]:
    """Means of squares of four pixels, of those that are seen, and whether any is."""
    height, width, channels = pixels.shape
    half = -(-height // 2), -(-width // 2)
    means, found = np.empty((*half, channels), np.uint8), np.empty(half, np.bool_)
    for top in range(0, height, STRIP):
        strip = slice(top, top + STRIP)
        edges = ((0, -len(seen[strip]) % 2), (0, width % 2))
        mask = np.pad(seen[strip], edges)[..., None]
        visible = np.pad(pixels[strip], (*edges, (0, 0))) * mask
        total, count = _of_squares(visible), _of_squares(mask)
        rows = slice(top // 2, (top + STRIP) // 2)
        means[rows] = (total + count // 2) // np.maximum(count, 1)
        found[rows] = count[..., 0] > 0
    return means, found


def _of_squares(x: NDArray[np.uint8] | Seen) -> NDArray[np.uint16]:
    """(2h, 2w, C) -> sums of four (h, w, C)."""
    height, width, channels = x.shape
    squares = x.reshape(height // 2, 2, width // 2, 2, channels)
    return np.asarray(squares.sum((1, 3), dtype=np.uint16))


def _doubled(coarse: Pixels, begin: int, end: int, width: int) -> NDArray[np.float32]:
    """Rows `begin` (an even number) to `end` of twice the size, linear between the pixels."""
    rows = np.arange(begin // 2 - 1, -(-end // 2) + 1).clip(0, len(coarse) - 1)
    tall = _between(coarse[rows].astype(np.float32), 0)
    wide = _between(np.pad(tall, ((0, 0), (1, 1), (0, 0)), "edge"), 1)
    return wide[: end - begin, :width]


def _between(x: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """n + 2 samples along an axis -> 2n, a quarter before and behind each but the outer two."""
    x = np.moveaxis(x, axis, 0)
    middle = 0.75 * x[1:-1]
    pairs = np.stack([middle + 0.25 * x[:-2], middle + 0.25 * x[2:]], 1)
    return np.moveaxis(pairs.reshape(-1, *x.shape[1:]), 0, axis)


def _swept(pixels: Pixels, seen: Seen, start: NDArray[np.float32]) -> Pixels:
    """`pixels` where they are seen; elsewhere `start`, after sweeps of the mean of neighbours."""
    mask = seen[..., None]
    x = np.where(mask, pixels, start)
    for _ in range(SWEEPS):
        around = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
        mean = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
        np.copyto(x, 0.25 * mean, where=~mask)
    return np.rint(x).astype(np.uint8)

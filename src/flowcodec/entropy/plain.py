"""Coefficients of 8x8 blocks, coded without a network: for tiles that no network has learned.

Each coefficient has a zero-mean Gaussian whose scale follows what is known around it in its block,
along a line of which slope and offset are sent with the tile, for each of the 64 frequencies of
each colour. Where blocks differ, as in text, the line is steep; in noise it is level. The lowest
frequency is coded as the difference from the block to the left. SPEC.md, section 9.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowcodec.entropy.coder import Coder, Decoder, Encoder
from flowcodec.entropy.fixed_point import log2_table
from flowcodec.entropy.symbols import code_singly
from flowcodec.entropy.tables import PRECISION, SCALES, reach, tables_of
from flowcodec.errors import FlowcodecError

Ints = NDArray[np.int64]

SIDE = 8
FREQUENCIES = SIDE**2
ORDER = sorted(range(FREQUENCIES), key=lambda k: (sum(divmod(k, SIDE)), k))  # by diagonals
FARTHEST = 3  # distance of frequencies that tell of each other
STEEPEST = 2  # slope, in halves: the scale stays, grows as the root of what is around, or as that
LARGEST = 1023  # beyond, an encoder takes costs for equal


def encode(coefficients: Ints) -> bytes:
    """(h, w, 64 * colours) -> code, which is decoded again before this returns.

    Frequency 8 r + c of a colour has r half waves from top to bottom.
    """
    encoder = Encoder()
    height, width, channels = coefficients.shape
    known = coefficients.reshape(height * width, channels).T.astype(np.int64)
    known[::FREQUENCIES] = [_differences(k.reshape(height, width)) for k in known[::FREQUENCIES]]
    _walk(encoder, height * width, channels // FREQUENCIES, known)
    code = encoder.bytes()
    if not encoder.reads_back(code):
        raise FlowcodecError("coefficients do not decode to what was coded: a bug")
    return code


def decode(data: bytes, height: int, width: int, colours: int) -> Ints:
    """Code -> (h, w, 64 * colours)."""
    found = _walk(Decoder(data), height * width, colours, None)
    found[::FREQUENCIES] = [_sums(k.reshape(height, width)) for k in found[::FREQUENCIES]]
    return np.ascontiguousarray(found.T).reshape(height, width, -1)


def coefficient_hash(coefficients: Ints) -> int:
    """CRC-32 of all coefficients (h, w, K) as little-endian 32-bit integers."""
    return crc32(coefficients.astype("<i4").tobytes())


def _walk(coder: Coder, blocks: int, colours: int, known: Ints | None) -> Ints:
    values = np.zeros((colours * FREQUENCIES, blocks), np.int64)
    size = np.zeros((colours, FREQUENCIES, blocks), np.int32)
    mean = np.zeros(blocks, np.int64)
    line = np.zeros(2, np.int64)  # slope and offset
    for frequency in ORDER:
        for colour in range(colours):
            channel = colour * FREQUENCIES + frequency
            level = log2_table()[np.minimum(_around(size, frequency, colour), 4095)]
            wanted = None if known is None else known[channel]
            step = None if wanted is None else _best_line(level, wanted, line) - line
            line = line + coder.integers(step, 2)
            scale = np.clip((line[0] * level >> 8) + line[1], 0, SCALES - 1)
            values[channel] = code_singly(coder, mean, scale, wanted)
            size[colour, frequency] = np.minimum(np.abs(values[channel]), 4095)
    return values


def _around(size: NDArray[np.int32], frequency: int, colour: int) -> Ints:
    """Weighted sum of the magnitudes known near a frequency in each block (n,).

    2^(3 - d) for frequencies at a distance of d <= 3; another colour's same one counts as near.
    """
    total: Ints = size[:colour, frequency].sum(0, dtype=np.int64) << (FARTHEST - 1)
    for near, distance in _near()[frequency]:
        total += size[colour, near] << (FARTHEST - distance)
    return total


@lru_cache(maxsize=1)
def _near() -> list[list[tuple[int, int]]]:
    """For each frequency those coded before it that are not too far, and their distances."""
    found: list[list[tuple[int, int]]] = [[] for _ in ORDER]
    for place, frequency in enumerate(ORDER):
        row, column = divmod(frequency, SIDE)
        for other in ORDER[:place]:
            distance = abs(row - other // SIDE) + abs(column - other % SIDE)
            if distance <= FARTHEST:
                found[frequency].append((other, distance))
    return found


def _differences(x: Ints) -> Ints:
    """From the block to the left, in the first column from the one above; flat (n,)."""
    x = x.copy()
    x[:, 1:] -= x[:, :-1].copy()
    x[1:, 0] -= x[:-1, 0].copy()
    return x.reshape(-1)


def _sums(x: Ints) -> Ints:
    """The inverse of `_differences`."""
    x[:, 0] = np.cumsum(x[:, 0])
    return np.cumsum(x, axis=1).reshape(-1)


def _best_line(level: Ints, values: Ints, before: Ints) -> Ints:
    """Slope and offset that code the values in the fewest bits, their own bits included."""
    magnitude = np.minimum(np.abs(values), LARGEST)
    width = int(magnitude.max()) + 1
    steep = STEEPEST * level >> 8
    height = int(steep.max()) + 1
    count = np.bincount(steep * width + magnitude, minlength=height * width).reshape(height, width)
    seen = np.flatnonzero(count.any(1))
    bits = count[seen] @ symbol_bits()[:, :width].T  # by level and scale
    offsets = np.arange(-SCALES, SCALES)
    slopes = np.arange(STEEPEST + 1)
    scales = (slopes[:, None] * seen // STEEPEST)[:, :, None] + offsets
    scales = np.clip(scales, 0, SCALES - 1)
    total = np.take_along_axis(bits[None], scales, 2).sum(1)  # by slope and offset
    total += 2 * np.log2(1 + 2 * np.abs(slopes - before[0]))[:, None]
    total += 2 * np.log2(1 + 2 * np.abs(offsets - before[1]))
    slope, offset = np.unravel_index(total.argmin(), total.shape)
    return np.array([slope, offsets[offset]])


@lru_cache(maxsize=1)
def symbol_bits() -> NDArray[np.float64]:
    """What magnitudes 0 to `LARGEST` cost at each scale (83, LARGEST + 1), for an encoder."""
    bits = np.empty((SCALES, LARGEST + 1))
    value = np.arange(LARGEST + 1)
    for scale in range(SCALES):
        counts = tables_of(scale)[0]
        inside = len(counts) - 2 - reach(scale)  # values above are escaped
        at = np.minimum(value + reach(scale), len(counts) - 1)
        bits[scale] = PRECISION - np.log2(counts[at])
        bits[scale] += np.where(value > inside, 1 + 2 * np.log2(1 + 2 * abs(value - inside)), 0)
    return bits

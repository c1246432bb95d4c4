"""What a tile may be coded as instead of being learned, and which of these is best.

plain     an 8x8 DCT (`entropy.plain`): for noise, and wherever the networks are far from home
lossless  for graphics, in which nearly everything repeats

Networks fail on pictures that no photograph resembles. These do not, so an encoder compares.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cached_property, lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowcodec import yuv
from flowcodec.bitstream.header import TileBox
from flowcodec.bitstream.lossless import pack_lossless, unpack_lossless
from flowcodec.bitstream.picture_file import LOSSLESS, PLAIN, Tile
from flowcodec.codecs.fidelity import error_by
from flowcodec.codecs.hidden import Seen, repeats
from flowcodec.entropy.plain import FREQUENCIES, SIDE, coefficient_hash, decode, encode
from flowcodec.errors import FormatError
from flowcodec.nn.patches import RGB, dct_basis
from flowcodec.quality import MSE_LAMBDAS

Pixels = NDArray[np.uint8]

LARGEST_STEP = 140.0  # of a plain tile's quantiser at quality 1, in 255ths
ROUNDING = 0.45  # added to magnitudes before they are cut to integers
MIDDLE = np.float32(128)
BEHIND = 2.9  # qualities, from weights for MS-SSIM to those for MSE of equal PSNR; four photographs

# Hints, such that photographs hardly ever pay for a trial.
REPEATED = 0.6  # pages and screens repeat more than bands show: they take 0.4 to 0.6 of those bits


class CodedTile(NamedTuple):
    """A tile as it stands in the file, and what a decoder makes of it, uint8 (H, W, 3 or 1)."""

    tile: Tile
    pixels: Pixels


class Price(NamedTuple):
    """Bits, and the squared error summed over pixels, as `fidelity.error_by` a metric."""

    bits: float
    error: float


class Trials:
    """The ways to code one tile, uint8 (H, W, 3 or 1).

    seen: bool (H, W), which pixels count; None for all. The others are filled already, for all
    kinds but lossless. metric: of the weights, by which they are judged. What no quality changes
    is worked out once.
    """

    def __init__(self, pixels: Pixels, seen: Seen | None, metric: str):
        self._pixels, self._seen, self._metric = pixels, seen, metric

    def best(self, learned: CodedTile | None, quality: int, kinds: Collection[str]) -> CodedTile:
        """The best coding: the learned one, or one of the other `kinds`.

        A kind is tried where a hint from an eighth of the tile makes it look better than what is
        there.
        """
        pixels, metric = self._pixels, self._metric
        best = learned
        price = Price(math.inf, math.inf) if learned is None else self._price(learned)
        if "plain" in kinds and better(plain_hint(pixels, quality, metric), price, quality, metric):
            found = plain_tile(pixels, quality)
            found_price = self._price(found)
            if better(found_price, price, quality, metric):
                best, price = found, found_price
        for source, hint in self._hinted if "lossless" in kinds else ():
            if better(hint, price, quality, metric):
                found = self._lossless(source)
                found_price = self._price(found)
                if better(found_price, price, quality, metric):
                    best, price = found, found_price
        assert best is not None
        return best

    def _price(self, coded: CodedTile) -> Price:
        return price_of(self._pixels, coded, self._metric, self._seen)

    @cached_property
    def _hinted(self) -> list[tuple[int, Price]]:
        """Numbers of what may be coded without loss, and a hint for each."""
        return [(number, lossless_hint(source)) for number, source in enumerate(self._fillings)]

    @cached_property
    def _fillings(self) -> list[Pixels]:
        """The tile, or where some of it is hidden, as it may be filled there."""
        seen = self._seen
        return [self._pixels] if seen is None else list(repeats(self._pixels, seen))

    def _lossless(self, number: int) -> CodedTile:
        if number not in self._coded:
            self._coded[number] = lossless_tile(self._fillings[number])
        return self._coded[number]

    @cached_property
    def _coded(self) -> dict[int, CodedTile]:
        return {}


def better(one: Price, other: Price, quality: int, metric: str) -> bool:
    """Whether `one` is the better coding, by bits + weight * error."""
    weight = error_weight(quality, metric)
    return one.bits + weight * one.error < other.bits + weight * other.error


def error_weight(quality: int, metric: str) -> float:
    """Bits that a squared error of 1 is worth: lambda of the anchors, geometric between and below.

    MS-SSIM and bits have no such rate. Weights for MS-SSIM get lambda of the quality at which those
    for MSE have their PSNR, so that photographs stay learned and nothing falls apart.
    """
    at = quality / 1000 - (BEHIND if metric == "ms-ssim" else 0)
    logs = np.log(MSE_LAMBDAS)
    below = min(at - 1, 0) * (logs[1] - logs[0])
    return math.exp(np.interp(at, range(1, 9), logs) + below)


def price_of(pixels: Pixels, coded: CodedTile, metric: str, seen: Seen | None = None) -> Price:
    """What a coding of `pixels` costs, of which those that are `seen` count (None: all)."""
    return Price(8 * len(coded.tile.data), error_by(metric, pixels, coded.pixels, seen))


def lossless_tile(pixels: Pixels) -> CodedTile:
    """The tile without loss."""
    return CodedTile(Tile(sample_hash(pixels), pack_lossless(pixels), LOSSLESS), pixels)


def lossless_hint(pixels: Pixels) -> Price:
    """What `lossless_tile` may cost: bands of 16 rows, coded fast, as if the rest repeated them."""
    rows = np.arange(len(pixels)) // 16 % 8 == 0
    bits = 8 * len(pack_lossless(pixels[rows], 1, 0)) * len(pixels) / int(rows.sum())
    return Price(REPEATED * bits, 0)


def plain_tile(pixels: Pixels, quality: int) -> CodedTile:
    """The tile by DCT, in the steps of the quality."""
    integers = quantise(coefficients(pixels) / step(quality))
    tile = Tile(coefficient_hash(integers), encode(integers), PLAIN)
    return CodedTile(tile, from_coefficients(integers, quality, *pixels.shape))


def plain_hint(pixels: Pixels, quality: int, metric: str) -> Price:
    """What `plain_tile` may cost, from one in eight rows of blocks: as if each coefficient were
    geometric in its magnitude, everywhere alike. Photographs take 0 to 40 % less, noise as much."""
    rows = np.arange(len(pixels)) // SIDE % 8 == 0
    real = coefficients(pixels[rows]) / step(quality)
    integers = quantise(real)
    if metric == "yuv":
        error = yuv.squared_error(samples((integers - real) * np.float32(step(quality))))
    else:
        error = np.square(integers - real).sum() * step(quality) ** 2 / 3
    integers[:, 1:, ::FREQUENCIES] -= integers[:, :-1, ::FREQUENCIES].copy()
    mean = np.abs(integers).mean((0, 1))
    mean = mean[mean > 0]
    each = (1 + mean) * np.log2(1 + mean) - mean * np.log2(mean) + mean / (1 + mean)  # with a sign
    bits = integers.shape[0] * integers.shape[1] * each.sum()
    whole = len(pixels) / int(rows.sum())
    return Price(float(bits) * whole, float(error) * whole)


def open_tile(tile: Tile, box: TileBox, quality: int, channels: int) -> Pixels:
    """Decode a plain or a lossless tile; FormatError where it is damaged."""
    if tile.type == LOSSLESS:
        pixels = unpack_lossless(tile.data, box.height, box.width, channels)
        found = sample_hash(pixels)
    else:
        integers = decode(tile.data, -(-box.height // SIDE), -(-box.width // SIDE), channels)
        found = coefficient_hash(integers)
        pixels = from_coefficients(integers, quality, box.height, box.width, channels)
    if found != tile.hash:
        raise FormatError("what was decoded does not match its hash")
    return pixels


def sample_hash(pixels: Pixels) -> int:
    """CRC-32 of the samples (H, W, C)."""
    return crc32(np.ascontiguousarray(pixels).data)


def step(quality: int) -> float:
    """The quantiser's step at a quality in thousandths, in 255ths: halved every two qualities."""
    return LARGEST_STEP * 2 ** ((1000 - quality) / 2000)


def quantise(real: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers for coefficients in steps."""
    return (np.sign(real) * np.floor(np.abs(real) + np.float32(ROUNDING))).astype(np.int64)


def coefficients(pixels: Pixels) -> NDArray[np.float32]:
    """(H, W, C) -> 8x8 blocks by DCT, (ceil(H/8), ceil(W/8), 64 C), repeating the last samples.

    Of gray, the first of three colours is left, in which it is what it would be in RGB.
    """
    height, width, channels = pixels.shape
    edges = ((0, -height % SIDE), (0, -width % SIDE), (0, 0))
    x = np.pad(pixels, edges, "edge").astype(np.float32) - MIDDLE
    x = np.broadcast_to(x, (*x.shape[:2], 3))
    return blocks(x) @ basis()[: FREQUENCIES * channels].T


def from_coefficients(
    integers: NDArray[np.int64], quality: int, height: int, width: int, channels: int
) -> Pixels:
    """What a decoder shows for the integers of a plain tile."""
    x = samples(integers.astype(np.float32) * np.float32(step(quality))) + MIDDLE
    return np.clip(np.rint(x[:height, :width, :channels]), 0, 255).astype(np.uint8)


def samples(real: NDArray[np.floating]) -> NDArray[np.float32]:
    """(8h, 8w, 3) around 0 of coefficients (h, w, 64 C)."""
    return unblock((real @ basis()[: real.shape[2]]).astype(np.float32))


@lru_cache(maxsize=1)
def basis() -> NDArray[np.float32]:
    """The DCT as rows over the samples of a block, (192, 192), the luma-like colour first."""
    found = dct_basis(RGB)
    return found.transpose(0, 2, 3, 1).reshape(len(found), -1)


def blocks(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """(8h, 8w, C) -> (h, w, 64 C)."""
    height, width, channels = x.shape[0] // SIDE, x.shape[1] // SIDE, x.shape[2]
    x = x.reshape(height, SIDE, width, SIDE, channels).transpose(0, 2, 1, 3, 4)
    return x.reshape(height, width, -1)


def unblock(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `blocks`, for three colours."""
    height, width = x.shape[:2]
    x = x.reshape(height, width, SIDE, SIDE, 3).transpose(0, 2, 1, 3, 4)
    return x.reshape(height * SIDE, width * SIDE, 3)

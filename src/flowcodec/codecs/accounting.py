"""Where the bits of a coded picture or frame went: over its latents, and over its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.picture_file import LEARNED, parse_picture
from flowcodec.codecs.picture import PictureCodec, naming
from flowcodec.codecs.protocols import CodedInter
from flowcodec.codecs.threads import limited_threads
from flowcodec.codecs.windows import Windows
from flowcodec.entropy.hyper import HYPER_RATIO

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Account:
    """What a file spends, in bits and bytes.

    Planes are (rows, columns) of latent positions, each a square of `stride` pixels. `energy` is
    the sum of squares of y's integers over all channels; `y_bits` and `z_bits` are what the symbols
    cost by the tables that they are coded with, where the bits of a symbol of z are shared by the
    positions it stands for. `other_bits` are those of tiles that are not learned, spread evenly.
    `parts` are the bytes of the file by name; "tiles" is the code of all tiles, the sum of the
    three planes of bits but for the last bits of each learned tile.
    """

    energy: Plane
    y_bits: Plane
    z_bits: Plane
    other_bits: Plane
    parts: Mapping[str, int]
    stride: int

    @property
    def bits(self) -> Plane:
        """What each position takes of the tiles' code."""
        return self.y_bits + self.z_bits + self.other_bits

    @property
    def file_bits(self) -> int:
        """The whole file."""
        return 8 * sum(self.parts.values())

    @property
    def shares(self) -> dict[str, float]:
        """Bits of the file by purpose: y, z, tiles that are not learned, and all that is left."""
        y, z, other = (float(p.sum()) for p in (self.y_bits, self.z_bits, self.other_bits))
        return {"y": y, "z": z, "other": other, "overhead": self.file_bits - y - z - other}


def account_of(codec: PictureCodec, data: bytes) -> Account:
    """Read a file of the codec's weights down to its latents, and weigh each.

    Raises FormatError where the file is damaged.
    """
    file = parse_picture(data)
    header = file.header
    windows = Windows.of(codec.model, header.height, header.width)
    energy, y_bits, z_bits, other_bits = (np.zeros(windows.latent_size) for _ in range(4))
    with limited_threads(codec.threads):
        for index, tile in enumerate(file.tiles):
            box = header.tile_box(index)
            here = windows.place(box)
            if tile.type != LEARNED:
                other_bits[here] = 8 * len(tile.data) / other_bits[here].size
                continue
            with naming(tile, index):
                z, y = codec.read_latents(tile, box, header.quality)
            z_cost, y_cost = codec.prior.cost(z, y, header.quality)
            energy[here] = np.square(y).sum(0)
            y_bits[here] = y_cost.sum(0)
            z_bits[here] = shared(z_cost.sum(0), *y.shape[1:])
    planes = energy, y_bits, z_bits, other_bits
    return Account(*planes, file.parts, codec.model.stride)


@dataclass(frozen=True)
class InterAccount:
    """A P-frame in its parts: what fig. 3 of paper P shows.

    flow (H, W, 2) in pixels, from the frame to its reference; alpha (H, W), 1 where the frame is
    coded; skipped = (1 - alpha) x~ and coded = c(alpha x~, alpha x), float32 (H, W, 3), zero for
    mid-gray, so that skipped + coded + 0.5 is the frame; motion_bits and codec_bits of motion and
    of the rest, (rows, columns) of latent positions, squares of `stride` pixels, by the tables
    their symbols are coded with.
    """

    flow: NDArray[np.float32]
    alpha: NDArray[np.float32]
    skipped: NDArray[np.float32]
    coded: NDArray[np.float32]
    motion_bits: Plane
    codec_bits: Plane
    stride: int


@runtime_checkable
class Accountable(Protocol):
    """An `InterModel` that tells how it made a frame, coded from `state`."""

    def account(self, frame: CodedInter, state: Any, quality: int) -> InterAccount: ...


def shared(bits: Plane, height: int, width: int) -> Plane:
    """Bits of z (k, l) spread evenly over the latents (height, width) that each stands for."""
    row, column = np.arange(height) // HYPER_RATIO, np.arange(width) // HYPER_RATIO
    covered = np.outer(np.bincount(row), np.bincount(column))
    return (bits / covered)[np.ix_(row, column)]

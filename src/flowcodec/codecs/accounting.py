"""Where the bits of a coded picture went: over its latents, and over the parts of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.picture_file import LEARNED, parse_picture
from flowcodec.codecs.picture import PictureCodec, latent_size, naming, tile_place
from flowcodec.codecs.threads import limited_threads
from flowcodec.entropy.prior import HYPER_RATIO

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Account:
    """What a file spends, in bits and bytes.

    Planes are (rows, columns) of latent positions, each a square of STRIDE pixels. `energy` is the
    sum of squares of y's integers over all channels; `y_bits` and `z_bits` are what the symbols
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
    energy, y_bits, z_bits, other_bits = (np.zeros(latent_size(header)) for _ in range(4))
    with limited_threads(codec.threads):
        for index, tile in enumerate(file.tiles):
            box = header.tile_box(index)
            here = tile_place(box)
            if tile.type != LEARNED:
                other_bits[here] = 8 * len(tile.data) / other_bits[here].size
                continue
            with naming(tile, index):
                z, y = codec.read_latents(tile, box, header.quality)
            z_cost, y_cost = codec.prior.cost(z, y, header.quality)
            energy[here] = np.square(y).sum(0)
            y_bits[here] = y_cost.sum(0)
            z_bits[here] = _shared(z_cost.sum(0), *y.shape[1:])
    return Account(energy, y_bits, z_bits, other_bits, file.parts)


def _shared(bits: Plane, height: int, width: int) -> Plane:
    """Bits of z (k, l) spread evenly over the latents (height, width) that each stands for."""
    row, column = np.arange(height) // HYPER_RATIO, np.arange(width) // HYPER_RATIO
    covered = np.outer(np.bincount(row), np.bincount(column))
    return (bits / covered)[np.ix_(row, column)]

"""Where the bits of a coded picture went: over its latents, and over the parts of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.picture import STRIDE, PictureCodec, latent_size, latent_slice
from flowcodec.codecs.threads import limited_threads
from flowcodec.entropy.prior import HYPER_RATIO

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Account:
    """What a file spends, in bits and bytes.

    Planes are (rows, columns) of latent positions, each a square of STRIDE pixels. `energy` is the
    sum of squares of y's integers over all channels; `y_bits` and `z_bits` are what the symbols
    cost by the tables that they are coded with, where the bits of a symbol of z are shared by the
    positions it stands for. `parts` are the bytes of the file by name; "tiles" is the code of all
    tiles, the sum of both planes of bits but for the last bits of each tile.
    """

    energy: Plane
    y_bits: Plane
    z_bits: Plane
    parts: Mapping[str, int]

    @property
    def file_bits(self) -> int:
        """The whole file."""
        return 8 * sum(self.parts.values())

    @property
    def shares(self) -> dict[str, float]:
        """Bits of the file by purpose: those of y, those of z, and what is neither."""
        y, z = float(self.y_bits.sum()), float(self.z_bits.sum())
        return {"y": y, "z": z, "overhead": self.file_bits - y - z}


def account_of(codec: PictureCodec, data: bytes) -> Account:
    """Read a file of the codec's weights down to its latents, and weigh each.

    Raises FormatError where the file is damaged.
    """
    file = parse_picture(data)
    header = file.header
    planes = [np.zeros(latent_size(header)) for _ in range(3)]
    with limited_threads(codec.threads):
        for index, tile in enumerate(file.tiles):
            box = header.tile_box(index)
            height, width = -(-box.height // STRIDE), -(-box.width // STRIDE)
            z, y = codec.prior.decode(tile.data, height, width, header.quality)
            z_cost, y_cost = codec.prior.cost(z, y, header.quality)
            found = (np.square(y).sum(0), y_cost.sum(0), _shared(z_cost.sum(0), height, width))
            rows, columns = latent_slice(box.top, box.height), latent_slice(box.left, box.width)
            for plane, part in zip(planes, found, strict=True):
                plane[rows, columns] = part
    energy, y_bits, z_bits = planes
    return Account(energy, y_bits, z_bits, file.parts)


def _shared(bits: Plane, height: int, width: int) -> Plane:
    """Bits of z (k, l) spread evenly over the latents (height, width) that each stands for."""
    row, column = np.arange(height) // HYPER_RATIO, np.arange(width) // HYPER_RATIO
    covered = np.outer(np.bincount(row), np.bincount(column))
    return (bits / covered)[np.ix_(row, column)]

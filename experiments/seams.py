"""What tiles cost: pictures of four megapixels in tiles of 512 against one tile.

    python -m experiments.seams PICTURE... --quality 4

Smaller pictures are mirrored until they fill 2048x2048. All tiles are learned ones, whose seams
these are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypedDict

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import flowcodec
from benchmarks.pictures import mosaic
from flowcodec.codecs.picture import PictureCodec
from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.evaluation.run import rgb_pixels
from flowcodec.media.picture import read_picture

SIDE, TILE, BAND = 2048, 512, 16


class Seams(TypedDict):
    """Bytes of the file as one tile, and in tiles: bytes more as a fraction, PSNR more in dB, in
    all and in the bands of 16 pixels to both sides of the seams."""

    bytes: int
    more_bytes: float
    more_psnr: float
    more_psnr_in_bands: float


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--quality", default=4.0, show_default=True, help="From 1 to 8.")
def main(pictures: tuple[Path, ...], weights: Path | None, quality: float) -> None:
    """Measure what tiles cost on each picture."""
    codec = flowcodec.load(weights=weights)
    table = Table(title=f"Tiles of {TILE} against one of {SIDE}, quality {quality:g}")
    for title in ("picture", "bytes", "bytes more", "dB more", "dB more in the bands"):
        table.add_column(title, justify="left" if title == "picture" else "right")
    found = []
    for path in pictures:
        pixels = mosaic(rgb_pixels(read_picture(path)), SIDE, SIDE)
        found.append(measure(codec, pixels, quality, TILE))
        table.add_row(path.name, *_cells(found[-1]))
    means = {key: np.mean([one[key] for one in found]) for key in Seams.__annotations__}  # type: ignore[literal-required]
    table.add_row("mean", *_cells(means))  # type: ignore[arg-type]
    Console().print(table)


def _cells(seams: Seams) -> list[str]:
    more = [f"{one:+.3f}" for one in (seams["more_psnr"], seams["more_psnr_in_bands"])]
    return [f"{seams['bytes']:.0f}", f"{seams['more_bytes']:+.2%}", *more]


def measure(codec: PictureCodec, pixels: Pixels, quality: float, tile: int) -> Seams:
    """A picture whose sides are multiples of `tile`, at most 2048, in tiles and as one."""
    whole, tiled = (
        codec.encode(pixels, quality, tile=side, kinds=["learned"])
        for side in (max(pixels.shape), tile)
    )
    bands = [near_seams(length, tile) for length in pixels.shape[:2]]
    where = bands[0][:, None] | bands[1][None]
    one, other = (psnr(pixels[where][None], x.reconstruction[where][None]) for x in (whole, tiled))
    return {
        "bytes": len(whole.data),
        "more_bytes": len(tiled.data) / len(whole.data) - 1,
        "more_psnr": tiled.psnr - whole.psnr,
        "more_psnr_in_bands": other - one,
    }


def near_seams(length: int, tile: int) -> NDArray[np.bool_]:
    """Which rows or columns lie within 16 of a border between two tiles."""
    at = np.arange(length)
    near = (at % tile < BAND) | (at % tile >= tile - BAND)
    return near & (at >= BAND) & (at < length - BAND)


if __name__ == "__main__":
    try:
        main()
    except FlowcodecError as error:
        sys.exit(f"seams: error: {error}")

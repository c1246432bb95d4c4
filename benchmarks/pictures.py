"""The pictures that are coded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from flowcodec.errors import FlowcodecError
from flowcodec.evaluation.demo import find_photographs
from flowcodec.evaluation.metrics import Pixels
from flowcodec.evaluation.run import rgb_pixels
from flowcodec.media.folders import picture_files
from flowcodec.media.picture import read_picture

WIDTH, HEIGHT = 768, 512  # a Kodak picture


def picture(data: Path | None) -> tuple[str, Pixels]:
    """The picture to code, uint8 (H, W, 3): a photograph scaled to 768x512 where none is given."""
    if data is None:
        path = next(path for path in find_photographs() if path.stem == "coffee")
        scaled = Image.open(path).convert("RGB").resize((WIDTH, HEIGHT))
        return f"{path.name} at {WIDTH}x{HEIGHT}", np.array(scaled)
    files = picture_files(data) if data.is_dir() else [data]
    if not files:
        raise FlowcodecError(f"no pictures in {data}")
    return files[0].name, rgb_pixels(read_picture(files[0]))


def mosaic(pixels: Pixels, height: int, width: int) -> Pixels:
    """A picture mirrored over and over until it fills height x width."""
    both = np.concatenate([pixels, pixels[:, ::-1]], 1)
    cell = np.concatenate([both, both[::-1]])
    rows, columns = -(-height // cell.shape[0]), -(-width // cell.shape[1])
    return np.ascontiguousarray(np.tile(cell, (rows, columns, 1))[:height, :width])

"""The pictures of a folder, held in memory as bytes, and which of them are held out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from flowcodec.errors import UsageError
from flowcodec.media.folders import picture_files
from flowcodec.media.picture import read_picture

T = TypeVar("T")


def load_pictures(
    folder: Path,
    shortest_side: int,
    progress: Callable[[int, int], None] | None = None,
    without: Collection[str] = (),
) -> list[np.ndarray]:
    """All pictures of a folder (recursive, sorted) as uint8 (H, W, 3); smaller ones left out.

    So is what lies in `folder` under the names of `without`.
    """
    files = [
        file for file in picture_files(folder) if file.relative_to(folder).parts[0] not in without
    ]
    pictures: list[np.ndarray] = []
    with ThreadPoolExecutor() as pool:
        for index, picture in enumerate(pool.map(lambda file: read_picture(file).pixels, files)):
            if min(picture.shape[:2]) >= shortest_side:
                pictures.append(np.broadcast_to(picture, (*picture.shape[:2], 3)))
            if progress:
                progress(index + 1, len(files))
    if not pictures:
        raise UsageError(f"no picture of at least {shortest_side} pixels a side in {folder}")
    return pictures


def hold_out(pictures: list[T], count: int) -> tuple[list[T], list[T]]:
    """Split into (training, held out), the latter spread evenly over the list."""
    count = min(count, len(pictures) // 2)
    if count == 0:
        return pictures, []
    step = len(pictures) // count
    kept = set(range(0, step * count, step))
    return (
        [p for i, p in enumerate(pictures) if i not in kept],
        [p for i, p in enumerate(pictures) if i in kept],
    )

"""What callers ask of a codec, checked: numbers of any library are taken, nothing else is."""

import math
from operator import index
from typing import Any

from flowcodec.errors import UsageError
from flowcodec.quality import COARSEST, FINEST

TILES = range(64, 2049, 64)  # sides in pixels


def thousandths(quality: Any) -> int:
    """A quality as files have it; UsageError unless it is one."""
    try:
        value = math.nan if isinstance(quality, str | bytes) else float(quality)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    found = round(value * 1000) if math.isfinite(value) else 0
    if not COARSEST <= found <= FINEST:
        said = repr(quality) if math.isnan(value) else f"{value:g}"
        raise UsageError(f"quality is a number from 1 to 8, not {said}")
    return found


def tile_side(tile: Any) -> int:
    """The side of tiles in pixels; UsageError unless it is one."""
    side = _whole(tile)
    if side is None or side not in TILES:
        raise UsageError(f"tile is a multiple of 64 from 64 to 2048, not {_said(tile, side)}")
    return side


def at_least_one(value: Any, what: str) -> int:
    """A number of frames or threads; UsageError names `what` unless it is one."""
    count = _whole(value)
    if count is None or count < 1:
        raise UsageError(f"{what} is a whole number from 1 on, not {_said(value, count)}")
    return count


def _whole(value: Any) -> int | None:
    try:
        return index(value)
    except TypeError:
        return None


def _said(value: Any, whole: int | None) -> str:
    return repr(value) if whole is None else str(whole)

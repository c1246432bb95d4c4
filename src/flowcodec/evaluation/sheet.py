"""One picture that compares codecs: a row a photograph, a column a codec, crops pixel by pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flowcodec.evaluation.metrics import Pixels

CROP = 128  # pixels of the photograph shown in a cell
ZOOM = 3  # each drawn as a square of 3 x 3

_CELL = CROP * ZOOM
_GAP = 28
_MARGIN = 56
_PAPER, _INK, _FAINT, _ACCENT = "#ffffff", "#1a1d21", "#6b7280", "#c2410c"
_HEADING, _LABEL, _TEXT = 44, 30, 24  # font sizes in pixels
_LINE = 34


@dataclass(frozen=True)
class Cell:
    """A decoded picture, uint8 (H, W, 3), and the lines under its crop."""

    pixels: Pixels
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One photograph and the lines under it, then a cell for each codec, in column order."""

    original: Pixels
    lines: tuple[str, ...]
    cells: tuple[Cell, ...]


def draw_sheet(heading: str, note: str, columns: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """Draw the sheet, RGB: each row has the whole photograph, its crop, and each codec's crop.

    `columns` titles the codecs; the first of them is ours and is set off by colour. The crop is
    the window where the codecs together differ most from the original.
    """
    width = 2 * _MARGIN + (len(columns) + 2) * (_CELL + _GAP) - _GAP
    top = _MARGIN + _HEADING + _LINE + 2 * _GAP
    captions = [caption for row in rows for caption in (row.lines, *(c.lines for c in row.cells))]
    depth = max(map(len, captions))
    row_height = _CELL + _GAP // 2 + depth * _LINE + 2 * _GAP
    height = top + _LABEL + _GAP + len(rows) * row_height + _MARGIN - 2 * _GAP

    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), heading, _INK, _font(_HEADING), anchor="la")
    draw.text((_MARGIN, _MARGIN + _HEADING + _GAP), note, _FAINT, _font(_TEXT), anchor="la")
    for index, title in enumerate(("whole picture", "original", *columns)):
        colour = _ACCENT if index == 2 else _INK
        draw.text((_left(index), top), title, colour, _font(_LABEL), anchor="la")
    for index, row in enumerate(rows):
        _draw_row(sheet, draw, row, top + _LABEL + _GAP + index * row_height)
    return sheet


def differing_window(original: Pixels, decoded: Sequence[Pixels], side: int) -> tuple[int, int]:
    """(top, left) of the `side` x `side` window with the largest squared error summed over codecs.

    All pictures are uint8 (H, W, 3) of one size; where a side is shorter than the window, the
    window starts at 0.
    """
    height, width = original.shape[:2]
    error = np.zeros((height, width), dtype=np.int64)
    for pixels in decoded:
        error += np.square(pixels.astype(np.int32) - original).sum(axis=2)
    sums = np.pad(error.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    tall, wide = min(side, height), min(side, width)
    windows = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, y: int) -> None:
    top, left = differing_window(row.original, [cell.pixels for cell in row.cells], CROP)
    for index, cell in enumerate((Cell(row.original, ()), *row.cells), start=1):
        crop = Image.fromarray(cell.pixels[top : top + CROP, left : left + CROP])
        large = crop.resize((crop.width * ZOOM, crop.height * ZOOM), Image.Resampling.NEAREST)
        sheet.paste(large, (_left(index), y))
        _write(draw, cell.lines, _left(index), y + _CELL + _GAP // 2)

    whole = Image.fromarray(row.original)
    scale = _CELL / max(whole.size)
    small = whole.resize((round(whole.width * scale), round(whole.height * scale)))
    sheet.paste(small, (_left(0), y))
    x0, y0 = _left(0) + left * scale, y + top * scale
    x1, y1 = x0 + crop.width * scale, y0 + crop.height * scale
    draw.rectangle((x0 - 2, y0 - 2, x1 + 2, y1 + 2), outline=_PAPER, width=6)
    draw.rectangle((x0, y0, x1, y1), outline=_ACCENT, width=3)
    _write(draw, row.lines, _left(0), y + small.height + _GAP // 2)


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[str], x: int, y: int) -> None:
    """Lines of a caption: the first in ink, the others faint."""
    for index, line in enumerate(lines):
        colour = _FAINT if index else _INK
        draw.text((x, y + index * _LINE), line, colour, _font(_TEXT), anchor="la")


def _left(column: int) -> int:
    return _MARGIN + column * (_CELL + _GAP)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)

"""One picture that compares decoded pictures: crops of a photograph, pixel by pixel."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flowcodec.evaluation.metrics import Pixels
from flowcodec.media.files import atomic_write
from flowcodec.media.names import printable

CROP = 128  # pixels of the photograph shown in a cell
ZOOM = 3  # each drawn as a square of 3 x 3

_CELL = CROP * ZOOM
_GAP = 28
_MARGIN = 56
_PAPER, _INK, _FAINT, _ACCENT = "#ffffff", "#1a1d21", "#6b7280", "#c2410c"
_HEADING, _LABEL, _TEXT = 44, 30, 24  # font sizes in pixels
_LINE = 34
_LETTER = _TEXT / 2  # width of a letter, on average a little less


@dataclass(frozen=True)
class Cell:
    """A decoded picture, uint8 (H, W, 3), its title and the lines under its crop."""

    title: str
    pixels: Pixels
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One photograph and the lines under it, the corner (top, left) of the crop, and the cells."""

    original: Pixels
    lines: tuple[str, ...]
    corner: tuple[int, int]
    cells: tuple[Cell, ...]


def draw_sheet(
    heading: str, note: str, rows: Sequence[Row], *, ours: str, across: int
) -> Image.Image:
    """Draw the sheet, RGB: each row has the whole photograph, its crop, and each cell's crop.

    The title `ours` is set off by colour. `across` cells stand side by side, the others of a row
    below.
    """
    width = 2 * _MARGIN + across * (_CELL + _GAP) - _GAP
    notes = textwrap.wrap(note, int((width - 2 * _MARGIN) / _LETTER))
    captions = [caption for row in rows for caption in (row.lines, *(c.lines for c in row.cells))]
    cell_height = _LABEL + _GAP + _CELL + _GAP // 2 + max(map(len, captions)) * _LINE + _GAP
    heights = [-(-(2 + len(row.cells)) // across) * cell_height for row in rows]
    top = _MARGIN + _HEADING + _GAP + len(notes) * _LINE + _GAP

    sheet = Image.new("RGB", (width, top + sum(heights) + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), heading, _INK, _font(_HEADING), anchor="la")
    draw.text(
        (_MARGIN, _MARGIN + _HEADING + _GAP),
        "\n".join(notes),
        _FAINT,
        _font(_TEXT),
        anchor="la",
        spacing=_LINE - _TEXT,
    )
    for row, height in zip(rows, heights, strict=True):
        original = Cell("original", row.original, ())
        for index, cell in enumerate((None, original, *row.cells)):
            line, column = divmod(index, across)
            x, y = _MARGIN + column * (_CELL + _GAP), top + line * cell_height
            title = cell.title if cell else "whole picture"
            colour = _ACCENT if title == ours else _INK
            draw.text((x, y), title, colour, _font(_LABEL), anchor="la")
            if cell:
                _draw_crop(sheet, draw, cell, row.corner, x, y + _LABEL + _GAP)
            else:
                _draw_whole(sheet, draw, row, x, y + _LABEL + _GAP)
        top += height
    return sheet


def save_png(image: Image.Image, path: Path) -> None:
    """Write a sheet; the file appears whole or not at all."""
    with atomic_write(path) as output:
        image.save(output, "PNG")


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


def _draw_crop(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    cell: Cell,
    corner: tuple[int, int],
    x: int,
    y: int,
) -> None:
    top, left = corner
    crop = Image.fromarray(cell.pixels[top : top + CROP, left : left + CROP])
    large = crop.resize((crop.width * ZOOM, crop.height * ZOOM), Image.Resampling.NEAREST)
    sheet.paste(large, (x, y))
    _write(draw, cell.lines, x, y + large.height + _GAP // 2)


def _draw_whole(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, x: int, y: int) -> None:
    """The photograph with a frame around what the crops show."""
    whole = Image.fromarray(row.original)
    scale = _CELL / max(whole.size)
    small = whole.resize((max(1, round(whole.width * scale)), max(1, round(whole.height * scale))))
    sheet.paste(small, (x, y))
    top, left = row.corner
    bottom, right = min(top + CROP, whole.height), min(left + CROP, whole.width)
    box = (x + left * scale, y + top * scale, x + right * scale, y + bottom * scale)
    draw.rectangle((box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2), outline=_PAPER, width=6)
    draw.rectangle(box, outline=_ACCENT, width=3)
    _write(draw, row.lines, x, y + small.height + _GAP // 2)


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[str], x: int, y: int) -> None:
    """Lines of a caption: the first in ink, the others faint."""
    for index, line in enumerate(lines):
        colour = _FAINT if index else _INK
        draw.text((x, y + index * _LINE), printable(line), colour, _font(_TEXT), anchor="la")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)

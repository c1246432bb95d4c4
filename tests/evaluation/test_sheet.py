import numpy as np
import pytest

from flowcodec.evaluation.sheet import CROP, ZOOM, Cell, Row, differing_window, draw_sheet

TEAL = (3, 141, 137)


def gray(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def test_the_window_holds_what_differs_most():
    original = gray(200, 300)
    slightly, badly = original.copy(), original.copy()
    slightly[10:20, 10:20] += 10
    badly[150:160, 250:260] += 90
    top, left = differing_window(original, [slightly, badly], 64)
    assert top <= 150 and top + 64 >= 160
    assert left <= 250 and left + 64 >= 260


@pytest.mark.parametrize("size", [(20, 300), (300, 20), (5, 5), (64, 64)])
def test_the_window_stays_inside_the_picture(size):
    original = gray(*size)
    decoded = original.copy()
    decoded[-1, -1] = 0
    top, left = differing_window(original, [decoded], 64)
    assert top == max(0, size[0] - 64)
    assert left == max(0, size[1] - 64)


def test_the_sheet_shows_each_pixel_of_the_crops_as_a_square():
    original = gray(200, 260)
    ours, other = original.copy(), original.copy()
    ours[100:110, 90:130] = TEAL
    other[100:110, 90:130] = 250
    cells = (Cell("A", ours, ("30 dB",)), Cell("B", other, ("20 dB",)))
    row = Row(original, ("x",), (60, 80), cells)
    sheet = np.asarray(draw_sheet("Title", "note", [row], ours="A", across=4))
    assert (sheet == TEAL).all(axis=2).sum() == 10 * 40 * ZOOM**2
    rows, columns = np.nonzero((sheet == TEAL).all(axis=2))
    assert np.ptp(rows) + 1 == 10 * ZOOM
    assert np.ptp(columns) + 1 == 40 * ZOOM


def test_the_sheet_grows_with_rows_and_columns_and_takes_small_pictures():
    small, tall = gray(CROP // 2, 40), gray(400, 150)

    def size(pictures, cells, across):
        cell = Cell("codec", small, ("a", "b", "c"))
        rows = [Row(p, ("name", "size"), (0, 0), (cell,) * cells) for p in pictures]
        return draw_sheet("Title", "note", rows, ours="codec", across=across).size

    assert size([small], 2, 4)[0] > size([small], 1, 3)[0] > 3 * CROP * ZOOM
    assert size([small, tall], 1, 3)[1] > size([small], 1, 3)[1] > CROP * ZOOM
    width, height = size([small], 4, 3)
    assert width == size([small], 1, 3)[0]
    assert height == size([small, tall], 1, 3)[1]


def test_a_line_of_a_picture_has_a_sheet_too():
    line = gray(1, 5000)
    row = Row(line, ("line",), (0, 4872), (Cell("codec", line, ("a",)),))
    assert draw_sheet("Title", "note " * 60, [row], ours="codec", across=3).width > CROP * ZOOM

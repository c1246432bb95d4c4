"""The stored samples of a TIFF picture, from top to bottom, in bands of a million or so."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from flowcodec.media.tiff.coding import decoded
from flowcodec.media.tiff.layout import FAX, JPEG, RAW, Layout

_SAMPLES_AT_ONCE = 1 << 20

# Strips that together are so many times longer than the file show some of its bytes again and
# again; reading them would take for ever.
_MAX_OVERLAP = 4

# How many bytes one byte may stand for, with a margin: deflate has 258 in two bits, LZW 4,096 in
# nine, PackBits 128 in 16; blocks of Zstandard have 131,072 in 32, those of JPEG 64 samples in one.
_EXPANSION = {RAW: 1, 5: 4096, 8: 1040, 32946: 1040, 32773: 64, 34925: 1 << 14, 50000: 1 << 16}
_EXPANSION[JPEG] = 2048

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

Rows = Callable[[int, int], NDArray[Any]]
"""From the first row and the one behind the last to these rows of a plane of strips or tiles that
stand below each other, (rows, columns, samples)."""


def bands(layout: Layout, stream: BinaryIO, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """The first row of each band, and its samples (rows, width, samples).

    `stream` has `size` bytes. Samples are unsigned or floats, in NumPy's own order of bytes; of
    signed ones the bits are left as they are. Raises ValueError on damage.
    """
    if layout.sampling != (1, 1):
        for top, blocks in bands(_of_blocks(layout), stream, size):
            top *= layout.sampling[1]
            yield top, _spread(blocks, layout.sampling)[: layout.height - top, : layout.width]
        return
    layout = _in_short_strips(_checked(layout, size))
    segments = _Segments(layout, stream)
    at_once = max(1, _SAMPLES_AT_ONCE // (layout.width * layout.samples))
    step = max(1, at_once // layout.rows)
    for first in range(0, layout.down, step):
        last = min(first + step, layout.down)
        top, bottom = first * layout.rows, min(last * layout.rows, layout.height)
        planes = [segments.stacked(plane, first, last) for plane in range(layout.planes)]
        pace = at_once if layout.across == 1 else bottom - top
        for start in range(0, bottom - top, pace):
            end = min(start + pace, bottom - top)
            parts = [_side_by_side(layout, rows, start, end) for rows in planes]
            yield top + start, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def _of_blocks(layout: Layout) -> Layout:
    """YCbCr with colours of lower resolution as a picture whose pixels are its blocks.

    A block has the luma of its pixels, row by row, and then one Cb and one Cr.
    """
    across, down = layout.sampling
    return dataclasses.replace(
        layout,
        width=-(-layout.width // across),
        height=-(-layout.height // down),
        columns=-(-layout.columns // across),
        rows=-(-layout.rows // down),
        samples=across * down + 2,
        sampling=(1, 1),
    )


def _spread(blocks: NDArray[Any], sampling: tuple[int, int]) -> NDArray[Any]:
    """The Y, Cb and Cr of each pixel, from blocks (rows, columns, samples)."""
    across, down = sampling
    rows, columns = blocks.shape[:2]
    luma = blocks[..., :-2].reshape(rows, columns, down, across).swapaxes(1, 2)
    colours = blocks[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
    return np.dstack((luma.reshape(rows * down, columns * across), colours))


def _checked(layout: Layout, size: int) -> Layout:
    """The same with as many offsets and counts as are needed, all of them inside of the file.

    Counts of uncompressed strips are what their pixels take; some writers leave them out. Raises
    ValueError where they cannot be right.
    """
    number = layout.segments
    if len(layout.offsets) < number:
        raise ValueError(f"it has {len(layout.offsets)} of {number} strips or tiles")
    offsets, counts = layout.offsets[:number], layout.counts[:number]
    needed = _bytes_of_each(layout)
    if layout.compression == RAW:
        if len(counts) == number and counts.all():
            far = (counts < needed) | (counts > 2 * layout.segment_bytes + 16)
            if far.any():
                raise ValueError("its strips or tiles have another length than their pixels")
        counts = needed
    elif number == 1 and not counts.any():
        counts = size - offsets
    if len(counts) < number or (counts < 1).any() or (offsets < 8).any():
        raise ValueError("it has strips or tiles without data")
    if (offsets > size - counts).any():
        raise ValueError("it ends before its last row")
    if counts.sum() > _MAX_OVERLAP * size:
        raise ValueError("its strips or tiles overlap")
    if (counts * _expansion(layout) < needed).any():
        raise ValueError("its strips or tiles are too short for their pixels")
    return dataclasses.replace(layout, offsets=offsets, counts=counts)


def _bytes_of_each(layout: Layout) -> NDArray[np.int64]:
    """How many bytes each strip or tile has when compression is undone."""
    needed = np.full(layout.segments, layout.segment_bytes)
    if not layout.tiled:
        last = layout.height - (layout.down - 1) * layout.rows
        needed[layout.down - 1 :: layout.down] = last * layout.row_bytes
    return needed


def _expansion(layout: Layout) -> int:
    """How many bytes compression can make of one, at most."""
    if layout.compression in FAX:
        return 8 * layout.row_bytes  # a row of one colour may take a bit
    return _EXPANSION[layout.compression]


def _in_short_strips(layout: Layout) -> Layout:
    """The same, but an uncompressed picture in one strip is cut into strips of a band's size."""
    if layout.compression != RAW or layout.tiled or layout.down > 1:
        return layout
    rows = max(1, min(layout.rows, _SAMPLES_AT_ONCE // (layout.width * layout.samples)))
    steps = np.arange(0, layout.height, rows, dtype=np.int64) * layout.row_bytes
    offsets = (layout.offsets[:, np.newaxis] + steps).ravel()
    cut = dataclasses.replace(layout, rows=rows, offsets=offsets)
    return dataclasses.replace(cut, counts=_bytes_of_each(cut))


def _side_by_side(layout: Layout, rows: Rows, start: int, end: int) -> NDArray[Any]:
    """Rows of the picture, from strips or tiles that stand below each other."""
    if layout.across == 1:
        return rows(start, end)[:, : layout.width]
    # Whole rows of tiles: `start` is 0, and only what is below the picture is left out.
    down = -(-end // layout.rows)
    tiles = rows(0, down * layout.across * layout.rows)
    shape = (down, layout.across, layout.rows, layout.columns, tiles.shape[2])
    joined = tiles.reshape(shape).swapaxes(1, 2).reshape(down * layout.rows, -1, shape[4])
    return joined[:end, : layout.width]


class _Segments:
    """The strips or tiles as they lie in the file."""

    def __init__(self, layout: Layout, stream: BinaryIO):
        self._layout, self._stream = layout, stream

    def stacked(self, plane: int, first: int, last: int) -> Rows:
        """The rows of strips or tiles from `first` to before `last` of a plane, decoded."""
        layout = self._layout
        before = plane * layout.down
        indices = range((before + first) * layout.across, (before + last) * layout.across)
        segments = [self._read(index) for index in indices]
        height = len(segments) * layout.rows
        if not layout.tiled:
            height = min(height, layout.height - first * layout.rows)
        if layout.compression == RAW:
            packed = np.frombuffer(b"".join(segments), np.uint8).reshape(height, -1)
            return lambda start, end: _unpacked(layout, packed[start:end])
        image = decoded(layout, segments, height)

        def rows(start: int, end: int) -> NDArray[Any]:
            part = np.asarray(image.crop((0, start, image.width, end)))
            if layout.compression in (*FAX, JPEG):
                return part.astype(np.uint8, copy=False).reshape(end - start, image.width, -1)
            return _unpacked(layout, part)

        return rows

    def _read(self, index: int) -> bytes:
        self._stream.seek(int(self._layout.offsets[index]))
        data = self._stream.read(int(self._layout.counts[index]))
        reverse = self._layout.reversed_bits and self._layout.compression not in (*FAX, JPEG)
        return data.translate(_REVERSED) if reverse else data


def _unpacked(layout: Layout, packed: NDArray[np.uint8]) -> NDArray[Any]:
    """From rows of bytes (rows, bytes) to samples (rows, columns, samples)."""
    bits, together = layout.bits, layout.together
    shape = (len(packed), layout.columns, together)
    if layout.predictor == 3:
        sums = np.cumsum(packed.reshape(len(packed), -1, together), axis=1, dtype=np.uint8)
        # First the highest bytes of all samples of a row, then the next ones.
        apart = sums.reshape(len(packed), bits // 8, -1).swapaxes(1, 2)
        return np.ascontiguousarray(apart).view(f">f{bits // 8}").reshape(shape)
    if bits % 8 == 0:
        kind = "f" if layout.kind == "f" and layout.predictor == 1 else "u"
        values = packed.view(f"{layout.order}{kind}{bits // 8}").reshape(shape)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if layout.predictor == 2:
            values = np.cumsum(values, axis=1, dtype=values.dtype)
            values = values.view(f"f{bits // 8}") if layout.kind == "f" else values
        return values
    digits = np.unpackbits(packed, axis=1)[:, : layout.columns * together * bits]
    if bits == 1:
        return digits.reshape(shape)
    width = 8 if bits < 8 else 16
    padded = np.zeros((*shape, width), np.uint8)
    padded[..., width - bits :] = digits.reshape(*shape, bits)
    values = np.packbits(padded, axis=3)
    return values.view(">u2")[..., 0].astype(np.uint16) if width == 16 else values[..., 0]

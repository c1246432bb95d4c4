"""How the first picture of a TIFF file is stored."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from flowcodec.media.tiff.tags import Tags


class Tag(IntEnum):
    """The tags that decide over pixels."""

    NEW_SUBFILE_TYPE = 254
    SUBFILE_TYPE = 255
    WIDTH = 256
    LENGTH = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_COUNTS = 279
    PLANAR = 284
    T4_OPTIONS = 292
    PREDICTOR = 317
    COLOR_MAP = 320
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    TILE_OFFSETS = 324
    TILE_COUNTS = 325
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    YCBCR_COEFFICIENTS = 529
    YCBCR_SUBSAMPLING = 530
    REFERENCE_BLACK_WHITE = 532
    IMAGE_DEPTH = 32997


class Photometric(IntEnum):
    """What the samples mean: the kinds that are read."""

    WHITE_IS_ZERO = 0
    BLACK_IS_ZERO = 1
    RGB = 2
    PALETTE = 3
    CMYK = 5
    YCBCR = 6
    CIELAB = 8
    ICCLAB = 9


GRAYS = (Photometric.WHITE_IS_ZERO, Photometric.BLACK_IS_ZERO)

CHANNELS = {
    Photometric.WHITE_IS_ZERO: 1,
    Photometric.BLACK_IS_ZERO: 1,
    Photometric.RGB: 3,
    Photometric.PALETTE: 1,
    Photometric.CMYK: 4,
    Photometric.YCBCR: 3,
    Photometric.CIELAB: 3,
    Photometric.ICCLAB: 3,
}

RAW, JPEG = 1, 7
FAX = (2, 3, 4)
PREDICTING = (5, 8, 32946, 34925, 50000)
"""LZW, deflate (two numbers), LZMA and Zstandard, which may stand behind a predictor."""
OF_BYTES = (*PREDICTING, 32773)
"""The same and PackBits: compression that knows bytes only."""

_KINDS = {1: "u", 2: "i", 3: "f"}

UNASSOCIATED, ASSOCIATED, COREL, GUESSED = 2, 1, 999, -1
"""Extra samples that are alpha: straight, premultiplied, straight as CorelDRAW 10 has it, and one
of which nothing is said and that is taken for it, as most readers do."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The arrangement of samples.

    bits: of each sample, 0 where they differ.
    kind: "u", "i" or "f", as in NumPy; empty where it is another or they differ.
    order: of the bytes in the file, "<" or ">".
    extra: what each sample behind the colours is, 0 where nothing is said.
    planes: how many samples stand apart from each other: 1, or all of them.
    columns, rows: the size of a strip or tile.
    offsets, counts: of each strip or tile, plane by plane; counts are 0 where nothing is said.
    jpeg_tables, t4_options: what the decoders of JPEG and of fax have to know beside the data.
    sampling: how many pixels beside and below each other share a colour in YCbCr; JPEG says it
        itself.
    """

    width: int
    height: int
    samples: int
    bits: int
    kind: str
    order: str
    photometric: int
    extra: tuple[int, ...]
    compression: int
    predictor: int
    reversed_bits: bool
    planes: int
    tiled: bool
    columns: int
    rows: int
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    jpeg_tables: bytes
    t4_options: int
    sampling: tuple[int, int]

    @property
    def across(self) -> int:
        """How many strips or tiles stand beside each other."""
        return -(-self.width // self.columns)

    @property
    def down(self) -> int:
        """How many stand below each other."""
        return -(-self.height // self.rows)

    @property
    def segments(self) -> int:
        """How many strips or tiles there are."""
        return self.across * self.down * self.planes

    @property
    def together(self) -> int:
        """How many samples of a pixel stand beside each other."""
        return self.samples // self.planes

    @property
    def row_bytes(self) -> int:
        """How many bytes a row of a strip or tile takes, before compression."""
        return -(-self.columns * self.together * self.bits // 8)

    @property
    def segment_bytes(self) -> int:
        """How many bytes a whole strip or tile takes, before compression."""
        return self.rows * self.row_bytes


def read_layout(tags: Tags) -> Layout:
    """What `tags` say. ValueError where they are damaged or contradict each other."""
    width, height = tags.integer(Tag.WIDTH, 0), tags.integer(Tag.LENGTH, 0)
    if width < 1 or height < 1:
        raise ValueError("it has no size")
    samples = tags.integer(Tag.SAMPLES, 1)
    if samples < 1:
        raise ValueError("it has no samples")
    tiled = Tag.TILE_WIDTH in tags
    columns = tags.integer(Tag.TILE_WIDTH, width)
    rows = tags.integer(Tag.TILE_LENGTH if tiled else Tag.ROWS_PER_STRIP, 0 if tiled else height)
    if columns < 1 or rows < 1:
        raise ValueError("its strips or tiles have no size")
    compression = tags.integer(Tag.COMPRESSION, RAW)
    photometric = tags.integer(Tag.PHOTOMETRIC, 0 if compression in FAX else -1)
    apart = tags.integer(Tag.PLANAR, 1)
    if apart not in (1, 2):
        raise ValueError(f"its samples are arranged in an unknown way, {apart}")
    return Layout(
        width=width,
        height=height,
        samples=samples,
        bits=_common(tags.integers(Tag.BITS), samples),
        kind=_KINDS.get(_common(tags.integers(Tag.SAMPLE_FORMAT), samples), ""),
        order=tags.order,
        photometric=photometric,
        extra=_extra(tags.integers(Tag.EXTRA_SAMPLES).tolist(), samples, photometric),
        compression=compression,
        predictor=tags.integer(Tag.PREDICTOR, 1),
        reversed_bits=tags.integer(Tag.FILL_ORDER, 1) == 2,
        planes=samples if apart == 2 else 1,
        tiled=tiled,
        columns=columns,
        rows=rows if tiled else min(rows, height),
        offsets=tags.integers(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS),
        counts=tags.integers(Tag.TILE_COUNTS if tiled else Tag.STRIP_COUNTS),
        jpeg_tables=tags.data(Tag.JPEG_TABLES),
        t4_options=tags.integer(Tag.T4_OPTIONS, 0),
        sampling=_sampling(tags, photometric, compression),
    )


def _sampling(tags: Tags, photometric: int, compression: int) -> tuple[int, int]:
    if photometric != Photometric.YCBCR or compression == JPEG:
        return 1, 1
    across, down = tags.integers(Tag.YCBCR_SUBSAMPLING).tolist() or (2, 2)
    return across, down


def _common(values: NDArray[np.int64], samples: int) -> int:
    """What all samples have in common, 1 where nothing is said, 0 where they differ."""
    values = values[:samples]
    if len(values) not in (0, 1, samples):
        raise ValueError(f"it describes {len(values)} of {samples} samples")
    different = set(values.tolist()) or {1}
    return different.pop() if len(different) == 1 else 0


def _extra(stated: list[int], samples: int, photometric: int) -> tuple[int, ...]:
    if photometric not in CHANNELS:
        return ()
    behind = samples - CHANNELS[Photometric(photometric)]
    if len(stated) > max(0, behind):
        raise ValueError("it describes more extra samples than it has")
    if not stated and behind == 1 and photometric in (*GRAYS, Photometric.RGB):
        return (GUESSED,)
    return tuple(stated + [0] * (behind - len(stated)))

"""Ways of storing a TIFF picture that are not read, by name."""

from collections.abc import Iterator

from flowcodec.media.tiff.layout import (
    ASSOCIATED,
    CHANNELS,
    FAX,
    JPEG,
    OF_BYTES,
    PREDICTING,
    RAW,
    Layout,
    Photometric,
    Tag,
)
from flowcodec.media.tiff.tags import Tags

_OTHER_COLOURS = {
    4: "a transparency mask",
    10: "ITU L*a*b*",
    32803: "the raw samples of a camera",
    32844: "LogL",
    32845: "LogLuv",
    34892: "the raw colours of a camera",
}

_OTHER_COMPRESSION = {
    6: "old-style JPEG",
    32766: "NeXT's RLE",
    32771: "CCITT RLE in words",
    32809: "ThunderScan",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34713: "Nikon's raw code",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}

_SPOKEN = {
    Photometric.WHITE_IS_ZERO: "gray where 0 is white",
    Photometric.BLACK_IS_ZERO: "gray",
    Photometric.PALETTE: "a palette",
    Photometric.YCBCR: "YCbCr",
    Photometric.CIELAB: "L*a*b*",
    Photometric.ICCLAB: "L*a*b*",
}

_LABS = (Photometric.CIELAB, Photometric.ICCLAB)
_DEPTHS = {"u": (*range(1, 17), 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
_FEW_DEPTHS = {
    Photometric.PALETTE: (1, 2, 4, 8, 16),
    Photometric.CMYK: (8, 16),
    Photometric.YCBCR: (8,),
    Photometric.CIELAB: (8, 16),
    Photometric.ICCLAB: (8,),
}
"""Of unsigned integers, where not all are read."""

_MAX_SEGMENT = 1 << 32
"""Strips and tiles of more bytes are refused."""

_USUAL_TILE = 1 << 24
"""So many pixels may a tile have in the smallest picture."""


def refusal(layout: Layout, tags: Tags) -> str | None:
    """What about this file is not read, in words that go on after its name, or None."""
    return next(_refusals(layout, tags), None)


def _refusals(layout: Layout, tags: Tags) -> Iterator[str]:
    if tags.integer(Tag.NEW_SUBFILE_TYPE, 0) & 1 or tags.integer(Tag.SUBFILE_TYPE, 1) == 2:
        yield "begins with a reduced copy of its picture, as raw files of cameras do"
    if tags.integer(Tag.IMAGE_DEPTH, 1) != 1:
        yield "holds a volume, not a picture"
    yield from _refusals_of_samples(layout)
    yield from _refusals_of_colour(layout, tags)
    yield from _refusals_of_compression(layout)


def _refusals_of_colour(layout: Layout, tags: Tags) -> Iterator[str]:
    code = layout.photometric
    if code < 0:
        yield "does not say what its samples mean"
    if code not in CHANNELS:
        yield f"holds {_OTHER_COLOURS.get(code, f'colours of an unknown kind, {code}')}"
    meaning = Photometric(code)
    name = _SPOKEN.get(meaning, meaning.name)
    if layout.samples < CHANNELS[meaning]:
        yield f"has {layout.samples} of the {CHANNELS[meaning]} samples a pixel of {name}"
    if meaning is Photometric.CMYK and tags.integer(Tag.INK_SET, 1) != 1:
        yield "is printed with other inks than CMYK"
    if ASSOCIATED in layout.extra and meaning not in (Photometric.BLACK_IS_ZERO, Photometric.RGB):
        yield f"has premultiplied alpha in {name}"
    if layout.bits not in _FEW_DEPTHS.get(meaning, (layout.bits,)) or (
        meaning in _FEW_DEPTHS and layout.kind != "u"
    ):
        yield f"has {_described(layout)} in {name}"
    if meaning is Photometric.YCBCR and layout.compression != JPEG:
        yield from _refusals_of_blocks(layout)


def _refusals_of_blocks(layout: Layout) -> Iterator[str]:
    """Of YCbCr with colours of lower resolution, which stand in blocks with their luma."""
    across, down = layout.sampling
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        yield f"has YCbCr of {across} x {down} pixels a colour"
    halved = layout.columns % across * layout.tiled or layout.rows % down * (layout.down > 1)
    together = layout.planes == layout.predictor == 1 and layout.samples == 3
    if layout.sampling != (1, 1) and (halved or not together):
        yield "has YCbCr with colours of lower resolution in an odd arrangement"


def _refusals_of_samples(layout: Layout) -> Iterator[str]:
    if not layout.bits:
        yield "has samples of different depths"
    if not layout.kind:
        yield "has samples that are neither integers nor floats, or some of each"
    if layout.bits not in _DEPTHS[layout.kind]:
        yield f"has {_described(layout)}"


def _refusals_of_compression(layout: Layout) -> Iterator[str]:
    code = layout.compression
    if code not in (RAW, JPEG, *OF_BYTES, *FAX):
        yield f"is coded as {_OTHER_COMPRESSION.get(code, f'an unknown way, {code}')}"
    if code in FAX and (layout.bits, layout.samples) != (1, 1):
        yield f"has {_described(layout)} coded as CCITT"
    if code == JPEG and not _fits_jpeg(layout):
        yield f"has {_described(layout)} coded as JPEG"
    if layout.predictor != 1:
        yield from _refusals_of_predictor(layout)
    if layout.segment_bytes > _MAX_SEGMENT:
        yield f"has strips or tiles of {layout.segment_bytes} bytes"
    room = max(_USUAL_TILE, 4 * layout.width * layout.height)
    if layout.tiled and layout.columns * layout.rows > room:
        yield f"has tiles of {layout.columns} x {layout.rows} pixels"


def _fits_jpeg(layout: Layout) -> bool:
    meaning = Photometric(layout.photometric)
    plain = (layout.bits, layout.kind, layout.samples) == (8, "u", CHANNELS[meaning])
    apart = layout.planes > 1 and meaning is Photometric.YCBCR
    return plain and not apart and meaning not in _LABS


def _refusals_of_predictor(layout: Layout) -> Iterator[str]:
    step = layout.predictor
    if layout.compression not in PREDICTING:
        yield "has a predictor and nothing compressed to go with it"
    differences = step == 2 and layout.bits in (8, 16, 32, 64)
    if not differences and not (step == 3 and layout.kind == "f"):
        yield f"has {_described(layout)} behind predictor {step}"


def _described(layout: Layout) -> str:
    kind = {"u": "unsigned", "i": "signed", "f": "floating-point"}[layout.kind]
    each = f", {layout.samples} a pixel" if layout.samples > 1 else ""
    apart = ", in planes" if layout.planes > 1 else ""
    return f"{kind} samples of {layout.bits} bits{each}{apart}"

"""The picture file formats: names, suffixes, what each can hold and how it is written."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowcodec.errors import MediaError

VIDEO_SUFFIXES = frozenset(
    (".3gp", ".asf", ".avi", ".flv", ".ivf", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg")
    + (".mpg", ".mts", ".mxf", ".obu", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m")
)
"""Suffixes of the files that are taken for videos, lower case, with their dots."""

RAW_SUFFIX = ".yuv"
"""Of planes without a header, which do not say what they are."""


@dataclass(frozen=True)
class PictureFormat:
    """One row of FORMATS; `options` go to Pillow's `Image.save`, `side` is in pixels."""

    name: str
    suffixes: tuple[str, ...]
    side: int = 2**31 - 1
    alpha: bool = True
    colour: bool = True
    metadata: bool = True
    options: dict[str, Any] = field(default_factory=dict)


# PNG: level 1 is four times as fast as Pillow's 6; photographs grow by some 5 %.
# JPEG: 4:4:4, since chroma at half resolution costs more than the last quality steps give.
# WebP: lossless, colours under full transparency included.
# TIFF: uncompressed, by `tiff_writing`.
# AVIF: quality cannot promise exact alpha, the encoder's own option for that plane can. Readers
# that build on libavif refuse longer sides.
FORMATS = (
    PictureFormat("PNG", (".png",), options={"compress_level": 1}),
    PictureFormat(
        "JPEG",
        (".jpg", ".jpeg"),
        side=65500,
        alpha=False,
        options={"quality": 95, "subsampling": "4:4:4"},
    ),
    PictureFormat(
        "WebP",
        (".webp",),
        side=16383,
        options={"lossless": True, "exact": True, "method": 2, "quality": 50},
    ),
    PictureFormat("TIFF", (".tif", ".tiff")),
    PictureFormat(
        "AVIF",
        (".avif",),
        side=32768,
        options={"quality": 95, "speed": 8, "advanced": {"alpha:lossless": "1"}},
    ),
    PictureFormat("PPM", (".ppm", ".pnm"), alpha=False, metadata=False),
    PictureFormat("PGM", (".pgm",), alpha=False, colour=False, metadata=False),
)

SUFFIXES = tuple(suffix for row in FORMATS for suffix in row.suffixes)
"""Suffixes of the files that are read and written, lower case, with their dots."""

READ_SUFFIXES = (*SUFFIXES, ".apng", ".avifs", ".jfif", ".jpe", ".pbm")
"""Those that are read: further names of the same formats."""

NAMES = ", ".join(row.name for row in FORMATS)

_MARKS = (
    ("PNG", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("JPEG", 0, (b"\xff\xd8\xff",)),
    ("WebP", 8, (b"WEBP",)),
    ("TIFF", 0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("AVIF", 4, (b"ftyp",)),
    ("PPM", 0, (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf")),
)

_NOT_READ = [
    (re.compile(mark, re.DOTALL), name)
    for mark, name in (
        (b"GIF8", "GIF"),
        (b"BM....\0\0\0\0", "BMP"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"8BPS", "PSD"),
        (b"\x76\x2f\x31\x01", "EXR"),
        (rb"#\?RADIANCE", "HDR"),
        (b"qoif", "QOI"),
        (b"DDS ", "DDS"),
        (b"%PDF", "PDF"),
        (b"....ftyp(?:hei|hev|mif1|msf1)", "HEIC"),
    )
]


def container_of(head: bytes) -> str | None:
    """Which of FORMATS a file is that begins with `head`; None for others."""
    for name, place, marks in _MARKS:
        if head.startswith(marks, place):
            if name == "WebP" and not head.startswith(b"RIFF"):
                continue
            if name == "AVIF" and not any(brand in head[8:64] for brand in (b"avif", b"avis")):
                continue
            return name
    return None


def other_format(head: bytes) -> str | None:
    """The name of a picture format that we do not read, of a file that begins with `head`."""
    if container_of(head) is not None:
        return None
    return next((name for mark, name in _NOT_READ if mark.match(head)), None)


def format_named(name: str) -> PictureFormat:
    """The format that a name or a suffix without its dot stands for: "png", "JPEG", "tif".

    Raises MediaError where there is none.
    """
    for row in FORMATS:
        if name.lower() == row.name.lower() or f".{name.lower()}" in row.suffixes:
            return row
    raise MediaError(f"there is no picture format {name!r}; choose one of {NAMES}")


def format_of(path: Path) -> PictureFormat:
    """The format that a file name's suffix stands for. Raises MediaError where there is none."""
    for row in FORMATS:
        if path.suffix.lower() in row.suffixes:
            return row
    raise MediaError(
        f"cannot tell a picture format from the name {path}; end it in one of {' '.join(SUFFIXES)}"
    )

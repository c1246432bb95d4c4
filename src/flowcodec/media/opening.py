"""From a file's first bytes to the right reader: ours for TIFF, else Pillow's.

Pillow's are called by their own names, past `PIL.Image.open`: that asks every plugin it knows
(one of them runs Ghostscript, and ours is one of them), and its limit on size is a global variable.
"""

from collections.abc import Callable
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    WebPImagePlugin,
)

from flowcodec.errors import MediaError
from flowcodec.media.formats import NAMES
from flowcodec.media.tiff.picture import open_tiff
from flowcodec.media.tiff.tags import MARKS

MAX_PIXELS = 1 << 30
"""Pictures with more pixels are refused before anything of their size is allocated."""

HEAD_BYTES = 4096
"""How much of the file is looked at here and in `samples.sample_type`."""

_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
_PNM_MARKS = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf")


def open_image(stream: BinaryIO, name: str) -> tuple[ImageFile.ImageFile, bytes]:
    """The picture in `stream`, not yet decoded, and the first HEAD_BYTES of the file.

    Raises MediaError where it is no picture that we read or has more than MAX_PIXELS pixels, and
    ValueError or whatever Pillow raises on a damaged header.
    """
    head = stream.read(HEAD_BYTES)
    image: ImageFile.ImageFile
    if head.startswith(tuple(MARKS)):
        image = open_tiff(stream, name)
    else:
        reader = _reader_for(head)
        if reader is None:
            what = "is not a picture of a known kind" if head else "is empty"
            raise MediaError(f"{name} {what}; readable are {NAMES}")
        stream.seek(0)
        # Without its name: Pillow would take uncompressed pixels from the file that has that name
        # by now, and count from the beginning of that file.
        image = reader(stream)
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise MediaError(
            f"{name} has {width} x {height} pixels; more than {MAX_PIXELS} are not read"
        )
    return image, head


def _reader_for(head: bytes) -> Callable[[BinaryIO], ImageFile.ImageFile] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImagePlugin.PngImageFile
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.jpeg_factory
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    if head[4:8] == b"ftyp" and head[8:12] in _AVIF_BRANDS:
        return AvifImagePlugin.AvifImageFile
    if head.startswith(_PNM_MARKS):
        return PpmImagePlugin.PpmImageFile
    return None

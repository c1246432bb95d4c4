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
from flowcodec.media.formats import NAMES, container_of, other_format
from flowcodec.media.tiff.picture import TiffPicture, open_tiff

MAX_PIXELS = 1 << 30
"""Pictures with more pixels are refused before anything of their size is allocated."""

HEAD_BYTES = 4096
"""How much of the file is looked at here and in `samples.sample_type`."""

_PILLOW: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.jpeg_factory,
    "WebP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}


def open_image(stream: BinaryIO, name: str) -> tuple[ImageFile.ImageFile | TiffPicture, bytes]:
    """The picture in `stream`, not yet decoded, and the first HEAD_BYTES of the file.

    Raises MediaError where it is no picture that we read or has more than MAX_PIXELS pixels, and
    ValueError or whatever Pillow raises on a damaged header.
    """
    head = stream.read(HEAD_BYTES)
    container = known_container(head, name)
    stream.seek(0)
    # Pillow gets no name: it would take uncompressed pixels from the file that has that name by
    # now, and count from the beginning of that file.
    image = open_tiff(stream, name) if container == "TIFF" else _PILLOW[container](stream)
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise MediaError(
            f"{name} has {width} x {height} pixels; more than {MAX_PIXELS} are not read"
        )
    return image, head


def known_container(head: bytes, name: str) -> str:
    """Which of `formats.FORMATS` a file is that begins so; MediaError where it is none."""
    container = container_of(head)
    if container is None:
        other = other_format(head)
        what = f"is {other}, which is not read" if other else "is not a picture of a known kind"
        raise MediaError(f"{name} {what if head else 'is empty'}; readable are {NAMES}")
    return container


def is_picture(head: bytes) -> bool:
    """Whether a file that begins so is a picture that we read."""
    return container_of(head) is not None

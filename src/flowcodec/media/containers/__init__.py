"""The containers of pictures taken apart: side data here, the rest for whoever reads the pixels.

One file a format, each with its own `take_apart(stream)`.
"""

from typing import BinaryIO

from flowcodec.media.containers import avif, jpeg, png, pnm, tiff, webp
from flowcodec.media.formats import container_of
from flowcodec.media.side_data import SideData

_BY_FORMAT = {
    "AVIF": avif.take_apart,
    "JPEG": jpeg.take_apart,
    "PNG": png.take_apart,
    "PPM": pnm.take_apart,
    "TIFF": tiff.take_apart,
    "WebP": webp.take_apart,
}


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """A picture file without what it says beside its pixels, and that.

    `stream` can seek and stands at its beginning, and so does the result. Raises ValueError where
    a part that makes the pixels is seen to be damaged.
    """
    apart = _BY_FORMAT.get(container_of(stream.read(16)) or "")
    stream.seek(0)
    if apart is None:
        return stream, SideData()
    clean, side = apart(stream)
    clean.seek(0)
    return clean, side

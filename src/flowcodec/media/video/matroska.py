"""The shape of pixels in a Matroska file: PyAV cannot tell ffmpeg of it, this writes it on the way.

The track is given a name that takes as many bytes as the elements that are to be there. Where the
name is written, they take its place, one level further down.
"""

from collections.abc import Iterator
from fractions import Fraction

from flowcodec.media.video.sink import Sink

PLACEHOLDER = "name to go."  # with its frame as long as the elements below
OPTIONS = {"write_crc32": "0"}  # checksums would be those of what was to be written

NAME = b"\x53\x6e" + bytes([0x80 | len(PLACEHOLDER)]) + PLACEHOLDER.encode()
VIDEO = b"\xe0"
WIDTH, HEIGHT, UNIT = b"\x54\xb0\x84", b"\x54\xba\x84", b"\x54\xb2\x81"
NO_UNIT, RATIO = b"\x04", b"\x03"
LARGEST = 2**32 - 1


class ShapedFile:
    """A file that ffmpeg writes Matroska to; width by height is the shape of the whole picture."""

    def __init__(self, stream: Sink, aspect: Fraction):
        self.stream = stream
        aspect = aspect.limit_denominator(LARGEST // max(1, int(aspect)))
        width, height = (part.to_bytes(4) for part in aspect.as_integer_ratio())
        self.shape = WIDTH + width + HEIGHT + height

    def write(self, data: bytes) -> int:
        """Hand bytes on, the name of the track replaced."""
        return self.stream.write(shaped(bytes(data), self.shape))

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of the file."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """As of the file."""
        return self.stream.tell()

    def seekable(self) -> bool:
        """As of the file."""
        return self.stream.seekable()


def shaped(data: bytes, shape: bytes) -> bytes:
    """What is written of a file, with `shape` in its video track where the placeholder was."""
    name = data.find(NAME)
    if name < 0:
        return data
    behind = name + len(NAME)
    for start, body, end in _elements(data, behind):
        if data[start:].startswith(VIDEO):
            video = data[body:end].replace(UNIT + NO_UNIT, UNIT + RATIO) + shape
            between = data[behind:start]
            return data[:name] + between + VIDEO + bytes([0x80 | len(video)]) + video + data[end:]
    return data


def _elements(data: bytes, offset: int) -> Iterator[tuple[int, int, int]]:
    """Where elements that follow each other begin, where their contents do, and where they end."""
    while offset + 2 < len(data):
        name = 9 - data[offset].bit_length()
        width = 9 - data[offset + name].bit_length()
        body = offset + name + width
        size = int.from_bytes(data[offset + name : body]) & (1 << 7 * width) - 1
        yield offset, body, body + size
        offset = body + size

"""Looking at the first bytes of a stream, a pipe too, without losing any."""

from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, cast


def peeked(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """The next `size` bytes, fewer only at the end, and a stream that still begins with them."""
    if stream.seekable():
        place = stream.tell()
        head = stream.read(size)
        stream.seek(place)
        return head, stream
    if isinstance(stream, BufferedReader) and len(head := stream.peek(size)) >= size:
        return head[:size], stream
    head = b""
    while len(head) < size and (piece := stream.read(size - len(head))):
        head += piece
    return head, BufferedReader(_Replayed(head, stream))


class _Replayed(RawIOBase):
    """A stream whose first bytes were read, from its beginning."""

    def __init__(self, head: bytes, stream: BinaryIO):
        self.head, self.stream = head, stream
        self.name = getattr(stream, "name", None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.head[: len(buffer)] or cast(BufferedReader, self.stream).read1(len(buffer))
        self.head = self.head[len(data) :]
        buffer[: len(data)] = data
        return len(data)

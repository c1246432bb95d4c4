"""A look at the bytes of a stream that come next: read when asked for, forgotten when passed."""

import re
from typing import BinaryIO

CHUNK = 2**16
LARGEST_READ = 2**20


class Window:
    """Bytes of a stream, a pipe or a file, that stands at `offset` of what is read.

    Nothing is read that was not asked for, and nothing at all from `end` on. Memory follows the
    bytes that are there, whatever is asked.
    """

    def __init__(self, stream: BinaryIO, offset: int = 0, end: int | None = None):
        self.stream = stream
        self.offset = offset
        self.end = end
        self._held = b""
        self._at = 0  # of `offset` in `_held`

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only where the stream (or the window) ends."""
        self._hold(size)
        return self._held[self._at : self._at + size]

    def skip(self, size: int) -> None:
        """Pass over bytes that have been peeked at."""
        self._at += size
        self.offset += size

    def move(self, offset: int) -> None:
        """Go to any place of a stream that can seek."""
        self.stream.seek(offset)
        self.offset = offset
        self._held, self._at = b"", 0

    def find(self, pattern: re.Pattern[bytes], size: int) -> bool:
        """Go to the next match of `pattern`, `size` bytes long; False at the end of the stream."""
        while True:
            held = self._hold(CHUNK)
            if match := pattern.search(self._held, self._at):
                self.skip(match.start() - self._at)
                return True
            if held < CHUNK:
                self.skip(held)
                return False
            self.skip(held - size + 1)

    def _hold(self, size: int) -> int:
        """Read until `size` bytes are held, and return how many there are."""
        if self.end is not None:
            size = min(size, self.end - self.offset)
        missing = size - (len(self._held) - self._at)
        if missing > 0:
            pieces = [self._held[self._at :]]
            while missing > 0 and (piece := self.stream.read(min(missing, LARGEST_READ))):
                pieces.append(piece)
                missing -= len(piece)
            self._held, self._at = b"".join(pieces), 0
        return len(self._held) - self._at

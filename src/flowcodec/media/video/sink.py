"""A file as PyAV writes to it: errors of writing are kept, where PyAV would print or drop them."""

from typing import BinaryIO


class Sink:
    """Hands bytes on to a stream; after the first error nothing more, until `check` raises it."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the error that writing met with, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> int:
        """As of the file, as far as ffmpeg is told."""
        try:
            if self._error is None:
                self._stream.write(data)
        except OSError as error:
            self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of the file; it may write what is held."""
        try:
            if self._error is None:
                return self._stream.seek(offset, whence)
        except OSError as error:
            self._error = error
        return offset

    def tell(self) -> int:
        """As of the file."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """As of the file."""
        return self._stream.seekable()

"""How long a video file says it is: most containers state sizes before what they hold.

A file that was cut is shorter.
"""

from typing import BinaryIO, Literal

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ASF = bytes.fromhex("3026b2758e66cf11a6d900")  # the beginning of its name
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
PAGE, LONGEST_PAGE, LAST_PAGE = b"OggS", 65307, 4  # the last a flag
RIFFS = (b"RIFF", b"RIFX")


def stated_size(file: BinaryIO, size: int) -> int | None:
    """Bytes that a file of `size` bytes should have at least; None where it does not say."""
    head = _at(file, 0, 12)
    if head.startswith(EBML):
        return _of_matroska(file)
    if head.startswith(RIFFS):
        return _of_riff(file, size, "little" if head.startswith(b"RIFF") else "big")
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        return _of_boxes(file, size)
    if head.startswith(ASF):
        return _of_asf(file)
    if head.startswith(PAGE):
        return _of_ogg(file, size)
    return None


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _of_matroska(file: BinaryIO) -> int | None:
    head = _at(file, 4, 8)
    length, width = _varint(head)
    if length is None:
        return None
    start = 4 + width + length
    head = _at(file, start, 12)
    if not head.startswith(SEGMENT):
        return None
    length, width = _varint(head[4:])
    return None if length is None else start + 4 + width + length


def _varint(data: bytes) -> tuple[int | None, int]:
    """A size of EBML, None for one that is not known, and how many bytes it takes."""
    if not data or not data[0]:
        return None, 0
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return None, 0
    value = int.from_bytes(data[:width]) & (1 << 7 * width) - 1
    return (None if value == (1 << 7 * width) - 1 else value), width


def _of_riff(file: BinaryIO, size: int, order: Literal["little", "big"]) -> int | None:
    offset = 0
    while offset < size:  # long AVI files are one RIFF after another
        head = _at(file, offset, 8)
        if not head.startswith(RIFFS):
            return offset
        length = int.from_bytes(head[4:8], order)
        if length in (0, 2**32 - 1):
            return None  # never completed, or written to a pipe
        offset += 8 + length + length % 2
    return offset


def _of_boxes(file: BinaryIO, size: int) -> int | None:
    offset = 0
    while offset < size:
        head = _at(file, offset, 16)
        if len(head) < 8:
            return offset + 8
        length = int.from_bytes(head[:4])
        if length == 0:
            return None  # up to the end, wherever that is
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8 or not head[4:8].isascii():
            return None  # no box: something else was put behind
        offset += length
    return offset


def _of_asf(file: BinaryIO) -> int | None:
    head = _at(file, 0, 8192)
    place = head.find(ASF_FILE)
    length = int.from_bytes(head[place + 40 : place + 48], "little")
    return length if place >= 0 and length else None


def _of_ogg(file: BinaryIO, size: int) -> int:
    """Ogg marks its last page; without it, there is a byte more at least."""
    start = max(0, size - LONGEST_PAGE)
    tail = _at(file, start, LONGEST_PAGE)
    page = tail.rfind(PAGE)
    lengths = tail[page + 27 : page + 27 + tail[page + 26]] if 0 <= page < len(tail) - 27 else b""
    end = start + page + 27 + len(lengths) + sum(lengths)
    return end if lengths and tail[page + 5] & LAST_PAGE else max(end, size + 1)

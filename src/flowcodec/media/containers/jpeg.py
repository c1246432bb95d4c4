"""JPEG segments: those that make the pixels are passed on, APPn and comments are read here."""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from flowcodec.media.directories import HEADER_BYTES, MARKS, Layout, read_directories
from flowcodec.media.side_data import (
    IPTC_MARK,
    FileBytes,
    Piece,
    SideData,
    listed,
    shape_note,
    spliced,
)

_SCAN = 0xDA
_APP0, _APP1, _APP2, _APP13, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF
_COMMENT = 0xFE
_BARE = {0x01, *range(0xD0, 0xDA)}  # markers without a length
_NAMES = {_APP0: b"JFIF", _APP14: b"Adobe"}
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_ICC = b"ICC_PROFILE\0"
_GAIN_MAP = b"hdrgm:Version"  # one of the pictures brightens the first
_UNASKED = (b"Lavc", b"CREATOR: gd-jpeg", b"Created with GIMP")
"""How comments begin that programs write into every file; nobody misses them."""
_PICTURES = 0xB001  # how many a multi-picture file has


@dataclass
class _Found:
    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    icc: list[bytes] = field(default_factory=list)
    frames: int | None = None
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """A JPEG file without its side segments, and what they said."""
    found = _Found()
    data = FileBytes(stream)
    pieces: list[Piece] = [b"\xff\xd8"]
    at = 2
    while True:
        start, marker, body, at = _segment(data, at)
        if marker is None or marker == _SCAN:
            pieces.append((start, max(0, len(data) - start)))
            break
        side = marker == _COMMENT or _APP0 <= marker <= _APP15
        if not side or _of_pixels(marker, body):
            pieces.append((start, at - start))
            if marker == _APP0:
                found.notes += shape_note(*struct.unpack(">HH", body[8:12]))
        else:
            _take(found, marker, body)
    return spliced(stream, pieces), _side(found)


def _segment(data: FileBytes, at: int) -> tuple[int, int | None, bytes, int]:
    """The next segment: where it begins, its marker (None at the end of the file), what it holds
    (APPn and comments only), and where the next one is looked for."""
    # What lies between segments is passed over, as libjpeg does; a marker may be filled up.
    place = data.find(at, lambda block: block.find(b"\xff"))
    if place is not None:
        place = data.find(place, lambda block: _other_than(b"\xff", block))
    if place is None:
        return at, None, b"", at
    marker, after = data[place : place + 1], place + 1
    if marker[0] == 0 or marker[0] in _BARE:
        return place - 1, marker[0], b"", after
    size = int.from_bytes(data[after : after + 2], "big")
    side = marker[0] == _COMMENT or _APP0 <= marker[0] <= _APP15
    body = data[after + 2 : after + size] if side else b""
    return place - 1, marker[0], body, after + max(2, size)


def _other_than(byte: bytes, block: bytes) -> int:
    """Where `block` has another byte first, or -1."""
    rest = block.lstrip(byte)
    return len(block) - len(rest) if rest else -1


def _of_pixels(marker: int, body: bytes) -> bool:
    """Whether a segment says which colours the samples stand for."""
    if marker == _APP0:
        return body.startswith(b"JFIF\0") and len(body) >= 14
    return marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12


def _take(found: _Found, marker: int, body: bytes) -> None:
    if marker == _COMMENT:
        if not body.startswith(_UNASKED):
            found.left_out.append("a comment")
    elif marker == _APP1 and body[:4].lower() == b"exif":
        _take_exif(found, body)
    elif marker == _APP1 and body.startswith(_XMP):
        found.xmp.append(body.removeprefix(_XMP))
    elif marker == _APP1 and body.startswith(_MORE_XMP):
        found.left_out.append("XMP beyond its first 64 kB")
    elif marker == _APP2 and body.startswith(_ICC):
        found.icc.append(body.removeprefix(_ICC))
    elif marker == _APP2 and body.startswith(b"MPF\0"):
        found.frames = _pictures(body[4:])
    elif marker == _APP13 and IPTC_MARK in body:
        found.left_out.append("IPTC data")
    elif marker in _NAMES and body.startswith(_NAMES[marker]):
        found.left_out.append(f"a {_NAMES[marker].decode()} segment that is cut short")


def _take_exif(found: _Found, body: bytes) -> None:
    """Long EXIF goes on in further segments; one that begins anew is a second one."""
    if not found.exif:
        found.exif.append(body)
    elif body[6:10] not in MARKS:
        found.exif.append(body[6:])
    else:
        found.left_out.append("a second block of EXIF")


def _pictures(body: bytes) -> int | None:
    """How many pictures a multi-picture file says that it has."""
    if body[:4] not in MARKS or len(body) < HEADER_BYTES:
        return None
    layout = Layout(MARKS[body[:4]])
    entry = read_directories(body, layout, layout.number(body[4:HEADER_BYTES])).first(_PICTURES)
    return layout.number(entry.data) if entry and entry.count == 1 else None


def _side(found: _Found) -> SideData:
    side = SideData(
        exif=b"".join(found.exif) or None,
        xmp=found.xmp[0] if found.xmp else None,
        frames=found.frames,
        notes=found.notes,
    )
    if found.icc:
        parts = {part[0]: part[2:] for part in found.icc if len(part) > 2}
        total = max(part[1] for part in found.icc if len(part) > 2) if parts else 0
        if parts and sorted(parts) == list(range(1, total + 1)):
            side.icc = b"".join(parts[index] for index in sorted(parts))
        else:
            side.notes.append("an ICC profile of which parts are missing was dropped")
    if side.frames and side.xmp and _GAIN_MAP in side.xmp:
        side.frames = None
        found.left_out.append("a gain map for HDR screens")
    if found.left_out:
        side.notes.append(f"left out: {listed(found.left_out)}")
    return side

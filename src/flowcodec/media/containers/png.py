"""PNG chunks: those that make the pixels are checked and passed on, the others are read here."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from flowcodec.media.colour import Cicp, GammaPrimaries
from flowcodec.media.side_data import Piece, SideData, listed, shape_note, spliced

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_INFLATED = 1 << 24
"""A profile or an XMP text that is longer when inflated is not believed."""

_XMP = b"XML:com.adobe.xmp"
_RAW_PROFILE = re.compile(rb"Raw profile type (exif|APP1|xmp|iptc|8bim|icc|icm)", re.IGNORECASE)
_UNASKED = (b"Software", b"date:create", b"date:modify", b"date:timestamp")
"""Texts that programs write into every file; nobody misses them."""
_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_END_OF_FILE = b"    "  # instead of a type
_BLOCK = 1 << 20
_GRAY, _RGB, _PALETTE = 0, 2, 3


@dataclass(frozen=True)
class _Chunk:
    type: bytes
    start: int
    size: int
    data: bytes
    """Empty where nothing is read from it."""
    whole: bool
    """It ends within the file and its checksum is right."""

    @property
    def critical(self) -> bool:
        return not self.type[0] & 0x20

    @property
    def piece(self) -> Piece:
        return self.start, self.size + 12


@dataclass
class _Found:
    """The chunks so far, and what was left out of them."""

    side: SideData = field(default_factory=SideData)
    header: bytes = b""
    first: list[Piece] = field(default_factory=list)
    """What goes before the image data: header, palette, transparency."""
    data: list[Piece] = field(default_factory=list)
    palette: bytes = b""
    transparent: bool = False
    controlled: bool = False
    """The image data are the first frame of an animation."""
    frames: int = 0
    gamma: int | None = None
    primaries: tuple[int, ...] | None = None
    srgb: bool = False
    cicp: Cicp | None = None
    damaged: dict[str, None] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)


def take_apart(stream: BinaryIO) -> tuple[BinaryIO, SideData]:
    """A PNG file without its side chunks, and what they said.

    Raises ValueError where a chunk that makes the picture is damaged or missing.
    """
    found = _Found()
    for chunk in _chunks(stream):
        if chunk.type == _END_OF_FILE:
            found.side.notes.append("what follows its image data is damaged or cut short")
        elif chunk.critical:
            _keep(found, chunk)
        elif not chunk.whole and chunk.type == b"tRNS":
            raise ValueError(
                f"its tRNS chunk at byte {chunk.start} is cut short, or its checksum is wrong"
            )
        elif not chunk.whole:
            _note_damage(found, chunk)
        elif chunk.type == b"tRNS":
            _keep_transparency(found, chunk)
        elif not _READERS.get(chunk.type, _pass_over)(found, chunk.data):
            _note_damage(found, chunk)
    if not found.data:
        raise ValueError("no image data (IDAT) are in it")
    return spliced(stream, [SIGNATURE, *found.first, *found.data, _END]), _side(found)


def _chunks(stream: BinaryIO) -> Iterator[_Chunk]:
    """The chunks up to IEND; where that is missing, one that says so is the last."""
    start = len(SIGNATURE)
    while True:
        stream.seek(start)
        head = stream.read(8)
        size, type = struct.unpack(">I4s", head.ljust(8, b"\0"))
        if not type.isalpha() or size >= 1 << 31:
            yield _Chunk(_END_OF_FILE, start, 0, b"", False)
            return
        crc, left = zlib.crc32(type), size
        kept = []
        while left and (block := stream.read(min(left, _BLOCK))):
            crc, left = zlib.crc32(block, crc), left - len(block)
            if type in _HELD:
                kept.append(block)
        whole = stream.read(4) == struct.pack(">I", crc) and not left
        if type == b"IEND":
            return
        yield _Chunk(type, start, size, b"".join(kept), whole)
        start += size + 12


def _keep(found: _Found, chunk: _Chunk) -> None:
    """Judge a chunk that the pixels hang on."""
    name = chunk.type.decode()
    if not chunk.whole:
        raise ValueError(
            f"its {name} chunk at byte {chunk.start} is cut short, or its checksum is wrong"
        )
    if chunk.type == b"IHDR":
        if found.header or chunk.size != 13 or chunk.data[10:12] != b"\0\0" or chunk.data[12] > 1:
            raise ValueError("its header (IHDR) is repeated or not known")
        found.header = chunk.data
        found.first.append(chunk.piece)
    elif not found.header:
        raise ValueError(f"its {name} chunk stands before the header (IHDR)")
    elif chunk.type == b"IDAT":
        if found.header[9] == _PALETTE and not found.palette:
            raise ValueError("its palette (PLTE) is missing")
        found.data.append(chunk.piece)
    elif chunk.type != b"PLTE":
        raise ValueError(f"a chunk of an unknown kind ({name}) may not be passed over")
    elif found.header[9] == _PALETTE:
        if found.palette or found.data or chunk.size % 3 or not 3 <= chunk.size <= 768:
            raise ValueError("its palette (PLTE) is repeated or of a wrong size")
        found.palette = chunk.data
        found.first.append(chunk.piece)


def _keep_transparency(found: _Found, chunk: _Chunk) -> None:
    """Pass tRNS on where it is in its place; else it counts for nothing, as in other readers."""
    colour = found.header[9] if found.header else None
    if found.transparent or found.data or colour not in (_GRAY, _RGB, _PALETTE):
        _note_damage(found, chunk)
        return
    longest = {_GRAY: 2, _RGB: 6, _PALETTE: len(found.palette) // 3}[colour]
    if colour == _PALETTE and not found.palette:
        _note_damage(found, chunk)
    elif not 1 <= chunk.size <= longest or (colour != _PALETTE and chunk.size != longest):
        raise ValueError("its transparency (tRNS) is of a wrong size")
    else:
        found.transparent = True
        found.first.append(chunk.piece)


def _note_damage(found: _Found, chunk: _Chunk) -> None:
    found.damaged[chunk.type.decode()] = None


def _side(found: _Found) -> SideData:
    side = found.side
    if found.frames:
        side.frames = found.frames + (not found.controlled)
    if found.cicp:
        side.colour = found.cicp
        if side.icc:
            side.notes.append("its ICC profile was dropped, since cICP goes before it")
            side.icc = None
    elif not found.srgb and (found.gamma is not None or found.primaries is not None):
        side.colour = GammaPrimaries(found.gamma, found.primaries)
    if found.damaged:
        side.notes.append(f"dropped, since damaged or out of place: {listed(found.damaged)}")
    if found.texts:
        side.notes.append(f"left out: {listed(found.texts)} (text)")
    return side


# Each of these takes what a chunk holds, and says whether it made sense.


def _pass_over(found: _Found, data: bytes) -> bool:
    return True


def _gamma(found: _Found, data: bytes) -> bool:
    if len(data) != 4 or found.gamma is not None or found.data:
        return False
    found.gamma = int.from_bytes(data, "big")
    return True


def _chromaticities(found: _Found, data: bytes) -> bool:
    if len(data) != 32 or found.primaries is not None or found.data:
        return False
    found.primaries = struct.unpack(">8i", data)
    return True


def _standard(found: _Found, data: bytes) -> bool:
    if len(data) != 1 or data[0] > 3 or found.srgb or found.data:
        return False
    found.srgb = True
    return True


def _code_points(found: _Found, data: bytes) -> bool:
    if len(data) != 4 or found.cicp or found.data or data[2] or data[3] > 1:
        return False
    found.cicp = Cicp(data[0], data[1], narrow=data[3] == 0)
    return True


def _profile(found: _Found, data: bytes) -> bool:
    name, zero, rest = data.partition(b"\0")
    if found.side.icc is not None or found.data or not zero or len(name) > 79 or rest[:1] != b"\0":
        return False
    found.side.icc = _inflated(rest[1:])
    return found.side.icc is not None


def _exif(found: _Found, data: bytes) -> bool:
    if found.side.exif is not None:
        return False
    found.side.exif = data
    return True


def _animation(found: _Found, data: bytes) -> bool:
    if len(data) != 8 or found.frames or found.data:
        return False
    found.frames = int.from_bytes(data[:4], "big")
    return 0 < found.frames < 1 << 31


def _frame(found: _Found, data: bytes) -> bool:
    found.controlled = found.controlled or not found.data
    return True


def _density(found: _Found, data: bytes) -> bool:
    if len(data) != 9:
        return False
    found.side.notes += shape_note(*struct.unpack(">II", data[:8]))
    return True


def _text(found: _Found, data: bytes) -> bool:
    key, zero, text = data.partition(b"\0")
    return _named(found, key, text) if zero else False


def _deflated_text(found: _Found, data: bytes) -> bool:
    key, zero, rest = data.partition(b"\0")
    if not zero or rest[:1] != b"\0":
        return False
    return _named(found, key, rest[1:], deflated=True)


def _international_text(found: _Found, data: bytes) -> bool:
    key, zero, rest = data.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)
    if not zero or len(parts) != 3 or rest[0] > 1 or (rest[0] and rest[1]):
        return False
    return _named(found, key, parts[2], deflated=rest[0] == 1)


def _named(found: _Found, key: bytes, text: bytes, deflated: bool = False) -> bool:
    """What a text says, if it is one of those that are kept; else its name, for the note."""
    raw = _RAW_PROFILE.fullmatch(key)
    if key == _XMP or raw:
        inflated = _inflated(text) if deflated else text
        data = inflated if inflated is None or key == _XMP else _unpacked(inflated)
        return data is not None and _kept(found.side, raw[1].lower() if raw else b"xmp", data)
    if not 1 <= len(key) <= 79:
        return False
    if key not in _UNASKED:
        found.texts[key.decode("latin-1")] = None
    return True


def _kept(side: SideData, kind: bytes, data: bytes) -> bool:
    """Put what a "raw profile" holds in its place, if that is free."""
    if kind == b"app1":
        space, zero, text = data.partition(b"\0")
        kind = b"xmp" if space == b"http://ns.adobe.com/xap/1.0/" else b"exif"
        data = text if kind == b"xmp" else data
    if kind in (b"iptc", b"8bim"):
        side.notes.append("left out: IPTC data")
        return True
    name = {b"exif": "exif", b"xmp": "xmp"}.get(kind, "icc")
    if getattr(side, name) is None:
        setattr(side, name, data)
    return True


def _unpacked(text: bytes) -> bytes | None:
    """ImageMagick's way of putting bytes into a text: a line of a name, one of a length, hex."""
    words = text.split(None, 2)
    try:
        return bytes.fromhex("".join(words[2].decode("ascii").split()))
    except (IndexError, ValueError):
        return None


def _inflated(data: bytes) -> bytes | None:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, MAX_INFLATED)
    except zlib.error:
        return None
    return inflated if stream.eof else None


_READERS = {
    b"gAMA": _gamma,
    b"cHRM": _chromaticities,
    b"sRGB": _standard,
    b"cICP": _code_points,
    b"iCCP": _profile,
    b"eXIf": _exif,
    b"acTL": _animation,
    b"fcTL": _frame,
    b"pHYs": _density,
    b"tEXt": _text,
    b"zTXt": _deflated_text,
    b"iTXt": _international_text,
}

_HELD = {b"IHDR", b"PLTE", *_READERS}

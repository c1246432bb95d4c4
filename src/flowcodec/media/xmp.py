"""XMP: a text about a picture, kept as it is but for the orientation that it may tell."""

import re
from dataclasses import dataclass

_TIFF_SPACE = rb"""xmlns:([\w.-]+)\s*=\s*["']http://ns\.adobe\.com/tiff/1\.0/["']"""
_ORIENTATIONS = [b"%d" % value for value in range(1, 9)]
_PADDING = re.compile(rb"[\s\0]+(?=<\?xpacket\s+end)")  # room for editing in place, kilobytes of it


@dataclass(frozen=True)
class ReadXmp:
    """XMP as it is kept, its orientation reset to 1; None where it is none.

    `orientation` is what it said, 1 to 8, or None where it said nothing.
    """

    kept: bytes | None = None
    orientation: int | None = None
    notes: tuple[str, ...] = ()


def read_xmp(raw: bytes) -> ReadXmp:
    """What can be kept of XMP as it was found in a file: UTF-8 without the room for editing."""
    text = raw.removeprefix(b"\xef\xbb\xbf").strip(b"\0 \t\r\n")
    if not text:
        return ReadXmp()
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return ReadXmp(notes=("damaged XMP was dropped",))
    if b"\0" in text or not text.startswith(b"<"):
        return ReadXmp(notes=("damaged XMP was dropped",))
    text = _PADDING.sub(b"\n", text)
    orientation = _orientation_pattern(text)
    found = orientation.search(text)
    value = int(found[2]) if found and found[2] in _ORIENTATIONS else None
    return ReadXmp(orientation.sub(rb"\g<1>1", text), value)


def _orientation_pattern(text: bytes) -> re.Pattern[bytes]:
    """Finds the orientation, an attribute or an element, under the prefix that stands for TIFF."""
    prefixes = {b"tiff", *re.findall(_TIFF_SPACE, text)}
    names = b"|".join(re.escape(prefix) for prefix in sorted(prefixes))
    return re.compile(rb"""((?:%s):Orientation(?:\s*=\s*["']|\s*>)\s*)(\d+)""" % names)

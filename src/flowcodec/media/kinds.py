"""What a file is by its first bytes: a picture, or a video for ffmpeg."""

import re
from typing import BinaryIO, Literal

from flowcodec.media.formats import VIDEO_SUFFIXES
from flowcodec.media.opening import HEAD_BYTES, is_picture

__all__ = ["HEAD_BYTES", "Kind", "kind_of"]

Kind = Literal["picture", "video"]

GIF = (b"GIF87a", b"GIF89a")
JPEG = b"\xff\xd8\xff"
MOTION_JPEG = (".mjpeg", ".mjpg")  # pictures one after another: the name alone says so

_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MARKS = (
    b"YUV4MPEG2",
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"OggS",
    b"FLV\1",
    b"DKIF",  # IVF
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    b"\x06\x0e\x2b\x34",  # MXF
    b".RMF",
    b"\0\0\1\xba",  # MPEG programme stream
    b"\0\0\1\xb3",  # MPEG video
    b"\x12\0\x0a",  # AV1 as bare units
)
# H.264 and H.265 without a container: a start code, then parameters or a delimiter.
_BARE = re.compile(rb"\0?\0\0\x01(?:[\x07\x27\x47\x67\x09]|[\x40\x46]\x01)")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # of QuickTime and MP4
# Of transport streams: where a packet begins, and how long all are.
_PACKETS = ((0, 188), (4, 192))


def kind_of(head: bytes, suffix: str, whole: BinaryIO | None = None) -> Kind | None:
    """What a file is that begins with `head`, its first HEAD_BYTES; None where nothing tells.

    suffix: of its name, which tells where the bytes do not. whole: all of the file, where that
    can be looked at: a GIF is a video where it moves, and of a pipe taken for one.
    """
    if head.startswith(GIF):
        return "video" if whole is None or _moves(whole) else "picture"
    if head.startswith(JPEG) and suffix.lower() in MOTION_JPEG:
        return "video"
    if is_picture(head) or head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return "picture"
    if _is_video(head) or suffix.lower() in VIDEO_SUFFIXES:
        return "video"
    return None


def _is_video(head: bytes) -> bool:
    boxes = head[4:8] in _BOXES
    avi = head.startswith(b"RIFF") and head[8:12] == b"AVI "
    packets = any(head[at : at + 2 * size + 1 : size] == b"GGG" for at, size in _PACKETS)
    return boxes or avi or packets or head.startswith(_MARKS) or bool(_BARE.match(head))


def _moves(gif: BinaryIO) -> bool:
    from PIL.GifImagePlugin import GifImageFile

    try:
        return bool(GifImageFile(gif).is_animated)
    except Exception:
        return True  # ffmpeg will tell what is wrong with it

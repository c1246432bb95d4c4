"""What a picture has beside its pixels, and how much of it a file format holds."""

from dataclasses import dataclass, replace

from PIL import PngImagePlugin

from flowcodec.media.exif import PREFIX, read_exif, tiff_tags
from flowcodec.media.formats import PictureFormat
from flowcodec.media.icc import read_icc

_SEGMENT_BYTES = 65533  # what a segment of JPEG holds
_JPEG_EXIF_BYTES = _SEGMENT_BYTES - len(PREFIX)
_JPEG_XMP_BYTES = _SEGMENT_BYTES - len(b"http://ns.adobe.com/xap/1.0/\0")
_JPEG_ICC_BYTES = 255 * (_SEGMENT_BYTES - len(b"ICC_PROFILE\0") - 2)


@dataclass(frozen=True)
class Metadata:
    """ICC profile, bare EXIF and XMP, each of them or None."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None


def fitting(
    metadata: Metadata, chosen: PictureFormat, gray: bool
) -> tuple[Metadata, tuple[str, ...]]:
    """What of the metadata of a picture, gray or RGB, a format holds, and notes on the rest."""
    exif, icc = read_exif(metadata.exif or b""), read_icc(metadata.icc, gray)
    metadata = replace(metadata, exif=exif.kept, icc=icc.kept)
    notes = [*exif.notes, *icc.notes]
    named = {"icc": "ICC profile", "exif": "EXIF", "xmp": "XMP"}
    held = {name: _room(name, chosen) for name in named}
    for name, what in named.items():
        size = len(getattr(metadata, name) or b"")
        if size > held[name]:
            limit = f" over {held[name]} bytes" if held[name] else ""
            notes.append(f"{chosen.name} holds no {what}{limit}: it was left out")
            metadata = replace(metadata, **{name: None})
    if chosen.name == "WebP" and gray and metadata.icc:
        notes.append("WebP holds no gray, and so no ICC profile of gray: it was left out")
        metadata = replace(metadata, icc=None)
    if chosen.name == "TIFF" and tiff_tags(metadata.exif).lost:
        notes.append("TIFF holds of EXIF what describes the photograph; other tags were left out")
    return metadata, tuple(notes)


def _room(name: str, chosen: PictureFormat) -> int:
    """How many bytes of it a format holds."""
    if not chosen.metadata:
        return 0
    if chosen.name == "JPEG":
        return {"icc": _JPEG_ICC_BYTES, "exif": _JPEG_EXIF_BYTES, "xmp": _JPEG_XMP_BYTES}[name]
    if chosen.name == "PNG" and name == "icc":
        return PngImagePlugin.MAX_TEXT_CHUNK  # Pillow refuses a picture with more
    return 2**31

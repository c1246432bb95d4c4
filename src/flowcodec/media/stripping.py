"""A picture without what its file said beside the pixels."""

from dataclasses import replace

from flowcodec.media.icc import read_icc, to_srgb
from flowcodec.media.picture import Picture


def stripped(picture: Picture) -> Picture:
    """`picture` without ICC profile, EXIF and XMP, its colours in sRGB.

    Pixels that were meant in another space are converted by the profile, and a note says so.
    """
    icc = read_icc(picture.icc, picture.gray)
    pixels, notes = picture.pixels, picture.notes + icc.notes
    if icc.kept:
        pixels = to_srgb(pixels, icc.kept)
        if pixels is not picture.pixels:
            notes += ("colours were converted to sRGB by the ICC profile that was left out",)
    return replace(picture, pixels=pixels, icc=None, exif=None, xmp=None, notes=notes)

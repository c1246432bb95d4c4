"""A picture without what its file said beside the pixels."""

from dataclasses import replace

from flowcodec.media.icc import fault_of, to_srgb
from flowcodec.media.picture import Picture


def stripped(picture: Picture) -> Picture:
    """`picture` without ICC profile, EXIF and XMP, its colours in sRGB.

    Pixels that were meant in another space are converted by the profile, and a note says so.
    """
    pixels, notes = picture.pixels, picture.notes
    if picture.icc:
        fault = fault_of(picture.icc, picture.gray)
        if fault is not None:
            notes += (f"its ICC profile {fault}: nothing was converted by it",)
        else:
            pixels = to_srgb(pixels, picture.icc)
            if pixels is not picture.pixels:
                notes += ("colours were converted to sRGB by the ICC profile that was left out",)
    return replace(picture, pixels=pixels, icc=None, exif=None, xmp=None, notes=notes)

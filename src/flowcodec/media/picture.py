"""Pictures as arrays: `Picture`, `read_picture`, `write_picture`."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base
from PIL.PngImagePlugin import PngInfo

from flowcodec.errors import MediaError
from flowcodec.media.colour import ADOBE_RGB, meaning_of
from flowcodec.media.containers import take_apart
from flowcodec.media.exif import (
    PREFIX,
    means_adobe_rgb,
    read_exif,
    tiff_tags,
    turned,
    without_orientation,
)
from flowcodec.media.files import as_media_error, atomic_write
from flowcodec.media.formats import PictureFormat, format_named, format_of
from flowcodec.media.icc import read_icc
from flowcodec.media.metadata import Metadata, fitting
from flowcodec.media.opening import HEAD_BYTES, known_container, open_image
from flowcodec.media.quiet import quiet
from flowcodec.media.samples import sample_type, to_samples
from flowcodec.media.side_data import SideData
from flowcodec.media.tiff.picture import TiffPicture, tiff_samples
from flowcodec.media.tiff_writing import write_tiff
from flowcodec.media.xmp import read_xmp


@dataclass(frozen=True, eq=False)
class Picture:
    """A still picture, upright, with what its file said beside the pixels.

    pixels: uint8, (H, W, 3) RGB or (H, W, 1) gray, H and W at least 1.
    alpha: uint8 (H, W), 0 transparent to 255 opaque, not premultiplied; or None.
    icc: the ICC profile that `pixels` are meant in, or None (then most likely sRGB).
    exif: bare EXIF (a TIFF structure without "Exif\\0\\0" before it), orientation 1; or None.
    notes: what reading has changed, in plain words: "16 bits a sample were reduced to 8".
    xmp: XMP as UTF-8 text, orientation 1 if it tells one; or None.

    Raises MediaError where the arrays do not have these types and shapes.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = ()
    xmp: bytes | None = None

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        shaped = pixels.ndim == 3 and pixels.shape[2] in (1, 3) and pixels.size > 0
        if pixels.dtype != np.uint8 or not shaped:
            raise MediaError(
                "pixels must be uint8 (height, width, 3 or 1), "
                f"not {pixels.dtype} {tuple(pixels.shape)}"
            )
        if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]):
            raise MediaError(
                f"alpha must be uint8 {tuple(pixels.shape[:2])} like the pixels, "
                f"not {alpha.dtype} {tuple(alpha.shape)}"
            )

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def gray(self) -> bool:
        return bool(self.pixels.shape[2] == 1)


def read_picture(source: Path | str | BinaryIO) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF, AVIF, PPM or PGM picture; its content tells which it is.

    `source` is a path or an open binary file, a pipe too, which is read to its end. Gray stays
    gray, a palette becomes RGB, transparency of any kind becomes alpha, EXIF orientation is
    applied. Of several pictures in one file the first is read. `samples.to_samples` and
    `tiff.picture.tiff_samples` say how other depths and colour spaces become 8-bit RGB; `notes` of
    the result says whether they had to.

    Raises MediaError where the file cannot be opened, is damaged, is no such picture, or has more
    than 2^30 pixels.
    """
    source = Path(source) if isinstance(source, str) else source
    name = _name(source)
    suspicion = "it is damaged or of an unsupported kind"
    with as_media_error(f"cannot read {name}", suspicion), _opened(source, name) as stream, quiet():
        return _decode(stream, name)


def write_picture(
    picture: Picture, target: Path | str | BinaryIO, format: str | None = None
) -> tuple[str, ...]:
    """Write `picture` as PNG, JPEG, WebP, TIFF, AVIF, PPM or PGM; what had to be left out.

    `format` is a name ("png", "JPEG", "tif"); without it the suffix of the path `target` decides.
    An open file `target` needs it. PNG, WebP, TIFF, PPM and PGM are lossless, JPEG and AVIF are
    written at quality 95 without chroma subsampling. Alpha is kept exactly.

    ICC profile, EXIF and XMP are written where the format holds them: not in PPM and PGM, no EXIF
    and no XMP over 64 KiB in JPEG, no profile over 1 MiB in PNG, which Pillow would not open, of
    EXIF in TIFF only what describes the photograph, no gray profile in WebP, which turns gray into
    RGB. The notes that are returned tell what this has cost. Under .ppm and .pnm gray is written
    as "P5", as PGM.

    Raises MediaError where the format is unknown or cannot hold the picture (alpha in JPEG, PPM,
    PGM, unless it is opaque everywhere; colour in PGM; too many pixels a side) and where the file
    cannot be written. A path then is as it was before: nothing is ever left half-written.
    """
    target = Path(target) if isinstance(target, str) else target
    name = _name(target)
    if format is not None:
        chosen = format_named(format)
    elif isinstance(target, Path):
        chosen = format_of(target)
    else:
        raise MediaError(f"cannot tell the picture format for {name}; name one, such as 'png'")
    height, width = picture.pixels.shape[:2]
    check_fits(chosen, name, height, width, gray=picture.gray, alpha=is_transparent(picture.alpha))
    metadata, notes = fitting(
        Metadata(picture.icc, picture.exif, picture.xmp), chosen, picture.gray
    )
    encoded = BytesIO()
    refusal = f"cannot write {name} as {chosen.name}"
    with as_media_error(refusal, "the encoder refused"), quiet():
        _encode(picture, metadata, chosen, encoded)
    if isinstance(target, Path):
        with atomic_write(target) as stream:
            stream.write(encoded.getbuffer())
    else:
        target.write(encoded.getbuffer())
    return notes


def _decode(stream: BinaryIO, name: str) -> Picture:
    clean, side = take_apart(stream)
    image, head = open_image(clean, name)
    with image:
        frames = side.frames or int(getattr(image, "n_frames", 1))
        if isinstance(image, TiffPicture):
            samples = tiff_samples(image, side.icc)
        else:
            samples = to_samples(image, sample_type(image, head), side.icc)
            if image.format == "AVIF":  # turned by its properties, which EXIF does not overrule
                side.orientation = image.getexif().get(Base.Orientation, 1)
    del image  # its pixels are not needed any more while ours are turned
    pixels, alpha, notes = samples.pixels, samples.alpha, samples.notes
    if side.crop:
        seen = side.crop.place(*pixels.shape[:2])
        if seen is None:
            notes += ("its crop (clean aperture) makes no sense and was left out",)
        else:
            pixels, alpha = pixels[seen], None if alpha is None else alpha[seen]
    if frames > 1:
        notes += (f"the file holds {frames} pictures, only the first was read",)
    exif, xmp = read_exif(side.exif or b""), read_xmp(side.xmp or b"")
    orientation = side.orientation or exif.orientation or xmp.orientation or 1
    icc = None
    if samples.profiled:
        if side.colour is None and exif.kept and means_adobe_rgb(exif.kept):
            side.colour = ADOBE_RGB
        pixels, icc, told = _coloured(pixels, side)
        notes += told
    return Picture(
        turned(pixels, orientation),
        alpha if alpha is None else turned(alpha, orientation),
        icc,
        exif.kept,
        (*notes, *side.notes, *exif.notes, *xmp.notes),
        xmp.kept,
    )


def _coloured(
    pixels: NDArray[np.uint8], side: SideData
) -> tuple[NDArray[np.uint8], bytes | None, tuple[str, ...]]:
    """Pixels and the profile that they are meant in, by all that a file says of its colours."""
    gray = pixels.shape[2] == 1
    icc = read_icc(side.icc, gray)
    if icc.kept or side.colour is None:
        return pixels, icc.kept, icc.notes
    meaning = meaning_of(side.colour, gray)
    if meaning.conversion:
        pixels = meaning.conversion(pixels)
    return pixels, meaning.icc, (*icc.notes, *meaning.notes)


def check_fits(
    chosen: PictureFormat, name: str, height: int, width: int, *, gray: bool, alpha: bool
) -> None:
    """Raise MediaError where a format cannot hold a picture that is such; `name` is the file's."""
    if alpha and not chosen.alpha:
        raise MediaError(
            f"cannot write {name}: {chosen.name} holds no alpha; use PNG, WebP, TIFF or AVIF"
        )
    if not gray and not chosen.colour:
        raise MediaError(f"cannot write {name}: {chosen.name} holds gray only; use PPM")
    if max(height, width) > chosen.side:
        raise MediaError(
            f"cannot write {name}: {width} x {height} pixels are too many for "
            f"{chosen.name}, which ends at {chosen.side} a side; use PNG"
        )


def is_transparent(alpha: NDArray[np.uint8] | None) -> bool:
    """Whether anything shows through."""
    return alpha is not None and bool(alpha.min() < 255)


def _encode(picture: Picture, metadata: Metadata, chosen: PictureFormat, target: BinaryIO) -> None:
    planes = picture.pixels
    if picture.alpha is not None and chosen.alpha:
        planes = np.dstack((planes, picture.alpha))
    if chosen.name == "TIFF":
        write_tiff(planes, target, tiff_tags(metadata.exif), metadata.icc, metadata.xmp)
        return
    planes = planes[..., 0] if planes.shape[2] == 1 else planes
    image = Image.fromarray(np.ascontiguousarray(planes))
    options = _options(metadata, chosen)
    if chosen.name == "AVIF":
        options["subsampling"] = "4:0:0" if picture.gray else "4:4:4"
    image.save(target, "PPM" if chosen.name == "PGM" else chosen.name, **options)


def _options(metadata: Metadata, chosen: PictureFormat) -> dict[str, Any]:
    """What Pillow is told beside the pixels."""
    options = dict(chosen.options)
    exif, xmp = metadata.exif, metadata.xmp
    if exif and chosen.name == "AVIF":
        # Pillow would take this tag out itself, and put together the rest anew, or fail to.
        exif = without_orientation(exif)
    if exif:
        options["exif"] = PREFIX + exif
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    if xmp and chosen.name == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    elif xmp:
        options["xmp"] = xmp
    return options


@contextlib.contextmanager
def _opened(source: Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """`source` as a binary file that can seek, from where it stands now."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream if stream.seekable() else _held(stream, name)
    else:
        yield _held(source, name)


def _held(stream: BinaryIO, name: str) -> BinaryIO:
    """All that `stream` gives, unless its first bytes show that it is no picture: what goes on for
    ever is not read in vain."""
    held = BytesIO()
    while held.tell() < HEAD_BYTES and (piece := stream.read(HEAD_BYTES)):
        held.write(piece)
    known_container(held.getvalue(), name)
    held.write(stream.read())
    held.seek(0)
    return held


def _name(file: Path | BinaryIO) -> str:
    """What to call a file in messages."""
    if isinstance(file, Path):
        return str(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "the picture"

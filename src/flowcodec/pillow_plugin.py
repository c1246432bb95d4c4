"""`.fci` files in Pillow.

    import flowcodec.pillow_plugin
    from PIL import Image

    Image.open("photo.png").save("photo.fci", quality=4)
    Image.open("photo.fci").show()

Importing this module registers the format. Opening reads everything but the pixels, without torch;
they are decoded when they are first used. Modes L, LA, RGB and RGBA are read and written.

`save` takes quality (1 to 8, default 4), tile, icc_profile (default: the picture's own), exif
(bytes or Image.Exif), xmp, model, metric, and weights (a file). What Pillow cannot do is an OSError
or a ValueError, as with its own formats. What is left out of odd metadata is told to the logger of
this module.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile
from PIL.ExifTags import IFD

from flowcodec.bitstream.header import DEFAULT_TILE, MAGIC, TILE_STEP
from flowcodec.bitstream.picture_file import PictureFile, parse_picture
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.exif import PREFIX, read_exif, turned
from flowcodec.media.icc import read_icc
from flowcodec.media.picture import Picture
from flowcodec.media.quiet import quiet
from flowcodec.media.xmp import read_xmp

if TYPE_CHECKING:
    from flowcodec.codecs.picture import PictureCodec

_log = logging.getLogger(__name__)

FORMAT = "FCI"
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by number of channels


def register(weights: Path | str | None = None) -> None:
    """Make Pillow read and write `.fci`; done once by importing this module.

    weights: a file or a folder in which opened files find their own weights, beside the bundled
    ones. Registering again replaces it.
    """
    FciImageFile.own_weights = Path(weights) if weights else None
    Image.register_open(FORMAT, FciImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".fci")


class FciImageFile(ImageFile.ImageFile):
    """A `.fci` file that Pillow has opened."""

    format = FORMAT
    format_description = "flowcodec picture"
    own_weights: Path | None = None

    _file: PictureFile | None = None

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        if not data.startswith(MAGIC):
            raise SyntaxError("not a flowcodec file")
        try:
            file = parse_picture(data)
        except FlowcodecError as error:
            raise OSError(str(error)) from error
        header = file.header
        self._size = header.width, header.height
        self._mode = MODES[(1 if header.gray else 3) + header.alpha]
        self._file = file
        self._decoding = Lock()
        if file.icc:
            self.info["icc_profile"] = file.icc
        if file.exif:
            self.info["exif"] = PREFIX + file.exif
        if file.xmp:
            self.info["xmp"] = file.xmp

    def load(self) -> Any:
        """Decode the pixels, once; OSError where they are damaged or their weights missing."""
        with self._decoding:
            if self._file is not None:
                self._decode(self._file)
        return super().load()

    def _decode(self, file: PictureFile) -> None:
        try:
            picture = _codec_for(file, self.own_weights).decode_parsed(file)
        except FlowcodecError as error:
            raise OSError(str(error)) from error
        self.im = _image(picture).im
        self._file = None
        if self._exclusive_fp and self.fp is not None:
            self.fp.close()
        self.fp = None


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, target: IO[bytes], filename: str | bytes) -> None:
    options: dict[str, Any] = image.encoderinfo
    if image.mode not in MODES.values():
        raise OSError(f"cannot write mode {image.mode} as {FORMAT}; convert to RGB or RGBA")
    if min(image.size) < 1:
        raise ValueError(f"cannot write an image of {image.width} x {image.height} as {FORMAT}")
    quality, tile = options.get("quality", 4), options.get("tile", DEFAULT_TILE * TILE_STEP)
    try:
        codec = _codec(options.get("model"), options.get("metric"), options.get("weights"))
        encoded = codec.encode(_picture(image, options), quality, tile=tile)
    except UsageError as error:
        raise ValueError(str(error)) from error
    except FlowcodecError as error:
        raise OSError(str(error)) from error
    target.write(encoded.data)


def _picture(image: Image.Image, options: dict[str, Any]) -> Picture:
    """Pixels upright, as files hold them, whatever orientation the EXIF to be saved tells."""
    exif = read_exif(_exif_bytes(options.get("exif")))
    xmp = read_xmp(_as_bytes("xmp", options.get("xmp", image.info.get("xmp"))))
    # XMP that came with the picture tells of a file and not of pixels that may have been turned.
    told = xmp.orientation if "xmp" in options else None
    planes = turned(np.atleast_3d(np.asarray(image)), exif.orientation or told or 1)
    colours = 3 if planes.shape[2] >= 3 else 1
    profile = _as_bytes("icc_profile", options.get("icc_profile", image.info.get("icc_profile")))
    icc = read_icc(profile, colours == 1)
    for note in (*exif.notes, *xmp.notes, *icc.notes):
        _log.warning(note)
    return Picture(
        pixels=np.ascontiguousarray(planes[..., :colours]),
        alpha=np.ascontiguousarray(planes[..., colours]) if planes.shape[2] > colours else None,
        icc=icc.kept,
        exif=exif.kept,
        xmp=xmp.kept,
    )


def _exif_bytes(exif: object) -> bytes:
    """EXIF that a caller gives, as bytes; of Pillow's own, what Pillow can write of it."""
    if not isinstance(exif, Image.Exif):
        return _as_bytes("exif", exif)
    with quiet():
        data = _written(exif)
        if data is None:
            _log.warning("tags of EXIF that cannot be written were dropped")
            data = _written(_writable(exif))
    return data or b""


def _writable(exif: Image.Exif) -> Image.Exif:
    """The tags of `exif` that can be written, each for itself."""
    kept = Image.Exif()
    for tag in {*exif, IFD.Exif, IFD.GPSInfo}:
        below = exif.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else None
        if below is None:
            value = _if_writable(tag, exif.get(tag))
        else:
            value = {t: v for t, v in below.items() if _if_writable(tag, {t: v})}
        if value:
            kept[tag] = value
    return kept


def _if_writable(tag: int, value: Any) -> Any:
    """The value of a tag, None where it cannot be written."""
    alone = Image.Exif()
    alone[tag] = value
    return None if _written(alone) is None else value


def _written(exif: Image.Exif) -> bytes | None:
    """EXIF as bytes; None where Pillow fails, which raises nearly anything on wrong types."""
    try:
        return exif.tobytes()
    except Exception:
        return None


def _as_bytes(name: str, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if value is None or isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value or b"")
    raise ValueError(f"{name} is bytes, not {type(value).__name__}")


def _image(picture: Picture) -> Image.Image:
    planes = picture.pixels
    if picture.alpha is not None:
        planes = np.dstack((planes, picture.alpha))
    return Image.fromarray(planes[..., 0] if planes.shape[2] == 1 else planes)


_loading = Lock()  # threads share what is loaded, and one at a time loads


def _codec(model: str | None, metric: str | None, weights: Path | str | None) -> PictureCodec:
    with _loading:
        return _loaded(model, metric, weights)


@lru_cache(maxsize=2)
def _loaded(model: str | None, metric: str | None, weights: Path | str | None) -> PictureCodec:
    from flowcodec.codecs.loading import picture_codec

    return picture_codec(model, metric=metric, weights=weights)


_codecs: dict[tuple[bytes, Path | None], PictureCodec] = {}


def _codec_for(file: PictureFile, own: Path | None) -> PictureCodec:
    from flowcodec.codecs.picture import load_for

    wanted = file.header.weights_hash, own
    with _loading:
        if wanted not in _codecs:
            found = load_for(file, weights=own)
            _codecs.clear()  # one at a time: files of other weights are rare
            _codecs[wanted] = found
        return _codecs[wanted]


register()

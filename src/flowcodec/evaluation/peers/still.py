"""Picture codecs that can be run here: JPEG, WebP, AVIF, JPEG 2000, JPEG XL and HEIC.

Each has one integer quality, higher is better, and is set to what serves PSNR at a given size.
Those of `PLANES_PEERS` code planes in 4:2:0, and are measured by these as they code them: colour
that is enlarged to RGB and reduced again would be another one.
JPEG XL and HEIC need packages beyond the core ones (imagecodecs, pillow-heif); Pillow has the
others.
"""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from flowcodec.errors import UsageError
from flowcodec.evaluation.metrics import Pixels, Plane

AVIF_SPEED = 4  # of 0, the slowest, to 10


@dataclass(frozen=True)
class Peer:
    """A codec with one integer quality `lowest`..`highest`, on RGB uint8 (H, W, 3).

    `sweep` are the qualities a rate-distortion curve is drawn through; `settings` says in words
    how the codec was run; `version` asks the library for its version. `planes` decodes what a codec
    of 4:2:0 codes, Y, Cb and Cr in full range on the scale of 8 bits; None for one of RGB or 4:4:4.
    """

    name: str
    title: str
    suffix: str
    lowest: int
    highest: int
    sweep: tuple[int, ...]
    settings: str
    version: Callable[[], str]
    encode: Callable[[Pixels, int], bytes]
    decode: Callable[[bytes], Pixels]
    planes: Callable[[bytes], Sequence[Plane]] | None = None

    @property
    def description(self) -> str:
        """Library, version and settings, for a table of results."""
        return f"{self.version()}; {self.settings}"


@dataclass(frozen=True)
class Coded:
    """A picture coded by a peer: `fits` tells whether `data` is within the size asked for."""

    quality: int
    data: bytes
    pixels: Pixels
    fits: bool


def peer_named(name: str, *, planes: bool = False) -> Peer:
    """The peer of that name, or as it codes planes in 4:2:0. Raises UsageError when it is unknown,
    its library is absent, or there is none that codes planes."""
    peer = PEERS.get(name)
    if peer is None:
        raise UsageError(f"no codec {name!r} to compare with: choose from {', '.join(PEERS)}")
    if planes:
        if name not in PLANES_PEERS:
            known = ", ".join(PLANES_PEERS)
            raise UsageError(f"{peer.title} is not measured in 4:2:0: choose from {known}")
        peer = PLANES_PEERS[name]
    feature = _PILLOW_FEATURES.get(name)
    if feature is not None and not features.check(feature):
        raise UsageError(f"this Pillow was built without {peer.title}: install a wheel with it")
    package = _PACKAGES.get(name)
    if package is not None and find_spec(package.replace("-", "_")) is None:
        raise UsageError(f"{peer.title} needs {package}: pip install 'flowcodec[bench]'")
    return peer


def fit_bytes(peer: Peer, pixels: Pixels, max_bytes: int) -> Coded:
    """Code at the highest quality whose file is not larger than `max_bytes`.

    Bisection over the integer quality, taking size to rise with it. Where even the lowest quality
    is too large, that file is returned with `fits` False.
    """
    quality, data = peer.lowest, peer.encode(pixels, peer.lowest)
    fits = len(data) <= max_bytes
    if fits:
        too_large = peer.highest + 1
        while too_large - quality > 1:
            middle = (quality + too_large) // 2
            trial = peer.encode(pixels, middle)
            if len(trial) <= max_bytes:
                quality, data = middle, trial
            else:
                too_large = middle
    return Coded(quality, data, peer.decode(data), fits)


def _encode_with_pillow(pixels: Pixels, format: str, options: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def _decode_with_pillow(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def _planes(data: bytes) -> Sequence[Plane]:
    import av
    from av.video.reformatter import ColorRange

    from flowcodec.media.video.format import arrays_of

    with av.open(io.BytesIO(data), "r") as container:
        frame = next(container.decode(video=0))
    y, *colour = (plane.astype(np.float64) for plane in arrays_of(frame)[:3])
    if frame.color_range == ColorRange.JPEG:
        return [y, *colour]
    return [(y - 16) * 255 / 219, *((c - 128) * 255 / 224 + 128 for c in colour)]


def _jpeg(pixels: Pixels, quality: int, subsampling: str = "4:4:4") -> bytes:
    options = {"quality": quality, "subsampling": subsampling, "optimize": True}
    return _encode_with_pillow(pixels, "JPEG", options)


def _webp(pixels: Pixels, quality: int) -> bytes:
    return _encode_with_pillow(pixels, "WEBP", {"quality": quality, "method": 6})


def _avif(
    pixels: Pixels, quality: int, subsampling: str = "4:4:4", speed: int = AVIF_SPEED
) -> bytes:
    # libavif's own default, tune=iq, trades PSNR for looks; a PSNR table has to say tune=psnr.
    options = {
        "quality": quality,
        "subsampling": subsampling,
        "speed": speed,
        "codec": "aom",
        "advanced": {"tune": "psnr"},
    }
    return _encode_with_pillow(pixels, "AVIF", options)


def _jpeg2000(pixels: Pixels, quality: int) -> bytes:
    options = {
        "quality_mode": "dB",
        "quality_layers": [quality],
        "irreversible": True,
        "mct": 1,
    }
    return _encode_with_pillow(pixels, "JPEG2000", options)


def _jxl(pixels: Pixels, quality: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(pixels, distance=_jxl_distance(quality), effort=7))


def _jxl_distance(quality: int) -> float:
    """libjxl's own scale from quality 0..99 to Butteraugli distance."""
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25


def _decode_jxl(data: bytes) -> Pixels:
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data), dtype=np.uint8)


# libheif's default, tune=ssim, costs PSNR as libavif's does. x265 makes 4:4:4 chroma coarser by
# six steps of its quantiser where the offsets are 0, as if they were not set; -1 is next to none.
_X265 = {"preset": "slower", "tune": "psnr", "x265:cbqpoffs": "-1", "x265:crqpoffs": "-1"}


def _heic(pixels: Pixels, quality: int) -> bytes:
    import pillow_heif

    height, width = pixels.shape[:2]
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB", (width, height), pixels.tobytes()).save(
        buffer, quality=quality, chroma="444", enc_params=_X265
    )
    return buffer.getvalue()


def _decode_heic(data: bytes) -> Pixels:
    import pillow_heif

    return np.array(pillow_heif.open_heif(data).to_pillow().convert("RGB"))


def _pillow_library(title: str, feature: str) -> Callable[[], str]:
    return lambda: f"{title} {features.version(feature)} in Pillow {PIL.__version__}"


def _jxl_version() -> str:
    import imagecodecs

    return f"{imagecodecs.jpegxl_version()} in imagecodecs {imagecodecs.__version__}"


def _heic_version() -> str:
    import pillow_heif

    versions = pillow_heif.libheif_info()
    library = f"libheif {versions['libheif']} in pillow-heif {pillow_heif.__version__}"
    return f"{versions['HEIF']}, {library}"


def _avif_peer(name: str, title: str, speed: int) -> Peer:
    return Peer(
        name=name,
        title=title,
        suffix=".avif",
        lowest=0,
        highest=100,
        sweep=(5, 12, 20, 28, 36, 44, 52, 60, 68),
        settings=f"aom, 4:4:4, 8 bit, speed {speed}, tune psnr",
        version=_pillow_library("libavif", "avif"),
        encode=partial(_avif, speed=speed),
        decode=_decode_with_pillow,
    )


_PILLOW_FEATURES = {
    "webp": "webp",
    "avif": "avif",
    "avif-slowest": "avif",
    "jpeg2000": "jpg_2000",
}

_PACKAGES = {"jxl": "imagecodecs", "heic": "pillow-heif"}

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            name="jpeg",
            title="JPEG",
            suffix=".jpg",
            lowest=1,
            highest=100,
            sweep=(5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
            settings="4:4:4, optimised Huffman tables",
            version=_pillow_library("libjpeg-turbo", "libjpeg_turbo"),
            encode=_jpeg,
            decode=_decode_with_pillow,
        ),
        Peer(
            name="webp",
            title="WebP",
            suffix=".webp",
            lowest=0,
            highest=100,
            sweep=(0, 5, 10, 20, 30, 45, 60, 75, 85, 92),
            settings="lossy (4:2:0), method 6",
            version=_pillow_library("libwebp", "webp"),
            encode=_webp,
            decode=_decode_with_pillow,
        ),
        _avif_peer("avif", "AVIF", AVIF_SPEED),
        _avif_peer("avif-slowest", "AVIF, slowest", 0),
        Peer(
            name="jpeg2000",
            title="JPEG 2000",
            suffix=".jp2",
            lowest=15,
            highest=55,
            sweep=(24, 26, 28, 30, 32, 34, 36, 38, 40),
            settings="9/7 wavelet, quality = target PSNR in dB",
            version=_pillow_library("OpenJPEG", "jpg_2000"),
            encode=_jpeg2000,
            decode=_decode_with_pillow,
        ),
        Peer(
            name="jxl",
            title="JPEG XL",
            suffix=".jxl",
            lowest=0,
            highest=99,
            sweep=(5, 15, 30, 45, 60, 70, 80, 88, 94),
            settings="effort 7, libjxl's scale from quality to distance",
            version=_jxl_version,
            encode=_jxl,
            decode=_decode_jxl,
        ),
        Peer(
            name="heic",
            title="HEIC",
            suffix=".heic",
            lowest=0,
            highest=100,
            sweep=(6, 12, 18, 24, 30, 36, 42, 48, 54),
            settings="4:4:4, 8 bit, preset slower, tune psnr, chroma offset -1",
            version=_heic_version,
            encode=_heic,
            decode=_decode_heic,
        ),
    )
}

_ENCODE_420: dict[str, Callable[[Pixels, int], bytes]] = {
    "jpeg": partial(_jpeg, subsampling="4:2:0"),
    "webp": _webp,
    "avif": partial(_avif, subsampling="4:2:0"),
}

PLANES_PEERS: dict[str, Peer] = {
    name: dataclasses.replace(
        PEERS[name],
        settings=PEERS[name].settings.replace("4:4:4", "4:2:0"),
        encode=encode,
        planes=_planes,
    )
    for name, encode in _ENCODE_420.items()
}

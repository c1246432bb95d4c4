"""ICC profiles: a small one made from numbers, whether one can be used, and by one to sRGB."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from flowcodec.media.primaries import D50, Chromaticities, adaptation, to_xyz

Curve = tuple[float, ...]
"""Parameters of ICC's parametric curve from sample to light, both from 0 to 1: (g,) for x^g, or
(g, a, b, c, d) for (ax + b)^g, and cx below d."""

_CURVE_TYPES = {1: 0, 5: 3}
_HEADER_BYTES = 128
_PADDING = 3  # bytes up to a multiple of four, of which nobody needs to hear
_DEVICES = (b"scnr", b"mntr", b"prtr", b"spac")
_GRAY_SPACE, _RGB_SPACE = b"GRAY", b"RGB "
_MODES = {True: "L", False: "RGB"}  # of gray and of colour
_ROWS_AT_ONCE = 256
_SAME = 1  # levels of 255 by which colours may differ and still count as sRGB's


def make_profile(name: str, curve: Curve, chromaticities: Chromaticities | None) -> bytes:
    """An ICC profile (version 4) of RGB with these primaries and curve, or of gray for None."""
    tags = {b"desc": _text(name), b"cprt": _text("CC0"), b"wtpt": _xyz(D50)}
    if chromaticities is None:
        tags[b"kTRC"] = _curve(curve)
    else:
        columns = np.asarray(to_xyz(chromaticities)).T
        tags |= {b"rgb"[i : i + 1] + b"XYZ": _xyz(columns[i]) for i in range(3)}
        tags |= {b"rgb"[i : i + 1] + b"TRC": _curve(curve) for i in range(3)}
        tags[b"chad"] = b"sf32" + bytes(4) + _fixed(adaptation(chromaticities).ravel())
    start = _HEADER_BYTES + 4 + 12 * len(tags)
    table, body, places = b"", b"", dict[bytes, int]()
    for tag, data in tags.items():
        place = places.setdefault(data, start + len(body))
        if place == start + len(body):
            body += data + bytes(-len(data) % 4)
        table += tag + struct.pack(">II", place, len(data))
    space = _GRAY_SPACE if chromaticities is None else _RGB_SPACE
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x",
        start + len(body),
        0x04200000,
        b"mntr",
        space,
        b"XYZ ",
        b"acsp",
        _fixed(D50),
    )
    return header + struct.pack(">I", len(tags)) + table + body


@dataclass(frozen=True)
class ReadIcc:
    """An ICC profile as it is kept; None where it cannot be used."""

    kept: bytes | None = None
    notes: tuple[str, ...] = ()


def read_icc(raw: bytes | None, gray: bool) -> ReadIcc:
    """A profile as it was found, for samples of gray or RGB, cut to the size that it states."""
    if not raw:
        return ReadIcc()
    fault = _fault_of(raw, gray)
    if fault is not None:
        return ReadIcc(None, (f"its ICC profile {fault}: it was dropped",))
    size = int.from_bytes(raw[:4], "big")
    after = len(raw) - size
    notes = (f"what follows the end of its ICC profile was dropped ({after:,} bytes)",)
    return ReadIcc(raw[:size], notes if after > _PADDING else ())


def _fault_of(profile: bytes, gray: bool) -> str | None:
    """Why a profile cannot be that of a picture; None where it can."""
    size = int.from_bytes(profile[:4], "big")
    if len(profile) < max(size, _HEADER_BYTES):
        return "is cut short"
    space = profile[16:20]
    if size < _HEADER_BYTES or profile[36:40] != b"acsp" or profile[12:16] not in _DEVICES:
        return "is none of a picture"
    if space != (_GRAY_SPACE if gray else _RGB_SPACE):
        name = space.decode("ascii", "replace").strip()
        return f"is for {name if name.isalnum() else 'another kind of'} samples, not for these"
    return None if embedded_transform(profile[:size], _MODES[gray]) else "is damaged"


def to_srgb(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """`pixels` (H, W, 3 or 1), meant in `profile`, in sRGB; themselves where that is sRGB's own.

    The profile must be one that `read_icc` has kept.
    """
    gray = pixels.shape[2] == 1
    transform = embedded_transform(profile, _MODES[gray])
    assert transform is not None
    samples = _samples(gray)
    if np.abs(_applied(transform, samples).astype(int) - samples).max() <= _SAME:
        return pixels
    converted = np.empty_like(pixels)
    for row in range(0, len(pixels), _ROWS_AT_ONCE):
        converted[row : row + _ROWS_AT_ONCE] = _applied(
            transform, pixels[row : row + _ROWS_AT_ONCE]
        )
    return converted


@lru_cache(maxsize=2)
def embedded_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From pictures of a Pillow mode, meant in a profile, to sRGB; None where it is damaged."""
    try:
        return srgb_transform(ImageCms.ImageCmsProfile(BytesIO(profile)), mode)
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None


def srgb_transform(source: Any, mode: str) -> ImageCms.ImageCmsTransform:
    """The same for one of Pillow's profiles. Raises what Pillow raises."""
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _applied(transform: Any, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gray = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if gray else pixels))
    converted = np.asarray(ImageCms.applyTransform(image, transform))
    return converted[..., 1:2] if gray else converted


def _samples(gray: bool) -> NDArray[np.uint8]:
    """Colours all over the cube, as a picture."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    if gray:
        return np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis]
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)


def _fixed(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    """Numbers with 16 bits behind the point."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))


def _xyz(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _curve(curve: Curve) -> bytes:
    return b"para" + struct.pack(">4xHxx", _CURVE_TYPES[len(curve)]) + _fixed(curve)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(data), 28) + data

"""What the numbers of a file say of its colours: nothing beyond sRGB, an ICC profile, or HDR.

A PNG file may say it by a gamma and chromaticities, PNG and AVIF by the code points of ITU-T H.273.
What is not sRGB becomes an ICC profile that says the same. Linear samples get the curve of sRGB
first. PQ and HLG say more than 8 bits and most screens hold: such pixels are converted to sRGB.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowcodec.media.icc import Curve, make_profile
from flowcodec.media.primaries import BT709, BY_CODE, Chromaticities, between, to_xyz

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE: Curve = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_SMPTE240_CURVE: Curve = (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912)
_LINEAR: Curve = (1.0,)

_UNSPECIFIED, _PQ, _HLG = 2, 16, 18
_CURVES: dict[int, Curve] = {
    1: _BT709_CURVE,
    4: (2.2,),
    5: (2.8,),
    6: _BT709_CURVE,
    7: _SMPTE240_CURVE,
    8: _LINEAR,
    11: _BT709_CURVE,
    12: _BT709_CURVE,
    13: SRGB_CURVE,
    14: _BT709_CURVE,
    15: _BT709_CURVE,
    17: (2.6,),
}
_NAMES = {_PQ: "PQ", _HLG: "HLG"}

# A PNG file's gamma of 0.45455 stands for the curve of sRGB, and chromaticities are rounded.
_SRGB_GAMMA = 45455
_GAMMA_ROUNDING = 500
_ROUNDING = 0.002
_EXPONENTS = (0.1, 10.0)  # others make no picture

_HDR_WHITE = 203.0  # cd/m2 of diffuse white, ITU-R BT.2408
_HLG_PEAK = 1000.0
_KNEE = 0.6  # of white: where compression of what is brighter begins
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Cicp:
    """Code points of ITU-T H.273 for RGB; `narrow` samples count from 16 to 235."""

    primaries: int
    transfer: int
    narrow: bool = False


@dataclass(frozen=True)
class GammaPrimaries:
    """What PNG says: gamma times 100,000, chromaticities (of white, R, G, B) times 100,000."""

    gamma: int | None
    chromaticities: tuple[int, ...] | None
    told_by: str = "gamma and chromaticities"


ADOBE_RGB = GammaPrimaries(
    45470, (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000), told_by="EXIF"
)

Description = Cicp | GammaPrimaries


Conversion = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From pixels (H, W, 3 or 1) to others."""


@dataclass(frozen=True)
class Meaning:
    """What becomes of pixels that a description is about: a conversion, and a profile for them."""

    icc: bytes | None = None
    conversion: Conversion | None = None
    notes: tuple[str, ...] = ()


def meaning_of(description: Description, gray: bool) -> Meaning:
    """What a description means for pixels of RGB or gray."""
    if isinstance(description, Cicp):
        return _meaning_of_codes(description, gray)
    gamma, numbers = description.gamma, description.chromaticities
    curve, chromaticities = SRGB_CURVE, BT709
    notes = []
    if gamma is not None:
        exponent = 100_000 / gamma if gamma else 0.0
        if _EXPONENTS[0] <= exponent <= _EXPONENTS[1]:
            curve = (exponent,)
        else:
            notes.append(f"a gamma of {gamma / 100_000:g} was dropped: it makes no sense")
    if numbers is not None and not gray:
        found = tuple(number / 100_000 for number in numbers)
        try:
            to_xyz(found)
            chromaticities = found
        except ValueError as error:
            notes.append(f"chromaticities were dropped: {error}")
    if abs((gamma or 0) - _SRGB_GAMMA) <= _GAMMA_ROUNDING and _is_near(chromaticities):
        curve = SRGB_CURVE
    return _described(curve, chromaticities, gray, description.told_by, tuple(notes))


def _widened(pixels: NDArray[np.uint8], codes: Cicp) -> NDArray[np.uint8]:
    if not codes.narrow:
        return pixels
    levels = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255)
    widened: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)[pixels]
    return widened


def _meaning_of_codes(codes: Cicp, gray: bool) -> Meaning:
    unknown = []
    if codes.primaries not in (_UNSPECIFIED, *BY_CODE) and not gray:
        unknown.append(f"primaries {codes.primaries}")
    if codes.transfer not in (_UNSPECIFIED, *_CURVES, *_NAMES):
        unknown.append(f"transfer {codes.transfer}")
    notes = tuple(f"colours with {what} were taken for those of sRGB" for what in unknown)
    if codes.narrow:
        notes += ("samples from 16 to 235 were stretched to 0 to 255",)
    if codes.transfer in _NAMES:
        name = _NAMES[codes.transfer]
        notes += (f"HDR ({name}) was converted to sRGB, what is brighter than white compressed",)
        return Meaning(None, lambda pixels: _to_sdr(_widened(pixels, codes), codes), notes)
    curve = _CURVES.get(codes.transfer, SRGB_CURVE)
    chromaticities = BY_CODE.get(codes.primaries, BT709)
    meaning = _described(curve, chromaticities, gray, "code points", notes)
    if not codes.narrow:
        return meaning
    further = meaning.conversion or (lambda pixels: pixels)
    return replace(meaning, conversion=lambda pixels: further(_widened(pixels, codes)))


def _is_near(chromaticities: Chromaticities) -> bool:
    """Whether they are those of sRGB but for rounding."""
    return bool(np.abs(np.subtract(chromaticities, BT709)).max() <= _ROUNDING)


def _described(
    curve: Curve, chromaticities: Chromaticities, gray: bool, how: str, notes: tuple[str, ...]
) -> Meaning:
    """A profile, unless it would be sRGB's."""
    conversion = None
    if curve == _LINEAR:
        conversion, curve = _to_srgb_curve, SRGB_CURVE
        notes += ("linear samples were given the curve of sRGB",)
    if curve == SRGB_CURVE and (gray or _is_near(chromaticities)):
        return Meaning(None, conversion, notes)
    name = "gray" if gray else "RGB"
    profile = make_profile(f"{name} by {how}", curve, None if gray else chromaticities)
    told = f"what it says of its colours by {how} is said by an ICC profile now"
    return Meaning(profile, conversion, (*notes, told))


def _to_srgb_curve(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Linear samples as an eye counts: what coding costs would be seen in their shadows else."""
    light = (np.arange(256) / 255).astype(np.float32)
    converted: NDArray[np.uint8] = np.rint(255 * _srgb_samples(light)).astype(np.uint8)[pixels]
    return converted


def _to_sdr(pixels: NDArray[np.uint8], codes: Cicp) -> NDArray[np.uint8]:
    """Pixels in PQ or HLG as sRGB.

    Diffuse white, 203 cd/m2, becomes 0.8 of sRGB's white; what is brighter is compressed into the
    rest, colour by colour in the same measure. Colours outside of sRGB are clipped.
    """
    levels = np.arange(256) / 255
    light = (_pq(levels) if codes.transfer == _PQ else _hlg(levels)).astype(np.float32)
    chromaticities = BY_CODE.get(codes.primaries, BT709)
    matrix = between(chromaticities, BT709).astype(np.float32)
    converted = np.empty_like(pixels)
    for row in range(0, len(pixels), _ROWS_AT_ONCE):
        linear = light[pixels[row : row + _ROWS_AT_ONCE]]
        if codes.transfer == _HLG:
            linear = _displayed(linear)
        if pixels.shape[2] == 3:
            linear = np.maximum(linear @ matrix.T, 0)
        brightest = linear.max(axis=2, keepdims=True)
        above = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
        shown = np.minimum(brightest, _KNEE) + (1 - _KNEE) * above / (1 + above)
        linear = linear * (shown / np.maximum(brightest, 1e-9))
        converted[row : row + _ROWS_AT_ONCE] = np.rint(255 * _srgb_samples(linear))
    return converted


def _pq(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of which 1 is diffuse white (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = levels ** (1 / m2)
    light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return light * 10_000 / _HDR_WHITE


def _hlg(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of the scene, from 0 to 1 (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(levels <= 0.5, levels**2 / 3, (np.exp((levels - c) / a) + b) / 12)


def _displayed(scene: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light of the scene as a screen of 1000 cd/m2 shows it, 1 being diffuse white."""
    weights = (0.2627, 0.6780, 0.0593) if scene.shape[2] == 3 else (1.0,)
    luminance = scene @ np.array(weights, np.float32)
    gain = np.maximum(luminance, 1e-9) ** 0.2 * (_HLG_PEAK / _HDR_WHITE)
    shown: NDArray[np.float32] = (scene * gain[..., np.newaxis]).astype(np.float32)
    return shown


def _srgb_samples(light: NDArray[np.float32]) -> NDArray[np.float32]:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)

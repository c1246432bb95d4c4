"""What a file says of its colours is understood: kept as a profile, converted, or told."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from flowcodec.media.colour import SRGB_CURVE
from flowcodec.media.icc import make_profile, read_icc, to_srgb
from flowcodec.media.picture import Picture, read_picture, write_picture
from flowcodec.media.primaries import BT709, BY_CODE
from flowcodec.media.stripping import stripped
from tests.media.handmade import GRAY, RGB, png

RAMP = np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * 3), axis=-1).reshape(6, 36, 3)
RAMP = RAMP.astype(np.uint8)
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
DISPLAY_P3 = make_profile("Display P3", SRGB_CURVE, BY_CODE[12])
BUILT_IN_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def read(data: bytes) -> Picture:
    return read_picture(io.BytesIO(data))


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    return png(36, 6, 8, RGB, RAMP.tobytes(), chunks)


def gamma(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", value)


def chromaticities(*values: int) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8i", *values)


def light(samples: np.ndarray, curve: tuple[float, ...]) -> np.ndarray:
    """Samples of 8 bits to light, by the parameters of ICC's curves."""
    x = samples / 255
    if len(curve) == 1:
        return x ** curve[0]
    g, a, b, c, d = curve
    return np.where(x >= d, (a * x + b) ** g, c * x)


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [gamma(45455)],
        [gamma(45450), chromaticities(*SRGB_CHROMATICITIES)],
        [chromaticities(31269, 32899, 63999, 33001, 30000, 60000, 15000, 5999)],
        [(b"sRGB", b"\0"), gamma(100000)],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [(b"cICP", bytes([2, 2, 0, 1]))],
    ],
)
def test_what_means_srgb_stays_as_it_is(chunks):
    picture = read(png_with(*chunks))
    assert np.array_equal(picture.pixels, RAMP)
    assert (picture.icc, picture.notes) == (None, ())


@pytest.mark.parametrize(
    ("chunks", "curve", "primaries"),
    [
        ([gamma(55556)], (1.8,), BT709),
        (
            [chromaticities(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)],
            None,
            BY_CODE[12],
        ),
        (
            [gamma(45455), chromaticities(31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)],
            (2.2,),
            (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
        ),
        ([(b"cICP", bytes([12, 13, 0, 1]))], None, BY_CODE[12]),
        ([(b"cICP", bytes([9, 8, 0, 1]))], (1.0,), BY_CODE[9]),
        ([(b"cICP", bytes([11, 4, 0, 1]))], (2.2,), BY_CODE[11]),
    ],
)
def test_other_colours_become_a_profile_that_says_the_same(chunks, curve, primaries):
    picture = read(png_with(*chunks))
    linear = curve == (1.0,)
    assert np.array_equal(picture.pixels, RAMP) or linear
    assert "ICC profile" in picture.notes[linear]
    assert len(picture.icc) < 600
    # What another reader makes of the profile, against the numbers.
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(picture.icc)),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    shown = np.asarray(ImageCms.applyTransform(Image.fromarray(picture.pixels), transform))
    linear = light(RAMP, curve or SRGB_CURVE) @ to_bt709(primaries).T
    inside = (linear >= 0).all(axis=2) & (linear <= 1).all(axis=2)
    assert inside.sum() > 10
    assert np.abs(light(shown, SRGB_CURVE) - linear)[inside].max() < 0.01


def to_bt709(primaries: tuple[float, ...]) -> np.ndarray:
    """From light of these primaries to that of BT.709, white becoming white by Bradford."""

    def to_xyz(xy):
        points = np.array(xy).reshape(4, 2)
        columns = np.c_[points, 1 - points.sum(1)].T
        white = columns[:, 0] / columns[1, 0]
        return columns[:, 1:] * np.linalg.solve(columns[:, 1:], white), white

    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    (source, here), (target, there) = to_xyz(primaries), to_xyz(BT709)
    adapt = np.linalg.solve(cone, np.diag((cone @ there) / (cone @ here)) @ cone)
    return np.linalg.solve(target, adapt @ source)


def test_a_gamma_of_gray_becomes_a_gray_profile():
    row = np.arange(0, 256, 5, dtype=np.uint8)
    picture = read(png(52, 1, 8, GRAY, row.tobytes(), [gamma(55556)]))
    assert picture.icc[16:20] == b"GRAY"
    assert np.array_equal(picture.pixels[0, :, 0], row)
    assert read_icc(picture.icc, gray=True).kept == picture.icc
    bare = stripped(picture)
    assert bare.icc is None
    assert np.abs(light(bare.pixels[0, :, 0], SRGB_CURVE) - (row / 255) ** 1.8).max() < 0.006


def test_linear_samples_are_given_the_curve_of_srgb():
    for data in (png_with(gamma(100000)), png_with((b"cICP", bytes([1, 8, 0, 1])))):
        picture = read(data)
        assert picture.icc is None
        assert picture.notes == ("linear samples were given the curve of sRGB",)
        assert np.abs(light(picture.pixels, SRGB_CURVE) - RAMP / 255).max() < 0.006


@pytest.mark.parametrize(
    "chunk",
    [
        gamma(0),
        gamma(2**31),
        chromaticities(*[0] * 8),
        chromaticities(*[33333] * 8),
        chromaticities(31270, 32900, *[30000, 60000] * 3),
        chromaticities(31270, 32900, 15000, 6000, 16000, 7000, 15000, 8000),
    ],
)
def test_numbers_that_make_no_colours_are_dropped_and_told(chunk):
    picture = read(png_with(chunk))
    assert np.array_equal(picture.pixels, RAMP)
    assert picture.icc is None
    assert "dropped" in picture.notes[0]


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_becomes_srgb_and_is_told(transfer, name):
    picture = read(png_with((b"cICP", bytes([9, transfer, 0, 1]))))
    assert f"HDR ({name}) was converted" in picture.notes[0]
    assert picture.icc is None
    gray = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
    data = png(256, 1, 8, RGB, gray.tobytes(), [(b"cICP", bytes([9, transfer, 0, 1]))])
    shown = read(data).pixels[0].astype(int)
    assert (np.diff(shown, axis=0) >= 0).all()
    assert np.abs(shown - shown[:, :1]).max() <= 1
    assert shown[0].max() == 0
    white = round(255 * (0.5807 if name == "PQ" else 0.75))  # 203 cd/m2, ITU-R BT.2408
    assert abs(light(shown[white, 1], SRGB_CURVE) - 0.8) < 0.02


def test_unknown_code_points_and_narrow_samples_are_told():
    picture = read(png_with((b"cICP", bytes([99, 98, 0, 1]))))
    assert np.array_equal(picture.pixels, RAMP)
    assert [note.split()[2:4] for note in picture.notes] == [
        ["primaries", "99"],
        ["transfer", "98"],
    ]
    narrow = np.array([[[16] * 3, [235] * 3, [0] * 3, [255] * 3]], np.uint8)
    data = png(4, 1, 8, RGB, narrow.tobytes(), [(b"cICP", bytes([1, 13, 0, 0]))])
    assert read(data).pixels[0, :, 0].tolist() == [0, 255, 0, 255]


def avif_with(primaries: int, transfer: int, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "AVIF", quality=95, subsampling="4:4:4", **options)
    data = bytearray(file.getvalue())
    place = data.index(b"colrnclx") + 8
    struct.pack_into(">HH", data, place, primaries, transfer)
    return bytes(data)


def test_code_points_of_an_avif_are_understood():
    plain = read(avif_with(1, 13))
    assert (plain.icc, plain.notes) == (None, ())
    wide = read(avif_with(12, 13))
    assert np.array_equal(wide.pixels, plain.pixels)
    assert wide.icc == read(png_with((b"cICP", bytes([12, 13, 0, 1])))).icc
    hdr = read(avif_with(9, 16))
    assert "HDR (PQ)" in hdr.notes[0]
    assert not np.array_equal(hdr.pixels, plain.pixels)


def test_a_profile_in_an_avif_goes_before_its_code_points():
    picture = read(avif_with(9, 16, icc_profile=DISPLAY_P3))
    assert (picture.icc, picture.notes) == (DISPLAY_P3, ())


def test_code_points_of_a_png_go_before_a_profile():
    profile = (b"iCCP", b"p\0\0" + zlib.compress(DISPLAY_P3))
    picture = read(png_with(profile, (b"cICP", bytes([1, 13, 0, 1]))))
    assert picture.icc is None
    assert picture.notes == ("its ICC profile was dropped, since cICP goes before it",)


def test_primaries_of_a_tiff_are_understood():
    file = io.BytesIO()
    tags = {318: (0.3127, 0.329), 319: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)}
    Image.fromarray(RAMP).save(file, "TIFF", tiffinfo=tags)
    picture = read(file.getvalue())
    assert np.array_equal(picture.pixels, RAMP)
    assert read_icc(picture.icc, gray=False).kept == picture.icc
    assert "ICC profile" in picture.notes[0]


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (make_profile("gray", (2.2,), None), "is for GRAY samples"),
        (DISPLAY_P3[:200], "is cut short"),
        (BUILT_IN_SRGB[:16] + b"CMYK" + BUILT_IN_SRGB[20:], "is for CMYK samples"),
        (bytes(200), "is none of a picture"),
        (DISPLAY_P3[:132] + bytes(len(DISPLAY_P3) - 132), "is damaged"),
        (b"x", "is cut short"),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_profile_that_does_not_fit_is_dropped_and_told(format, profile, words):
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, format, icc_profile=profile)
    picture = read(file.getvalue())
    assert picture.icc is None
    assert words in picture.notes[0]
    notes = write_picture(Picture(RAMP, icc=profile), io.BytesIO(), format)
    assert words in notes[0]


@pytest.mark.parametrize(("after", "told"), [(0, False), (3, False), (4, True), (5_000_000, True)])
def test_what_follows_a_profile_is_dropped_and_told(after, told):
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "PNG", icc_profile=DISPLAY_P3 + bytes(after))
    picture = read(file.getvalue())
    assert picture.icc == DISPLAY_P3
    note = f"what follows the end of its ICC profile was dropped ({after:,} bytes)"
    assert picture.notes == ((note,) if told else ())


def test_stripping_converts_what_is_not_srgb():
    red = np.full((2, 3, 3), (200, 50, 50), np.uint8)
    wide = stripped(Picture(red, icc=DISPLAY_P3, exif=b"II*\0", xmp=b"<x/>"))
    assert (wide.icc, wide.exif, wide.xmp) == (None, None, None)
    linear = light(red[0, 0], SRGB_CURVE) @ to_bt709(BY_CODE[12]).T
    assert np.abs(light(wide.pixels[0, 0], SRGB_CURVE) - linear).max() < 0.01
    assert "converted to sRGB" in wide.notes[0]

    same = stripped(Picture(RAMP, icc=BUILT_IN_SRGB))
    assert same.pixels is RAMP
    assert same.notes == ()
    assert to_srgb(RAMP, make_profile("sRGB", SRGB_CURVE, BT709)) is RAMP
    unusable = stripped(Picture(RAMP, icc=b"no profile"))
    assert np.array_equal(unusable.pixels, RAMP)
    assert unusable.notes == ("its ICC profile is cut short: it was dropped",)


@pytest.mark.parametrize(
    ("space", "index"), [(0xFFFF, b"R03\0"), (1, b"R98\0"), (0xFFFF, b"R98\0")]
)
def test_adobe_rgb_is_known_by_the_exif_of_cameras(space, index):
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.ColorSpace] = space
    exif.get_ifd(IFD.Exif)[IFD.Interop] = {1: index.decode()}
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "JPEG", exif=exif)
    picture = read(file.getvalue())
    if index == b"R03\0":
        assert b"\0E\0X\0I\0F" in picture.icc
        shown = stripped(Picture(np.array([[[0, 255, 0]]], np.uint8), icc=picture.icc)).pixels
        assert shown.tolist() == [[[0, 255, 0]]]  # beyond sRGB
        gray = np.full((1, 1, 3), 100, np.uint8)
        assert np.abs(stripped(Picture(gray, icc=picture.icc)).pixels.astype(int) - 99).max() <= 1
    else:
        assert (picture.icc, picture.notes) == (None, ())

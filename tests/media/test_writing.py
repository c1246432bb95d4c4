"""What is written comes back: every format, gray and colour, with and without alpha."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowcodec.errors import MediaError
from flowcodec.media.picture import Picture, read_picture, write_picture

LOSSLESS = ["png", "webp", "tiff", "ppm"]
WITH_ALPHA = ["png", "webp", "tiff", "avif"]


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def ramp(height: int, width: int, channels: int) -> np.ndarray:
    """Smooth, so that a lossy format at high quality has to be close."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [40 + 2 * x + y, 200 - x - 2 * y, 90 + x + y]
    return np.stack(planes[:channels], axis=2).astype(np.uint8)


def there_and_back(picture: Picture, format: str) -> Picture:
    file = BytesIO()
    write_picture(picture, file, format)
    file.seek(0)
    return read_picture(file)


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    transparent=st.booleans(),
    format=st.sampled_from(LOSSLESS),
    seed=st.integers(0, 99),
)
def test_lossless_formats_return_every_sample(height, width, channels, transparent, format, seed):
    transparent = transparent and format in WITH_ALPHA
    alpha = noise(height, width, 1, seed + 1)[..., 0] if transparent else None
    picture = Picture(noise(height, width, channels, seed), alpha)
    back = there_and_back(picture, format)
    if format == "webp":  # knows no gray
        assert np.array_equal(back.pixels, as_rgb(picture.pixels))
    else:
        assert np.array_equal(back.pixels, picture.pixels)
    # WebP may leave out an alpha plane that is opaque all over.
    if transparent and not (format == "webp" and (alpha == 255).all()):
        assert np.array_equal(back.alpha, alpha)
    else:
        assert back.alpha is None
    assert back.notes == ()


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    format=st.sampled_from(["jpeg", "avif"]),
)
def test_lossy_formats_stay_close(height, width, channels, format):
    picture = Picture(ramp(height, width, channels))
    back = there_and_back(picture, format)
    assert back.pixels.shape == picture.pixels.shape
    assert back.alpha is None
    assert np.abs(back.pixels.astype(int) - picture.pixels).max() <= 6


@pytest.mark.parametrize("channels", [1, 3])
def test_avif_keeps_alpha_exactly(channels):
    picture = Picture(ramp(33, 21, channels), noise(33, 21, 1)[..., 0])
    back = there_and_back(picture, "avif")
    assert np.array_equal(back.alpha, picture.alpha)
    assert np.abs(back.pixels.astype(int) - picture.pixels).max() <= 6


@pytest.mark.parametrize("format", ["png", "webp"])
def test_colour_under_full_transparency_survives(format):
    picture = Picture(noise(9, 7, 3), np.zeros((9, 7), np.uint8))
    assert np.array_equal(there_and_back(picture, format).pixels, picture.pixels)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".png", "PNG"),
        (".jpg", "JPEG"),
        (".JPEG", "JPEG"),
        (".webp", "WEBP"),
        (".tif", "TIFF"),
        (".TIFF", "TIFF"),
        (".avif", "AVIF"),
        (".ppm", "PPM"),
        (".pnm", "PPM"),
    ],
)
def test_the_suffix_decides_the_format(tmp_path: Path, suffix: str, kind: str):
    path = tmp_path / f"picture{suffix}"
    write_picture(Picture(ramp(5, 8, 3)), path)
    with Image.open(path) as image:
        assert image.format == kind
    assert read_picture(path).pixels.shape == (5, 8, 3)


def test_a_named_format_goes_before_the_suffix(tmp_path: Path):
    path = tmp_path / "picture.png"
    write_picture(Picture(ramp(5, 8, 3)), path, "TIF")
    with Image.open(path) as image:
        assert image.format == "TIFF"


def test_gray_is_written_as_gray(tmp_path: Path):
    for suffix in ("png", "jpg", "tiff", "avif", "pgm"):
        path = tmp_path / f"gray.{suffix}"
        write_picture(Picture(ramp(5, 8, 1)), path)
        with Image.open(path) as image:
            assert image.mode == "L", suffix


def test_content_decides_on_reading(tmp_path: Path):
    path = tmp_path / "really-a-png.jpg"
    write_picture(Picture(noise(4, 4, 3)), path, "png")
    assert np.array_equal(read_picture(path).pixels, noise(4, 4, 3))


@pytest.mark.parametrize("format", ["jpeg", "ppm", "pgm"])
def test_alpha_is_refused_where_it_would_be_lost(tmp_path: Path, format: str):
    path = tmp_path / f"picture.{format}"
    picture = Picture(ramp(4, 4, 1), np.zeros((4, 4), np.uint8))
    with pytest.raises(MediaError, match=r"holds no alpha; use PNG, WebP, TIFF or AVIF"):
        write_picture(picture, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["jpeg", "ppm"])
def test_alpha_that_is_opaque_everywhere_stops_no_format(format: str):
    file = BytesIO()
    opaque = Picture(ramp(4, 4, 3), np.full((4, 4), 255, np.uint8))
    assert write_picture(opaque, file, format) == ()
    assert Image.open(file).mode == "RGB"


def test_colour_is_refused_by_pgm(tmp_path: Path):
    with pytest.raises(MediaError, match="gray only; use PPM"):
        write_picture(Picture(ramp(4, 4, 3)), tmp_path / "picture.pgm")


def test_unknown_formats_are_refused_with_the_choices(tmp_path: Path):
    picture = Picture(ramp(4, 4, 3))
    with pytest.raises(MediaError, match=r"picture\.xyz; end it in one of \.png"):
        write_picture(picture, tmp_path / "picture.xyz")
    with pytest.raises(MediaError, match="'xyz'; choose one of PNG"):
        write_picture(picture, tmp_path / "picture.png", "xyz")
    with pytest.raises(MediaError, match="name one, such as 'png'"):
        write_picture(picture, BytesIO())


@pytest.mark.parametrize(("format", "side"), [("webp", 16383), ("jpeg", 65500), ("avif", 32768)])
def test_each_format_is_used_to_its_longest_side(format, side):
    longest = Picture(np.zeros((1, side, 1), np.uint8))
    assert there_and_back(longest, format).width == side
    with pytest.raises(MediaError, match=f"which ends at {side} a side; use PNG"):
        write_picture(Picture(np.zeros((side + 1, 1, 1), np.uint8)), BytesIO(), format)


def test_a_failed_encoding_leaves_the_old_file(tmp_path: Path, monkeypatch):
    def fail(*_, **__):
        raise ValueError

    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(MediaError, match=r"cannot write .*picture\.png as PNG: .*refused"):
        write_picture(Picture(ramp(4, 4, 3)), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match=r"cannot write .*nowhere/a\.png: No such file"):
        write_picture(Picture(ramp(4, 4, 3)), tmp_path / "nowhere" / "a.png")


@pytest.mark.skipif(sys.platform == "win32", reason="/dev is Unix")
def test_a_device_is_written_to_and_not_replaced():
    device = Path("/dev/null")
    write_picture(Picture(ramp(4, 4, 3)), device, "png")
    assert device.is_char_device()


@pytest.mark.parametrize(
    ("pixels", "alpha"),
    [
        (np.zeros((4, 4), np.uint8), None),
        (np.zeros((4, 4, 4), np.uint8), None),
        (np.zeros((4, 4, 3), np.float32), None),
        (np.zeros((0, 4, 3), np.uint8), None),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16)),
    ],
)
def test_arrays_of_other_shapes_and_types_are_refused(pixels, alpha):
    with pytest.raises(MediaError, match="must be uint8"):
        Picture(pixels, alpha)


def test_views_that_are_not_contiguous_are_written_right():
    pixels, alpha = noise(12, 10, 3)[::2, ::-1], noise(12, 10, 1)[::2, ::-1, 0]
    back = there_and_back(Picture(pixels, alpha), "png")
    assert np.array_equal(back.pixels, pixels)
    assert np.array_equal(back.alpha, alpha)

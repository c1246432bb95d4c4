"""Every mode and depth arrives as 8-bit RGB or gray, and says what had to change."""

import base64
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from flowcodec.errors import MediaError
from flowcodec.media.picture import Picture, read_picture, write_picture
from tests.media.handmade import GRAY, GRAY_ALPHA, PALETTE, RGB, png, tiff


def read(data: bytes) -> Picture:
    return read_picture(io.BytesIO(data))


def saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


SIDES = st.integers(1, 40)


@given(SIDES, SIDES, st.sampled_from(["PNG", "TIFF", "PPM"]))
def test_bilevel_becomes_black_and_white(height, width, format):
    bits = noise(height, width) > 127
    picture = read(saved(Image.fromarray(bits), format))
    assert np.array_equal(picture.pixels[..., 0], bits * 255)
    assert picture.pixels.shape[2] == 1
    assert picture.notes == ()


@given(SIDES, SIDES, st.sampled_from(["PNG", "TIFF"]))
def test_gray_with_alpha_stays_gray(height, width, format):
    samples = noise(height, width, 2)
    picture = read(saved(Image.fromarray(samples), format))
    assert np.array_equal(picture.pixels, samples[..., :1])
    assert np.array_equal(picture.alpha, samples[..., 1])
    assert picture.notes == ()


@given(SIDES, SIDES, st.sampled_from(["PNG", "TIFF"]))
def test_a_palette_becomes_rgb(height, width, format):
    palette, indices = noise(256, 3, seed=1), noise(height, width)
    image = Image.fromarray(indices).convert("L")
    image.putpalette(palette.tobytes())
    picture = read(saved(image, format))
    assert np.array_equal(picture.pixels, palette[indices])
    assert picture.alpha is None


@given(SIDES, SIDES)
def test_a_palette_with_transparency_becomes_rgb_and_alpha(height, width):
    palette, opacity = noise(256, 3, seed=1), noise(256, seed=2)
    indices = noise(height, width)
    chunks = [(b"PLTE", palette.tobytes()), (b"tRNS", opacity.tobytes())]
    picture = read(png(width, height, 8, PALETTE, indices.tobytes(), chunks))
    assert np.array_equal(picture.pixels, palette[indices])
    assert np.array_equal(picture.alpha, opacity[indices])


def test_a_palette_with_one_transparent_entry():
    chunks = [(b"PLTE", bytes(range(9))), (b"tRNS", b"\xff\0")]
    picture = read(png(3, 1, 8, PALETTE, b"\0\1\2", chunks))
    assert picture.alpha.tolist() == [[255, 0, 255]]
    assert picture.pixels.ravel().tolist() == list(range(9))


@pytest.mark.parametrize(
    ("depth", "packed", "key", "gray", "alpha"),
    [
        (1, b"\x50", 1, [0, 255, 0, 255], [255, 0, 255, 0]),
        (2, b"\x1b", 1, [0, 85, 170, 255], [255, 0, 255, 255]),
        (4, b"\x0f\x3c", 3, [0, 255, 51, 204], [255, 255, 0, 255]),
        (8, b"\x00\x07\x08\xff", 7, [0, 7, 8, 255], [255, 0, 255, 255]),
        (16, bytes.fromhex("0000 8000 8001 ffff"), 0x8001, [0, 128, 128, 255], [255, 255, 0, 255]),
    ],
)
def test_one_transparent_gray_becomes_alpha(depth, packed, key, gray, alpha):
    picture = read(png(4, 1, depth, GRAY, packed, [(b"tRNS", key.to_bytes(2, "big"))]))
    assert picture.pixels.ravel().tolist() == gray
    assert picture.alpha.ravel().tolist() == alpha


def test_one_transparent_colour_becomes_alpha():
    chunks = [(b"tRNS", bytes([0, 4, 0, 5, 0, 6]))]
    picture = read(png(3, 1, 8, RGB, bytes([4, 5, 6, 4, 5, 7, 6, 5, 4]), chunks))
    assert picture.alpha.tolist() == [[0, 255, 255]]
    assert picture.pixels.ravel().tolist() == [4, 5, 6, 4, 5, 7, 6, 5, 4]


SIXTEEN = np.array([0, 128, 129, 385, 386, 32767, 32768, 65406, 65407, 65535])
EIGHT = [0, 0, 1, 1, 2, 127, 128, 254, 255, 255]  # round(SIXTEEN / 257)
SIXTEEN_NOTE = ("16 bits a sample were reduced to 8",)


@pytest.mark.parametrize(
    "data",
    [
        png(10, 1, 16, GRAY, SIXTEEN.astype(">u2").tobytes()),
        tiff(SIXTEEN.astype("<u2").reshape(1, 10, 1), photometric=1, bits=16),
        tiff(65535 - SIXTEEN.astype("<u2").reshape(1, 10, 1), photometric=0, bits=16),
        b"P5 10 1 65535\n" + SIXTEEN.astype(">u2").tobytes(),
        saved(Image.fromarray(SIXTEEN.astype(">u2").reshape(1, 10)), "TIFF"),
    ],
    ids=["PNG", "TIFF", "TIFF, white is 0", "PGM", "TIFF, big-endian"],
)
def test_16_bit_gray_is_scaled_and_rounded(data):
    picture = read(data)
    assert picture.pixels.shape == (1, 10, 1)
    assert picture.pixels.ravel().tolist() == EIGHT
    assert picture.notes == SIXTEEN_NOTE


@pytest.mark.parametrize(
    "data",
    [
        png(1, 1, 16, RGB, bytes.fromhex("0000 80ff ffff")),
        tiff(np.array([[[0, 0x80FF, 0xFFFF]]], "<u2"), photometric=2, bits=16),
        b"P6 1 1 65535\n" + bytes.fromhex("0000 80ff ffff"),
    ],
    ids=["PNG", "TIFF", "PPM"],
)
def test_16_bit_rgb_is_reduced_and_noted(data):
    picture = read(data)
    black, middle, white = picture.pixels.ravel().tolist()
    assert (black, white) == (0, 255)
    assert middle in (0x80, 0x81)  # Pillow takes the upper byte of some formats
    assert picture.notes == SIXTEEN_NOTE


@pytest.mark.parametrize(
    ("header", "samples", "expected", "notes"),
    [
        (b"P5 4 1 3\n", bytes([0, 1, 2, 3]), [0, 85, 170, 255], ()),
        (b"P2 4 1 3\n", b"0 1 2 3\n", [0, 85, 170, 255], ()),
        (b"P5 4 1 3\n", bytes([0, 1, 9, 3]), [0, 85, 255, 255], ()),
        (b"P5 3 1 1000\n", bytes.fromhex("0000 01f4 03e8"), [0, 128, 255], SIXTEEN_NOTE),
        (b"P2 3 1 1000\n", b"0 500 1000\n", [0, 128, 255], SIXTEEN_NOTE),
        (b"P6 1 1 1000\n", bytes.fromhex("0000 01f4 03e8"), [0, 128, 255], SIXTEEN_NOTE),
        (b"P3 1 1 1000\n", b"0 501 1000\n", [0, 128, 255], SIXTEEN_NOTE),
    ],
)
def test_any_largest_value_of_pgm_and_ppm_becomes_255(header, samples, expected, notes):
    picture = read(header + samples)
    assert picture.pixels.ravel().tolist() == expected
    assert picture.notes == notes


def test_a_large_16_bit_ppm_is_put_together_right():
    values = np.random.default_rng(0).integers(0, 65536, (700, 2000, 3), np.uint16)
    picture = read(b"P6 2000 700 65535\n" + values.astype(">u2").tobytes())
    assert np.array_equal(picture.pixels, np.round(values / 257).astype(np.uint8))


def test_16_bit_gray_with_alpha_stays_gray():
    picture = read(png(2, 1, 16, GRAY_ALPHA, bytes.fromhex("0000 ffff 7f7f 8080")))
    assert picture.pixels.tolist() == [[[0], [127]]]
    assert picture.alpha.tolist() == [[255, 128]]
    assert picture.notes == SIXTEEN_NOTE


def test_a_transparent_16_bit_colour_is_not_guessed_at():
    picture = read(png(1, 1, 16, RGB, bytes(6), [(b"tRNS", bytes(6))]))
    assert picture.alpha is None
    assert "ignored" in picture.notes[1]


@pytest.mark.parametrize(
    ("values", "sample_format", "expected"),
    [
        (np.array([-(2**31), -5, 2**30, 2**31 - 1], "<i4"), 2, [0, 127, 191, 255]),
        (np.array([0, 2**31, 2**32 - 1, 2**24 - 1], "<u4"), 1, [0, 128, 255, 1]),
        (np.array([-0.5, 0.5, 1.0, 7.0], "<f4"), 3, [0, 128, 255, 255]),
        (np.array([np.nan, np.inf, -np.inf, 0.25], "<f4"), 3, [0, 255, 0, 64]),
    ],
)
def test_32_bit_samples_are_scaled_from_their_whole_range(values, sample_format, expected):
    data = tiff(values.reshape(1, 4, 1), photometric=1, bits=32, sample_format=sample_format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read(data)
    assert picture.pixels.ravel().tolist() == expected
    assert "to 8" in picture.notes[0]


# 2x2 pixels, all at 600 of 1023.
TEN_BIT_AVIF = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAA"
    "AAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAHQAAAChpaW5mAAAA"
    "AAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAAgAAAAIA"
    "AAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAAAAAAEAAQQB"
    "AoMEAAAAJW1kYXQSAAoHOAA2sCAgaTIQHEJi5OvvvvFgAACQNY48RA=="
)


def test_a_deep_avif_is_noted():
    picture = read(TEN_BIT_AVIF)
    assert np.abs(picture.pixels.astype(int) - 600 * 255 / 1023).max() <= 1
    assert picture.notes == ("10 bits a sample were reduced to 8",)
    assert read(saved(Image.new("RGB", (2, 2)), "AVIF")).notes == ()


@given(SIDES, SIDES)
def test_ycbcr_becomes_rgb(height, width):
    image = Image.fromarray(noise(height, width, 3)).convert("YCbCr")
    picture = read(saved(image, "TIFF"))
    y, cb, cr = np.moveaxis(np.asarray(image).astype(float), 2, 0)
    bt601 = [
        y + 1.402 * (cr - 128),
        y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
        y + 1.772 * (cb - 128),
    ]
    expected = np.clip(np.stack(bt601, axis=2), 0, 255)
    assert np.abs(picture.pixels - expected).max() <= 2
    assert picture.notes == ("YCbCr was converted to RGB",)


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_cmyk_without_a_profile_takes_the_plain_formula(format):
    inks = [(0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (0, 255, 255, 0)]
    for ink, rgb in zip(inks, [(255,) * 3, (0,) * 3, (0, 255, 255), (255, 0, 0)], strict=True):
        picture = read(saved(Image.new("CMYK", (8, 8), ink), format))
        assert np.abs(picture.pixels.astype(int) - rgb).max() <= 4
        assert picture.icc is None
        assert "want of a usable ICC profile" in picture.notes[0]


@pytest.mark.parametrize("profiled", [False, True])
def test_lab_becomes_srgb(profiled):
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (3, 2), (200, 30, 40)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    options = {} if profiled else {"icc_profile": b""}
    picture = read(saved(lab, "TIFF", **options))
    assert np.abs(picture.pixels.astype(int) - (200, 30, 40)).max() <= 3
    assert picture.icc is None
    how = "by its ICC profile, now dropped" if profiled else "(D50)"
    assert picture.notes == (f"LAB was converted to sRGB {how}",)


def test_only_the_first_of_several_pictures_is_read():
    pages = [Image.fromarray(noise(5, 6, 3, seed=seed)) for seed in range(3)]
    for format in ("TIFF", "PNG", "WEBP"):
        options = {"lossless": True} if format == "WEBP" else {}
        data = saved(pages[0], format, save_all=True, append_images=pages[1:], **options)
        picture = read(data)
        assert np.array_equal(picture.pixels, noise(5, 6, 3)), format
        assert picture.notes == ("the file holds 3 pictures, only the first was read",)


def test_the_first_picture_of_a_multi_picture_jpeg_is_read():
    pages = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    picture = read(saved(pages[0], "MPO", save_all=True, append_images=pages[1:]))
    assert picture.pixels.min() > 250
    assert picture.notes == ("the file holds 2 pictures, only the first was read",)


def test_pictures_of_several_strips_are_put_together_right():
    tall = noise(700, 2000, 3)  # more than one strip of a million pixels
    assert np.array_equal(read(saved(Image.fromarray(tall), "PPM")).pixels, tall)


def test_a_path_may_be_text(tmp_path: Path):
    path = str(tmp_path / "picture.png")
    write_picture(Picture(noise(3, 4, 3)), path)
    assert np.array_equal(read_picture(path).pixels, noise(3, 4, 3))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "PPM", "PGM"])
def test_an_open_file_is_read_from_where_it_stands_whatever_has_its_name(tmp_path: Path, format):
    image = Image.fromarray(noise(30, 20, 3)).convert("L" if format == "PGM" else "RGB")
    data = saved(image, "PPM" if format == "PGM" else format)
    expected = read(data).pixels
    path = tmp_path / "picture"
    path.write_bytes(b"in front" + data)
    with path.open("rb") as stream:
        stream.seek(8)
        assert np.array_equal(read_picture(stream).pixels, expected)
    path.write_bytes(data)
    with path.open("rb") as stream:
        path.rename(tmp_path / "elsewhere")
        path.write_bytes(bytes(len(data)))
        assert np.array_equal(read_picture(stream).pixels, expected)


def test_a_pipe_is_read_to_its_end():
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes):
            self.rest = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return self.rest.readinto(memoryview(buffer)[:100])

    samples = noise(30, 20, 3)
    data = saved(Image.fromarray(samples), "PNG")
    for pipe in (io.BufferedReader(Pipe(data)), Pipe(data)):
        assert np.array_equal(read_picture(pipe).pixels, samples)


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"GIF89a", "is GIF, which is not read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC, which is not read"),
        (b"\xff\x0a\0\0", "is JPEG XL, which is not read"),
        (b"no picture", "is not a picture of a known kind"),
        (b"", "is empty"),
    ],
)
def test_what_is_not_read_is_named(head, named):
    with pytest.raises(MediaError, match=named):
        read_picture(io.BytesIO(head))

"""The alpha plane comes back exactly from its squares, and what claims too much is refused."""

import io
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw, ImageFilter

from flowcodec.bitstream.alpha import pack_alpha
from flowcodec.bitstream.lossless import pack_lossless
from flowcodec.bitstream.matte import pack_matte, unpack_matte
from flowcodec.bitstream.numbers import pack_varint
from flowcodec.errors import FormatError

planes = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(planes)
def test_every_plane_comes_back(alpha):
    decoded = unpack_matte(pack_matte(alpha), *alpha.shape)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, alpha)


def slope(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    middle = np.hypot(rows - height / 2, columns - width / 2)
    return np.clip(300 - 600 * middle / max(height, width), 0, 255).astype(np.uint8)


def bowl(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return ((columns - width // 2 + 53 * rows) ** 2 // 60 % 256).astype(np.uint8)


def letters(blur: float) -> np.ndarray:
    image = Image.new("L", (400, 300))
    draw = ImageDraw.Draw(image)
    for line in range(8):
        draw.text((10, 10 + 36 * line), "Soft edges and hard ones", 255, font_size=28)
    return np.array(image.filter(ImageFilter.GaussianBlur(blur)))


def by_the_book(data: bytes, height: int, width: int) -> np.ndarray:
    """A reader written from SPEC.md, with Pillow for VP8L."""
    plane, at = np.zeros((height, width), np.uint8), 0
    for top in range(0, height, 1024):
        for left in range(0, width, 1024):
            rows, columns = min(1024, height - top), min(1024, width - left)
            form, size, shift = data[at], 0, 0
            while True:
                at += 1
                size |= (data[at] & 127) << shift
                shift += 7
                if data[at] < 128:
                    break
            hash = int.from_bytes(data[at + 1 : at + 5], "little")
            code = data[at + 5 : at + 5 + size]
            at += 5 + size
            if size == rows * columns:
                samples = list(code)
            else:
                chunk = b"WEBPVP8L" + size.to_bytes(4, "little") + code + bytes(size % 2)
                file = io.BytesIO(b"RIFF" + len(chunk).to_bytes(4, "little") + chunk)
                samples = list(Image.open(file).convert("RGB").getchannel(0).tobytes())
            for place in list(range(rows * columns)) * form:
                if place % columns:
                    samples[place] = (samples[place] + samples[place - 1]) % 256
            assert zlib.crc32(bytes(samples)) == hash
            square = np.array(samples, np.uint8).reshape(rows, columns)
            plane[top : top + rows, left : left + columns] = square
    assert at == len(data)
    return plane


@pytest.mark.parametrize(
    ("alpha", "forms"),
    [
        (slope(200, 300), [1]),
        (bowl(20, 300), [2]),
        (letters(0), [0]),
        (np.hstack([slope(30, 1024), letters(0)[:30]]), [1, 0]),
        (np.arange(6, dtype=np.uint8).reshape(2, 3), [0]),
        (np.full((1025, 3), 255, np.uint8), [0, 0]),
    ],
    ids=["slope", "bowl", "letters", "both", "six samples", "opaque"],
)
def test_the_specification_is_enough_to_read_it(alpha, forms):
    data = pack_matte(alpha)
    assert np.array_equal(by_the_book(data, *alpha.shape), alpha)
    assert data[0] == forms[0]
    assert np.array_equal(unpack_matte(data, *alpha.shape), alpha)
    assert data[len(pack_matte(alpha[:1024, :1024])) :][:1] == bytes(forms[1:])


@pytest.mark.parametrize(
    ("alpha", "share"),
    [(slope(300, 400), 0.7), (letters(0), 0.75), (letters(1.5), 0.9), (letters(8), 0.75)],
    ids=["slope", "letters", "soft letters", "shadow"],
)
def test_a_matte_is_smaller_than_a_png(alpha, share):
    assert len(pack_matte(alpha)) < share * len(pack_alpha(alpha))


def test_opaque_planes_cost_next_to_nothing():
    assert len(pack_matte(np.full((1000, 1000), 255, np.uint8))) < 100


def square(form: int, samples: np.ndarray, code: bytes | None = None) -> bytes:
    if code is None:
        code = pack_lossless(samples[..., None])
    hash = zlib.crc32(samples.tobytes())
    return bytes([form]) + pack_varint(len(code)) + hash.to_bytes(4, "little") + code


FLAT = np.full((4, 4), 7, np.uint8)
GIANT = pack_lossless(np.zeros((2048, 2048, 1), np.uint8))


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "cut short"),
        (square(0, FLAT)[:-1], "cut short"),
        (square(0, FLAT) + b"x", "1 bytes follow"),
        (square(3, FLAT), "form 3"),
        (square(1, FLAT), "does not match its hash"),
        (square(0, FLAT, b"\x2f" + bytes(40)), "holds 1x1 pixels, not 4x4"),
        (square(0, FLAT, GIANT), "holds 2048x2048 pixels, not 4x4"),
        (square(0, FLAT, b"no chunk at all"), "VP8L chunk without alpha"),
        (square(0, FLAT + 1, FLAT.tobytes()), "does not match its hash"),
    ],
)
def test_broken_payloads_are_refused(payload, complaint):
    with pytest.raises(FormatError, match=complaint) as caught:
        unpack_matte(payload, 4, 4)
    assert caught.value.unit == "matte"
    assert "\n" not in str(caught.value)


def test_a_short_payload_that_claims_a_huge_plane_takes_no_memory():
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="need at least 6144 bytes, 100 are there"):
            unpack_matte(bytes(100), 2**15, 2**15)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000

"""Garbage, truncation and bombs end in one clear MediaError, without the memory they ask for."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from flowcodec.errors import MediaError
from flowcodec.media.picture import read_picture
from tests.media.handmade import RGB, png, tiff

# Pillow warns about odd tags that it passes over.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "PPM"]
PHOTO = np.random.default_rng(3).integers(0, 256, (24, 40, 3), np.uint8)


def saved(format: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, format)
    return file.getvalue()


FILES = {format: saved(format) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_truncated_files_are_named(tmp_path: Path, format: str, share: float):
    path = tmp_path / "cut.bin"
    path.write_bytes(FILES[format][: max(12, int(len(FILES[format]) * share))])
    with pytest.raises(MediaError, match=r"cut\.bin") as error:
        read_picture(path)
    assert "\n" not in str(error.value)


@given(
    format=st.sampled_from(FORMATS),
    place=st.floats(0, 1, exclude_max=True),
    value=st.integers(0, 255),
)
def test_a_changed_byte_gives_a_picture_or_a_media_error(format, place, value):
    data = bytearray(FILES[format])
    data[int(place * len(data))] = value
    try:
        picture = read_picture(io.BytesIO(bytes(data)))
    except MediaError:
        return
    assert picture.pixels.dtype == np.uint8


@given(st.binary(max_size=200))
@example(b"\x89PNG\r\n\x1a\n")
@example(b"\xff\xd8\xff")
@example(b"RIFF\x10\0\0\0WEBPVP8 ")
@example(b"II*\0\x08\0\0\0")
@example(b"\0\0\0\x20ftypavif")
@example(b"P6 3 3")
@example(b"P6 0 0 255\n")
def test_garbage_is_refused(data):
    with pytest.raises(MediaError):
        read_picture(io.BytesIO(data))


def test_the_reason_is_given(tmp_path: Path):
    with pytest.raises(MediaError, match=r"cannot read .*missing\.png: No such file"):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(MediaError, match="Is a directory|Permission denied"):
        read_picture(tmp_path)
    with pytest.raises(MediaError, match="is empty; readable are PNG, JPEG"):
        read_picture(io.BytesIO())
    with pytest.raises(MediaError, match="is not a picture of a known kind"):
        read_picture(io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n"))


def header_only(width: int, height: int) -> bytes:
    return png(1, 1, 8, RGB, bytes(3)).replace(png_header(1, 1), png_header(width, height))


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, RGB, 0, 0, 0)
    return body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(("width", "height"), [(40000, 30000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_by_their_header(width, height):
    with pytest.raises(MediaError, match=rf"{width} x {height} pixels; more than 1073741824"):
        read_picture(io.BytesIO(header_only(width, height)))


def test_pillows_own_limit_neither_warns_nor_refuses(monkeypatch):
    file = io.BytesIO()
    Image.new("L", (2048, 2048)).save(file, "PNG")
    file.seek(0)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1 << 20)  # Pillow warns above, refuses above 2x
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(file).pixels.shape == (2048, 2048, 1)


READ_AND_REPORT = """
import sys
from pathlib import Path
from flowcodec.media.picture import read_picture

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

before = peak()
picture = read_picture(Path(sys.argv[1]))
assert picture.pixels.shape == (6250, 8000, 3)
print((peak() - before) / picture.pixels.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_fifty_megapixels_take_little_more_than_two_copies(tmp_path: Path):
    path = tmp_path / "large.png"
    deflate = zlib.compressobj(1)
    row = b"\0" + b"\x30\x60\x90" * 8000
    body = b"".join(deflate.compress(row) for _ in range(6250)) + deflate.flush()
    chunk = b"IDAT" + body
    whole = header_only(8000, 6250)
    start, end = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4
    idat = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(whole[:start] + idat + whole[end:])
    # Pillow's own copy has four bytes a pixel, ours has three.
    assert peak_over_pixels(path) < 2.6


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_strips_of_a_tiff_take_little_more_than_the_picture(tmp_path: Path):
    path = tmp_path / "large.tif"
    samples = np.broadcast_to(np.array([0x30, 0x60, 0x90], np.uint16), (6250, 8000, 3))
    path.write_bytes(tiff(samples, 2, 16, rows=50, compression=8, encode=zlib.compress))
    assert peak_over_pixels(path) < 1.4


def peak_over_pixels(path: Path) -> float:
    """How much memory reading takes in a process of its own, where the pixels take 1."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ_AND_REPORT, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)

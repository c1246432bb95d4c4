"""TIFF files as they are met: what was once read as another picture, odd writers, and damage."""

import io
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from flowcodec.errors import MediaError
from flowcodec.media.picture import read_picture
from tests.media.handmade import tiff

COLUMN, ROW = np.meshgrid(np.arange(100), np.arange(60))
RED = ((2 * COLUMN + ROW) % 251).astype(np.uint8)
COLOURS = np.dstack((RED, COLUMN * 2, 255 - RED)).astype(np.uint8)
OPACITY = (4 * ROW).astype(np.uint8)
ORIENTATION, EXTRA = 274, 338

# Pillow warns about odd tags that it passes over.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def read(data: bytes):
    return read_picture(io.BytesIO(data))


def written(samples: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def turned_six(array: np.ndarray) -> np.ndarray:
    return np.rot90(array, -1)


def inks(colours: np.ndarray) -> np.ndarray:
    return np.dstack((255 - colours, np.zeros_like(colours[..., 0])))


GRAY = RED[..., np.newaxis]
SIDEWAYS = [(ORIENTATION, 3, [6])]


def sixteen(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (tiff(GRAY, 1, 8, tags=SIDEWAYS), turned_six(GRAY)),
        (tiff(sixteen(GRAY), 1, 16, tags=SIDEWAYS), turned_six(GRAY)),
        (tiff(inks(COLOURS), 5, 8, tags=SIDEWAYS), turned_six(COLOURS)),
        (tiff(sixteen(COLOURS), 2, 16, planar=True), COLOURS),
        (tiff((sixteen(GRAY) ^ 0x8000).view(np.int16), 1, 16, 2), GRAY),
        (tiff((GRAY ^ 0x80).view(np.int8), 1, 8, 2), GRAY),
    ],
    ids=["gray, turned", "16 bits, turned", "CMYK, turned", "planes", "signed 16", "signed 8"],
)
@pytest.mark.parametrize("named", [True, False])
def test_what_once_was_another_picture(data, pixels, named, tmp_path: Path):
    path = tmp_path / "picture.tif"
    path.write_bytes(data)
    assert np.array_equal((read_picture(path) if named else read(data)).pixels, pixels)


def test_alpha_in_a_plane_of_its_own_behind_compression():
    samples = np.stack((RED, OPACITY))
    options = {"photometric": "minisblack", "planarconfig": "separate", "compression": "lzw"}
    picture = read(written(samples, extrasamples=["unassalpha"], **options))
    assert np.array_equal(picture.pixels, GRAY)
    assert np.array_equal(picture.alpha, OPACITY)


def test_what_was_changed_is_said():
    signed = tiff((GRAY ^ 0x80).view(np.int8), 1, 8, 2)
    assert read(signed).notes == ("signed samples were shifted by half their range",)
    four = np.dstack((COLOURS, OPACITY))
    (note,) = read(tiff(four, 2, 8)).notes
    assert note == "the last channel, of which the file says nothing, was taken for alpha"
    (note,) = read(tiff(four, 2, 8, tags=[(EXTRA, 3, [0])])).notes
    assert note == "1 channel beside the colours was left out"
    (note,) = read(tiff(np.dstack((four, RED)), 2, 8, tags=[(EXTRA, 3, [0, 0])])).notes
    assert note == "2 channels beside the colours were left out"


def test_metadata_never_costs_the_picture():
    exif_of_floats, xmp_of_fractions = (34665, 11, [0.5, 0.5]), (700, 5, [1] * 6)
    profile_of_numbers, orientation = (34675, 3, [1, 2, 3]), (ORIENTATION, 3, [3])
    for tag in (exif_of_floats, xmp_of_fractions, profile_of_numbers):
        for order in "<>":
            for big in (False, True):
                data = tiff(GRAY, 1, 8, order=order, big=big, tags=[tag, orientation])
                picture = read(data)
                assert np.array_equal(picture.pixels, np.rot90(GRAY, 2)), tag
                assert picture.notes, tag


def test_pictures_are_counted_up_to_where_the_file_is_damaged():
    pages = written(np.stack((RED, RED, RED)), photometric="minisblack")
    assert read(pages).notes == ("the file holds 3 pictures, only the first was read",)
    for after in (8, 2**31):
        assert np.array_equal(read(tiff(GRAY, 1, 8, after=after)).pixels, GRAY)


TABLE = np.arange(768).reshape(256, 3) % 256


@pytest.mark.parametrize("factor", [256, 257])
def test_a_palette_is_taken_by_its_upper_bytes(factor):
    colours = [(320, 3, (TABLE * factor).T.ravel().tolist())]
    picture = read(tiff(GRAY, 3, 8, tags=colours))
    assert np.array_equal(picture.pixels, TABLE[RED])
    assert picture.notes == ()


def test_a_palette_of_8_bits_is_not_black():
    picture = read(tiff(GRAY, 3, 8, tags=[(320, 3, TABLE.T.ravel().tolist())]))
    assert np.array_equal(picture.pixels, TABLE[RED])
    assert picture.notes == ("its palette was taken for one of 8 bits",)


def test_ycbcr_counts_as_its_tags_say():
    """BT.709, and black and white where video has them."""
    coefficients = (529, 5, [2126, 10000, 7152, 10000, 722, 10000])
    ends = (532, 5, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])
    red, green, blue = (np.moveaxis(COLOURS, 2, 0) / 255).astype(float)
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    cb, cr = (blue - y) / 1.8556, (red - y) / 1.5748
    codes = np.rint(np.dstack((16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr))).astype(np.uint8)
    picture = read(tiff(codes, 6, 8, tags=[coefficients, ends, (530, 3, [1, 1])]))
    assert np.abs(picture.pixels.astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize("compression", [1, 5])
@pytest.mark.parametrize("sampling", [(2, 2), (2, 1), (1, 2), (4, 2)], ids=str)
def test_ycbcr_with_colours_of_lower_resolution(sampling, compression):
    across, down = sampling
    y, cb, cr = np.moveaxis(np.asarray(Image.fromarray(COLOURS).convert("YCbCr")), 2, 0)
    cb, cr = (plane[::down, ::across] for plane in (cb, cr))
    luma = np.pad(y, ((0, -60 % down), (0, -100 % across)))
    luma = luma.reshape(*cb.shape[:1], down, cb.shape[1], across).swapaxes(1, 2)
    data = tiff(
        np.dstack((luma.reshape(*cb.shape, -1), cb, cr)),
        6,
        8,
        rows=8 // down,
        compression=compression,
        encode=imagecodecs.lzw_encode if compression == 5 else bytes,
        tags=[
            (256, 3, [100]),
            (257, 3, [60]),
            (258, 3, [8, 8, 8]),
            (277, 3, [3]),
            (278, 3, [8]),
            (339, 3, [1, 1, 1]),
            (530, 3, sampling),
        ],
    )
    wide = (plane.repeat(down, axis=0).repeat(across, axis=1)[:60, :100] for plane in (cb, cr))
    merged = np.dstack((y, *wide))
    expected = np.asarray(Image.frombytes("YCbCr", (100, 60), merged.tobytes()).convert("RGB"))
    assert np.abs(read(data).pixels.astype(int) - expected).max() <= 2
    if compression == 5:  # what libtiff itself makes of it
        libtiffs = np.asarray(Image.open(io.BytesIO(data)))
        assert np.abs(read(data).pixels.astype(int) - libtiffs).max() <= 2


def test_bits_may_stand_the_other_way_round():
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    for bits, encode, compression in [(4, bytes, 1), (8, zlib.compress, 8)]:
        samples = GRAY >> 8 - bits
        backwards = tiff(
            samples,
            1,
            bits,
            compression=compression,
            encode=lambda data, encode=encode: encode(data).translate(mirrored),
            tags=[(266, 3, [2])],
        )
        with tifffile.TiffFile(io.BytesIO(backwards)) as file:
            assert np.array_equal(file.pages[0].asarray(), samples[..., 0])
        assert np.array_equal(read(backwards).pixels, samples * (255 // (2**bits - 1)))


@pytest.mark.parametrize("arranged", [{}, {"rowsperstrip": 16}, {"tile": (32, 48)}], ids=str)
@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (RED, {"photometric": "minisblack"}),
        (COLOURS, {"photometric": "rgb"}),
        (COLOURS, {"photometric": "rgb", "compressionargs": {"outcolorspace": "rgb"}}),
        (COLOURS, {"photometric": "ycbcr", "subsampling": (2, 2)}),
        (COLOURS, {"photometric": "ycbcr", "subsampling": (2, 1)}),
        (np.moveaxis(COLOURS, 2, 0).copy(), {"photometric": "rgb", "planarconfig": "separate"}),
    ],
    ids=["gray", "RGB", "RGB coded as such", "4:2:0", "4:2:2", "planes"],
)
def test_jpeg_is_decoded_as_others_do(samples, options, arranged):
    data = written(samples, compression="jpeg", **options, **arranged)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        judged = page.asarray()
    if page.planarconfig == 2:
        judged = np.moveaxis(judged, 0, 2)
    assert np.abs(read(data).pixels.astype(int) - judged.reshape(60, 100, -1)).max() <= 1


def test_jpeg_whose_marker_and_tags_differ():
    file = io.BytesIO()
    Image.fromarray(COLOURS).save(file, "JPEG", quality=95, subsampling=0)
    jfif = file.getvalue()
    as_ycbcr = read(tiff(COLOURS, 6, 8, compression=7, encode=lambda _: jfif))
    as_rgb = read(tiff(COLOURS, 2, 8, compression=7, encode=lambda _: jfif))
    assert np.array_equal(as_rgb.pixels, as_ycbcr.pixels)  # JFIF is YCbCr, whatever the tag says
    bare = jfif[:2] + jfif[20:]
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"
    for photometric, transform in [(2, b"\1"), (6, b"\0")]:
        stream = bare[:2] + adobe + transform + bare[2:]
        file_of_it = tiff(COLOURS, photometric, 8, compression=7, encode=lambda _, s=stream: s)
        with pytest.raises(MediaError, match="JPEG and tags differ in what its colours are"):
            read(file_of_it)


@pytest.mark.parametrize(("width", "height"), [(100, 59), (99, 60), (50, 30)])
def test_jpeg_smaller_than_its_strip_is_not_filled_up(width, height):
    stream = imagecodecs.jpeg8_encode(RED[:height, :width].copy())
    with pytest.raises(MediaError, match=f"JPEG of {width} x {height} pixels in a larger strip"):
        read(tiff(GRAY, 1, 8, compression=7, encode=lambda _: bytes(stream)))


def test_jpeg_that_is_cut_is_not_filled_up():
    stream = bytes(imagecodecs.jpeg8_encode(RED))
    for end in (-2, -100):
        with pytest.raises(MediaError):
            read(tiff(GRAY, 1, 8, compression=7, encode=lambda _, end=end: stream[:end]))


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
@pytest.mark.parametrize("white", [0, 1])
def test_fax_is_black_on_white(compression, white):
    bits = RED > 100
    file = io.BytesIO()
    tags = {262: white, ORIENTATION: 6}
    Image.fromarray(bits).save(file, "TIFF", compression=compression, tiffinfo=tags)
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as judge:
        judged = judge.pages[0].asarray() ^ (white == 0)
    assert np.array_equal(judged, bits)
    assert np.array_equal(read(file.getvalue()).pixels[..., 0], turned_six(bits * np.uint8(255)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tiff(GRAY, 1, 8, 5), "samples that are neither integers nor floats"),
        (tiff(GRAY, 1, 8, tags=[(258, 3, [24])]), "unsigned samples of 24 bits"),
        (tiff(GRAY, 1, 12, tags=[(339, 3, [2])]), "signed samples of 12 bits"),
        (tiff(COLOURS, 2, 8, tags=[(258, 3, [5, 6, 5])]), "samples of different depths"),
        (tiff(GRAY, None, 8), "does not say what its samples mean"),
        (tiff(GRAY, 4, 8), "holds a transparency mask"),
        (tiff(GRAY, 32803, 8), "holds the raw samples of a camera"),
        (tiff(GRAY, 77, 8), "holds colours of an unknown kind, 77"),
        (tiff(GRAY, 2, 8), "has 1 of the 3 samples a pixel of RGB"),
        (tiff(inks(COLOURS), 5, 8, tags=[(332, 3, [2])]), "other inks than CMYK"),
        (tiff(COLOURS, 6, 8, planar=True), "YCbCr with colours of lower resolution in an odd"),
        (tiff(COLOURS, 6, 8, tags=[(530, 3, [3, 1])]), "YCbCr of 3 x 1 pixels a colour"),
        (tiff(GRAY, 1, 8, compression=34712), "is coded as JPEG 2000"),
        (tiff(GRAY, 1, 8, compression=6), "is coded as old-style JPEG"),
        (tiff(GRAY, 1, 8, compression=77), "is coded as an unknown way, 77"),
        (tiff(GRAY, 1, 8, compression=4), "samples of 8 bits coded as CCITT"),
        (tiff(sixteen(GRAY), 1, 16, compression=7), "samples of 16 bits coded as JPEG"),
        (tiff(GRAY, 1, 8, tags=[(317, 3, [2])]), "a predictor and nothing compressed"),
        (tiff(GRAY, 1, 8, compression=8, predictor=1, tags=[(317, 3, [3])]), "behind predictor 3"),
        (tiff(GRAY, 1, 8, tags=[(254, 4, [1])]), "begins with a reduced copy"),
        (tiff(GRAY, 1, 8, tags=[(32997, 4, [5])]), "holds a volume"),
        (tiff(GRAY, 1, 8, tile=(16, 16), tags=[(323, 4, [2**24])]), "has tiles of 16 x 16777216"),
        (
            tiff(inks(COLOURS), 5, 8, tags=[(258, 3, [32])]),
            "unsigned samples of 32 bits, 4 a pixel in",
        ),
    ],
)
def test_what_is_not_read_is_refused_by_name(data, said, tmp_path: Path):
    path = tmp_path / "odd.tif"
    path.write_bytes(data)
    with pytest.raises(MediaError) as refusal:
        read_picture(path)
    line = str(refusal.value)
    assert line.startswith(f"cannot read {path}: this TIFF ")
    assert said in line
    assert line.endswith(", which is not read; save it as plain RGB or gray, or as PNG")
    assert "\n" not in line


AGAIN = [(256, 4, [6000]), (273, 4, [8] * 60), (279, 4, [0] * 60)]  # one row, 60 times


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"II*\0\xff\xff\0\0", "its directory points behind its end"),
        (tiff(GRAY, 1, 8, tags=[(273, 4, [8])], rows=7), "it has 1 of 9 strips or tiles"),
        (tiff(GRAY, 1, 8, tags=[(273, 4, [10**6])]), "it ends before its last row"),
        (tiff(GRAY, 1, 8, tags=[(273, 4, [0])]), "without data"),
        (tiff(GRAY, 1, 8, tags=[(279, 4, [59])]), "another length than their pixels"),
        (tiff(GRAY, 1, 8, tags=[(258, 3, [1])]), "another length than their pixels"),
        (tiff(GRAY, 1, 8, tags=[(257, 4, [0])]), "it has no size"),
        (tiff(GRAY, 1, 8, tags=[(257, 4, [2**20])]), "it has 1 of 17477 strips or tiles"),
        (
            tiff(GRAY, 1, 8, tags=[(257, 4, [2**20]), (278, 4, [2**20]), (279, 4, [0])]),
            "it ends before its last row",
        ),
        (tiff(GRAY, 1, 8, tags=[(278, 4, [0])]), "its strips or tiles have no size"),
        (tiff(GRAY, 1, 8, tags=[(284, 3, [3])]), "arranged in an unknown way"),
        (tiff(GRAY, 1, 8, tags=[(256, 11, [100.0])]), "tag 256 has no integers"),
        (tiff(GRAY, 1, 8, tags=[(262, 3, [1, 0])]), "tag 262 has several values"),
        (tiff(GRAY, 1, 8, tags=[(EXTRA, 3, [2])]), "more extra samples than it has"),
        (tiff(GRAY, 3, 8), "its palette has 0 values, not 768"),
        (tiff(GRAY, 1, 8, compression=8, tags=[(257, 4, [2**23]), (278, 4, [2**23])]), "too short"),
        (tiff(GRAY, 1, 8, rows=1, tags=AGAIN), "its strips or tiles overlap"),
        (tiff(GRAY, 1, 8, compression=8), "cannot decode"),
        (tiff(GRAY, 1, 8, compression=5), "cannot decode"),
    ],
)
def test_damage_is_told_in_one_line(data, said):
    with pytest.raises(MediaError, match="^cannot read the picture: it is damaged") as damage:
        read(data)
    assert said in str(damage.value)
    assert "\n" not in str(damage.value)


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Cut, with bits turned, or with a number that is wrong by far."""
    spoilt = bytearray(data)
    place = int(random.integers(4, len(data) - 4))
    match random.integers(4):
        case 0:
            return data[:place]
        case 1:
            numbers = (0, 1, 2**16, 2**30, 2**31, 2**32 - 1)
            spoilt[place : place + 4] = int(random.choice(numbers)).to_bytes(4, "little")
        case _:
            for place in random.integers(4, len(data), 3):
                spoilt[place] ^= 1 << random.integers(8)
    return bytes(spoilt)


def lzw(data: bytes) -> bytes:
    return bytes(imagecodecs.lzw_encode(data))


SMALL = COLOURS[:9, :14]
WHOLE = [
    tiff(SMALL, 2, 8, rows=4, tags=SIDEWAYS),
    tiff(SMALL, 2, 8, rows=4, planar=True, order=">", compression=5, encode=lzw, predictor=2),
    tiff(SMALL, 2, 8, tile=(16, 16), big=True, compression=8, encode=zlib.compress),
    tiff(SMALL.astype(np.float32), 2, 32, 3, compression=5, encode=lzw, predictor=3),
    tiff(SMALL[..., :1] >> 4, 1, 4),
    written(SMALL, photometric="rgb", compression="jpeg"),
]


def test_four_hundred_damaged_files_give_a_picture_or_one_line(capfd):
    random = np.random.default_rng(11)
    refused = 0
    for index in range(400):
        data = damaged(WHOLE[index % len(WHOLE)], random)
        try:
            picture = read(data)
        except MediaError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert picture.pixels.dtype == np.uint8
    assert 100 < refused < 400
    assert capfd.readouterr() == ("", "")  # libtiff says nothing of its own

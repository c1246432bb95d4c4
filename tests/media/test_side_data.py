"""What stands beside the pixels never costs them: damage is dropped and told, or mended."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.ExifTags import Base

from flowcodec.errors import MediaError
from flowcodec.media.exif import turned
from flowcodec.media.picture import Picture, read_picture, write_picture
from tests.media.handmade import (
    GRAY,
    PALETTE,
    RGB,
    directory,
    exif,
    jpeg_segment,
    png,
    png_chunk,
    riff_chunk,
    webp_with,
)

HEIGHT, WIDTH = 12, 20
PIXELS = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = ("png", "jpg", "webp", "tiff", "avif", "ppm")
SEEDS = st.integers(0, 2**32)
BOMB = zlib.compress(bytes(40 << 20), 9)

pytestmark = pytest.mark.filterwarnings("error")  # of Pillow, of which none may pass


def read(data: bytes) -> Picture:
    return read_picture(io.BytesIO(data))


def saved(format: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, format, **options)
    return file.getvalue()


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    return png(WIDTH, HEIGHT, 8, RGB, PIXELS.tobytes(), chunks)


def check_every_format(picture: Picture) -> None:
    """All of them can be written, and are then read without a word."""
    for format in FORMATS:
        file = io.BytesIO()
        write_picture(picture, file, format)
        back = read(file.getvalue())
        assert back.pixels.shape[:2] == picture.pixels.shape[:2]
        assert not [note for note in back.notes if "drop" in note or "damaged" in note], format


SOUND = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"sRGB": b"\0",
    b"iCCP": b"sRGB\0\0" + zlib.compress(PROFILE),
    b"cICP": bytes([1, 13, 0, 1]),
    b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
    b"tEXt": b"Author\0someone",
    b"zTXt": b"Comment\0\0" + zlib.compress(b"text"),
    b"iTXt": b"Title\0\0\0en\0Titel\0text",
    b"tIME": bytes([7, 228, 1, 2, 3, 4, 5]),
    b"sBIT": b"\5\6\5",
    b"bKGD": bytes(6),
    b"eXIf": exif(1),
    b"acTL": struct.pack(">II", 3, 0),
    b"fcTL": struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0),
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_wrong_checksum_of_a_side_chunk_costs_that_chunk(kind):
    chunk = png_chunk(kind, SOUND[kind])
    damaged = chunk[:-1] + bytes([chunk[-1] ^ 1])
    picture = read(png_with((kind, SOUND[kind])).replace(chunk, damaged))
    assert np.array_equal(picture.pixels, PIXELS)
    assert picture.notes == (f"dropped, since damaged or out of place: {kind.decode()}",)


@pytest.mark.parametrize("kind", [b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs", b"iCCP", b"acTL"])
@pytest.mark.parametrize("change", [-1, 3])
def test_a_side_chunk_of_a_wrong_length_is_dropped(kind, change):
    body = SOUND[kind][:change] if change < 0 else SOUND[kind] + bytes(change)
    picture = read(png_with((kind, body)))
    assert np.array_equal(picture.pixels, PIXELS)
    if kind != b"iCCP" or change < 0:  # what follows a whole zlib stream does not matter
        assert picture.notes == (f"dropped, since damaged or out of place: {kind.decode()}",)


def test_long_texts_and_profiles_do_not_cost_the_picture():
    text = zlib.compress(bytes(range(256)) * 10000)
    profile = PROFILE + bytes(3 << 20)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    picture = read(
        png_with((b"zTXt", b"note\0\0" + text), (b"iCCP", b"p\0\0" + zlib.compress(profile)))
    )
    assert np.array_equal(picture.pixels, PIXELS)
    assert picture.icc == profile
    assert picture.notes == ("left out: note (text)",)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"zTXt", b"note\0\0" + BOMB),
        (b"zTXt", b"Raw profile type exif\0\0" + BOMB),
        (b"iCCP", b"p\0\0" + BOMB),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    ],
)
def test_bombs_in_side_chunks_do_not_go_off(kind, body):
    picture = read(png_with((kind, body)))
    assert np.array_equal(picture.pixels, PIXELS)
    assert (picture.icc, picture.exif, picture.xmp) == (None, None, None)
    assert len(picture.notes) == 1


def test_side_chunks_may_be_repeated_or_out_of_order():
    sound = list(SOUND.items())
    random.Random(1).shuffle(sound)
    whole = png_with(*sound, *sound)
    picture = read(whole)
    assert np.array_equal(picture.pixels, PIXELS)
    late = [png_chunk(*item) for item in sound]
    picture = read(whole[:-12] + b"".join(late) + whole[-12:])
    assert np.array_equal(picture.pixels, PIXELS)
    check_every_format(picture)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT", b"tRNS"])
def test_damage_to_what_makes_the_pixels_is_refused(kind):
    chunks = [(b"PLTE", PIXELS.tobytes()[:256]), (b"tRNS", bytes(5))]
    data = bytearray(png(4, 4, 8, PALETTE, bytes(16), [(b"PLTE", bytes(30)), chunks[1]]))
    data[data.index(kind) + 4] ^= 1
    with pytest.raises(MediaError, match=f"{kind.decode()}.*(checksum|not known)"):
        read(bytes(data))


def test_transparency_counts_only_in_its_place():
    key = (b"tRNS", b"\0\7")
    row = bytes([6, 7, 8, 7])
    assert read(png(4, 1, 8, GRAY, row, [key])).alpha.tolist() == [[255, 0, 255, 0]]
    late = png(4, 1, 8, GRAY, row)
    picture = read(late[:-12] + png_chunk(*key) + late[-12:])
    assert picture.alpha is None
    assert picture.notes == ("dropped, since damaged or out of place: tRNS",)
    with pytest.raises(MediaError, match="tRNS"):
        read(png(4, 1, 8, GRAY, row, [(b"tRNS", b"\7")]))


def test_texts_and_comments_are_told():
    picture = read(png_with((b"tEXt", b"Author\0me"), (b"iTXt", b"Title\0\0\0\0\0x")))
    assert picture.notes == ("left out: Author, Title (text)",)
    data = saved("JPEG", comment=b"made by hand")
    iptc = b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\2ab"
    data = data[:2] + jpeg_segment(0xED, iptc) + data[2:]
    assert read(data).notes == ("left out: IPTC data, a comment",)
    assert read(saved("JPEG", comment=b"Lavc59.37.100")).notes == ()
    assert read(b"P6 # drawn\n1 1 255\nabc").notes == ("left out: a comment",)
    assert read(b"P6 1 1 255\n#a\n").notes == ()
    assert read(png_with((b"tEXt", b"Software\0x"), (b"tEXt", b"date:create\0x"))).notes == ()


@pytest.mark.parametrize(
    "picture", [b"P6 2 1 255\nabcdef", b"P5\n1\n# P6\n1 300\nab", b"P4 9 2\n1234"]
)
def test_further_pictures_in_a_ppm_are_told(picture):
    told = "only the first picture in the file was read"
    assert told not in read(picture).notes
    assert told not in read(picture + b"\njunk").notes
    assert told in read(picture + picture).notes
    assert told in read(picture + b"\n" + picture).notes


def test_names_in_notes_are_few_and_plain():
    texts = [(b"tEXt", b"a\x1b[2Jb%d\0x" % number) for number in range(20)]
    (note,) = read(png_with(*texts)).notes
    assert note.startswith("left out: a?[2Jb0, a?[2Jb1, ")
    assert note.endswith(" and 12 more (text)")


def test_long_runs_of_nothing_in_a_jpeg_are_passed_over_quickly():
    for byte in (b"\0", b"\xff"):
        segment = jpeg_segment(0xFE, b"x") + byte * (32 << 20)  # a second each, byte by byte
        assert np.array_equal(jpeg_with(segment).pixels, DECODED)


def test_shapes_of_pixels_are_told():
    assert read(png_with((b"pHYs", struct.pack(">IIB", 2, 1, 0)))).notes == (
        "its pixels are not square (1:2), which was left out",
    )
    data = saved("JPEG")
    place = data.index(b"JFIF\0") + 8
    assert len(read(data[:place] + bytes([0, 2, 0, 1]) + data[place + 4 :]).notes) == 1


def test_frames_of_an_animation_are_counted_whatever_else_is_wrong():
    pages = [Image.fromarray(np.roll(PIXELS, shift)) for shift in (0, 1, 2)]
    file = io.BytesIO()
    pages[0].save(file, "PNG", save_all=True, append_images=pages[1:])
    data = file.getvalue().replace(b"fdAT\0\0\0\2", b"fdAT\0\0\0\7")  # a wrong number, and checksum
    picture = read(data)
    assert np.array_equal(picture.pixels, PIXELS)
    assert "the file holds 3 pictures, only the first was read" in picture.notes


JPEG = saved("JPEG", quality=95)
DECODED = read(JPEG).pixels


def jpeg_with(*segments: bytes) -> Picture:
    return read(JPEG[:2] + b"".join(segments) + JPEG[2:])


@pytest.mark.parametrize(
    "segment",
    [
        jpeg_segment(0xE0, b"JFIF\0"),
        jpeg_segment(0xEE, b"Adobe"),
        jpeg_segment(0xE1, b"", size=0),
        jpeg_segment(0xE1, b"Exif\0\0"),
        jpeg_segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        jpeg_segment(0xE2, b"ICC_PROFILE\0\2\3" + PROFILE),
        jpeg_segment(0xE2, b"ICC_PROFILE\0"),
        jpeg_segment(0xED, b"Photoshop 3.0\0008BIM"),
        jpeg_segment(0xFE, b"x") + b"junk" + jpeg_segment(0xFE, b"x") + b"more junk\xff\xff",
    ],
)
def test_odd_segments_of_a_jpeg_do_not_cost_the_picture(segment):
    assert np.array_equal(jpeg_with(segment).pixels, DECODED)


def test_exif_over_several_segments_is_put_together():
    whole = exif(6)
    picture = jpeg_with(
        jpeg_segment(0xE1, b"Exif\0\0" + whole[:60]), jpeg_segment(0xE1, b"Exif\0\0" + whole[60:])
    )
    assert picture.pixels.shape == (WIDTH, HEIGHT, 3)
    assert picture.exif == exif(1)
    assert picture.notes == ()


WEBP = saved("WEBP", lossless=True, exact=True)


@pytest.mark.parametrize("flags", [0, 0x0C, 0x2C, 0xFF & ~0x12])
def test_webp_chunks_count_whatever_the_flags_say(flags):
    picture = read(webp_with(WEBP, [riff_chunk(b"EXIF", exif(8))], WIDTH, HEIGHT, flags))
    assert np.array_equal(picture.pixels, turned(PIXELS, 8))
    assert picture.exif == exif(1)


@pytest.mark.parametrize("kind", [b"EXIF", b"XMP ", b"ICCP"])
def test_a_webp_chunk_that_is_cut_short_is_dropped(kind):
    data = webp_with(WEBP, [riff_chunk(kind, bytes(300))], WIDTH, HEIGHT, 0x2C)[:-200]
    picture = read(data)
    assert np.array_equal(picture.pixels, PIXELS)
    assert "cut short" in picture.notes[0]


def test_damaged_descriptive_tags_of_a_tiff_do_not_cost_it():
    file = io.BytesIO()
    write_picture(Picture(PIXELS, exif=exif(1), xmp=b"<x/>"), file, "tiff")
    data = bytearray(file.getvalue())
    start = struct.unpack_from("<I", data, 4)[0]
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] in (0x010F, 0x02BC, 0x8769, 0x8825):
            struct.pack_into("<HII", data, entry + 2, 77, 2**31, 2**31)
    picture = read(bytes(data))
    assert np.array_equal(picture.pixels, PIXELS)
    assert (picture.exif, picture.xmp) == (None, None)
    assert picture.notes == ("damaged tags were mended or dropped",)


def mutated(whole: bytes, rng: random.Random) -> bytes:
    data = bytearray(whole)
    match rng.randrange(6):
        case 0 | 1:
            for _ in range(rng.choice([1, 2, 5])):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case 2:
            del data[rng.randrange(len(data)) :]
        case 3:
            data = bytearray(b"Exif\0\0") + data
        case 4:  # a special number where a type, a count or a place stands
            entry = 10 + 12 * rng.randrange(4)
            at, size = rng.choice([(2, 2), (4, 4), (8, 4)])
            number = rng.choice([0, 1, 2, 8, 10, 0xFFFF, 2**31, len(data) - 1])
            order = "little" if data[:2] == b"II" else "big"
            data[entry + at : entry + at + size] = (number % 256**size).to_bytes(size, order)
        case 5:
            start, other = rng.randrange(len(data)), rng.randrange(len(data))
            data[start : start + 20] = data[other : other + 20]
    return bytes(data)


def told_orientations(data: bytes) -> set[int]:
    """What a plain reader finds: the first tag 0x0112 of the first directory, whatever its form."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {1}
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        return {1}
    for entry in range(start + 2, len(data) - 11, 12):
        if (entry - start - 2) // 12 >= struct.unpack_from(f"{order}H", data, start)[0]:
            break
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", data, entry)
        if tag == 0x0112 and (kind, count) == (3, 1):
            return {value if 1 <= value <= 8 else 1}
        if tag == 0x0112:
            wide = struct.unpack_from(f"{order}I", data, entry + 8)[0]
            return {1, *{value, wide, data[entry + 8]} & set(range(1, 9))}
    return {1}


def carriers() -> dict[str, tuple[np.ndarray, object]]:
    """By format: the pixels without EXIF, and how to make a file with EXIF."""
    return {
        "PNG": (PIXELS, lambda data: png_with((b"eXIf", data))),
        "JPEG": (
            DECODED,
            lambda data: JPEG[:2] + jpeg_segment(0xE1, b"Exif\0\0" + data) + JPEG[2:],
        ),
        "WebP": (
            PIXELS,
            lambda data: webp_with(WEBP, [riff_chunk(b"EXIF", data)], WIDTH, HEIGHT, 8),
        ),
    }


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WebP"])
@given(seed=SEEDS)
def test_whatever_happened_to_exif_pixels_and_orientation_are_right(format, seed):
    """The picture is upright, and can be written in every format."""
    rng = random.Random(seed)
    pixels, build = carriers()[format]
    data = mutated(exif(rng.randint(1, 8), rng.choice("<>")), rng)
    picture = read(build(data))
    wanted = [turned(pixels, orientation) for orientation in told_orientations(data)]
    assert any(np.array_equal(picture.pixels, one) for one in wanted), data
    if seed % 3 == 0:
        check_every_format(picture)


@given(seed=SEEDS)
def test_whatever_happened_to_the_exif_of_an_avif_the_pixels_are_right(seed):
    # Its own property turns an AVIF, and not EXIF.
    filler = b"II*\0\x08\0\0\0" + directory("<", 8, [(0x10F, 2, 400, b"X" * 400)])
    whole = saved("AVIF", exif=filler)
    place = whole.index(filler)
    pixels = read(whole).pixels
    rng = random.Random(seed)
    data = mutated(exif(rng.randint(1, 8), rng.choice("<>")), rng).ljust(len(filler), b"\0")
    picture = read(whole[:place] + data + whole[place + len(filler) :])
    assert np.array_equal(picture.pixels, pixels)


@given(seed=SEEDS)
def test_whatever_happened_to_side_chunks_the_pixels_are_right(seed):
    rng = random.Random(seed)
    chunks = []
    for _ in range(rng.choice([1, 2, 3])):
        kind = rng.choice(list(SOUND))
        body = bytearray(SOUND[kind])
        match rng.randrange(4):
            case 0:
                del body[rng.randrange(len(body) + 1) :]
            case 1:
                body += rng.randbytes(rng.randrange(20))
            case 2:
                body[rng.randrange(len(body))] = rng.randrange(256)
            case 3:
                body = bytearray(rng.randbytes(rng.randrange(40)))
        chunks.append((kind, bytes(body)))
    picture = read(png_with(*chunks))
    if not any("converted" in note or "stretched" in note for note in picture.notes):
        assert any(
            np.array_equal(picture.pixels, turned(PIXELS, orientation))
            for orientation in range(1, 9)
        ), chunks
    if seed % 4 == 0:
        check_every_format(picture)


def test_what_follows_the_image_data_of_a_png_does_not_cost_them():
    whole = png_with()
    for data in (
        whole[:-12],
        whole[:-6],
        whole[:-12] + b"\0" * 50,
        whole[:-12] + b"\0\0\0\x09tEXtA",
    ):
        picture = read(data)
        assert np.array_equal(picture.pixels, PIXELS)
        assert len(picture.notes) >= 1
    assert read(whole + b"more").notes == ()


def test_links_without_end_are_not_followed():
    count = 2000
    links = [(0x8769, 4, 1, struct.pack("<I", 8 + 18 * (number + 1))) for number in range(count)]
    nested = b"".join(directory("<", 0, [link]) for link in links)
    picture = read(png_with((b"eXIf", b"II*\0\x08\0\0\0" + nested)))
    assert np.array_equal(picture.pixels, PIXELS)
    check_every_format(picture)


def test_boxes_that_claim_anything_cost_no_time():
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + kind + body

    brand = box(b"ftyp", b"avif\0\0\0\0avifmif1")
    places = bytes([0, 0, 0, 0, 0, 0]) + b"\xff\xff" + b"\0\1\0\0\xff\xff" * 65535
    claims = box(b"meta", bytes(4) + box(b"iloc", places))
    nested = b""
    for _ in range(3000):
        nested = box(b"moov", nested)
    for data in (brand + claims, brand + nested, brand + b"\0\0\0\1moov\0"):
        with pytest.raises(MediaError, match="damaged"):
            read(data)


@pytest.mark.parametrize(
    ("width", "height", "right", "down", "rows", "columns"),
    [
        (12, 8, 0, 0, slice(8, 16), slice(10, 22)),
        (10, 24, -11, 0, slice(0, 24), slice(0, 10)),
        (31, 8, 1, 4, None, None),
        (33, 8, 0, 0, None, None),
    ],
)
@pytest.mark.parametrize("turns", [0, 1])
def test_the_crop_of_an_avif_is_applied(width, height, right, down, rows, columns, turns):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    profile = bytes(range(100, 128))
    exif = Image.Exif()
    exif[Base.Orientation] = 6 if turns else 1
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", icc_profile=profile, exif=exif)
    clap = b"clap" + struct.pack(">IIIIiIiI", width, 1, height, 1, right, 1, down, 1)
    whole = read(file.getvalue()).pixels
    data = bytearray(file.getvalue().replace(b"colrprof" + profile, clap))
    owned = data.index(b"ipma") + 15  # version, how many items, number of the first, how many
    for at in range(owned, owned + data[owned - 1]):
        data[at] |= 0x80  # essential, as a crop has to be
    cropped = read(bytes(data))
    if rows is None:
        assert np.array_equal(cropped.pixels, whole)
        assert "its crop (clean aperture) makes no sense and was left out" in cropped.notes
    else:
        seen = np.rot90(whole, turns)[rows, columns]
        assert np.array_equal(cropped.pixels, np.rot90(seen, -turns))
        assert cropped.notes == ()


def test_the_shape_of_the_pixels_of_an_avif_is_told():
    data = saved("AVIF", icc_profile=b"fill")
    data = data.replace(b"colrproffill", b"pasp" + struct.pack(">II", 4, 3))
    assert read(data).notes == ("its pixels are not square (4:3), which was left out",)

"""ICC profiles and EXIF go through every format that holds them; pictures come out upright."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import MAX_TEXT_CHUNK, PngInfo

from flowcodec.media import exif as exif_module
from flowcodec.media.icc import make_profile
from flowcodec.media.picture import Picture, read_picture, write_picture
from flowcodec.media.xmp import read_xmp
from tests.media import handmade
from tests.media.handmade import cmyk_profile, tiff

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Here cyan alone is L* 60, a* -20, b* 40: a green that no plain formula gives.
CMYK_PROFILE = cmyk_profile({(1, 0, 0, 0): (60, -20, 40)}, others=(90, 0, 0))
PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
CARRIERS = ["png", "jpeg", "webp", "tiff", "avif"]
NO_ALPHA = ("jpeg", True)


def exif_with(orientation: int | None, **tags: object) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Make] = "Maker"
    exif[Base.Copyright] = "Someone"
    if orientation is not None:
        exif[Base.Orientation] = orientation
    exif.get_ifd(IFD.Exif)[Base.ExposureTime] = 0.01
    exif.get_ifd(IFD.GPSInfo)[1] = "N"
    for tag, value in tags.items():
        exif[Base[tag]] = value
    return parsed(exif.tobytes().removeprefix(b"Exif\0\0"))  # as a file would give it


def parsed(exif: bytes | None) -> Image.Exif:
    assert exif is not None
    assert exif[:2] in (b"II", b"MM")
    result = Image.Exif()
    result.load(exif)
    return result


def saved(image: Image.Image, format: str, **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def written(picture: Picture, format: str) -> io.BytesIO:
    file = io.BytesIO()
    write_picture(picture, file, format)
    file.seek(0)
    return file


LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", LOSSLESS)
def test_orientation_is_applied_and_reset(format, orientation):
    tagged = Image.fromarray(PIXELS)
    tagged.getexif()[Base.Orientation] = orientation
    upright = ImageOps.exif_transpose(tagged)
    file = saved(tagged, format, exif=exif_with(orientation), **LOSSLESS[format])
    picture = read_picture(file)
    assert np.array_equal(picture.pixels, np.asarray(upright))
    exif = parsed(picture.exif)
    assert exif.get(Base.Orientation, 1) == 1
    assert exif[Base.Make] == "Maker"
    assert exif.get_ifd(IFD.GPSInfo)[1] == "N"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_alpha_too(orientation):
    alpha = np.arange(24, dtype=np.uint8).reshape(4, 6)
    tagged = Image.fromarray(np.dstack((PIXELS, alpha)))
    tagged.getexif()[Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(tagged))
    picture = read_picture(saved(tagged, "PNG", exif=exif_with(orientation)))
    assert np.array_equal(picture.pixels, upright[..., :3])
    assert np.array_equal(picture.alpha, upright[..., 3])


@pytest.mark.parametrize("format", ["JPEG", "AVIF"])
def test_orientation_of_lossy_formats(format):
    halves = np.zeros((16, 32, 3), np.uint8)
    halves[:, :16] = 255  # white on the left
    file = saved(Image.fromarray(halves), format, exif=exif_with(6), quality=95)
    picture = read_picture(file)  # turned clockwise: white on top
    assert picture.pixels.shape == (32, 16, 3)
    assert picture.pixels[:12].min() > 240
    assert picture.pixels[-12:].max() < 15
    assert parsed(picture.exif).get(Base.Orientation, 1) == 1


@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_is_kept_byte_for_byte_but_for_the_orientation(orientation):
    before = exif_with(orientation).tobytes().removeprefix(b"Exif\0\0")
    upright = exif_with(1).tobytes().removeprefix(b"Exif\0\0")
    file = saved(Image.fromarray(PIXELS), "JPEG", exif=b"Exif\0\0" + before)
    assert read_picture(file).exif == upright


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_a_thumbnail_that_would_stay_unturned_is_unlinked(byte_order):
    exif = exif_with(6)
    exif.endian = byte_order
    raw = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    order = {"<": "little", ">": "big"}[byte_order]
    entries = int.from_bytes(raw[8:10], order)
    link = slice(10 + 12 * entries, 14 + 12 * entries)
    raw[link] = (8).to_bytes(4, order)  # "the next directory", as for a thumbnail
    kept = read_picture(saved(Image.fromarray(PIXELS), "PNG", exif=bytes(raw))).exif
    assert kept[link] == bytes(4)
    assert parsed(kept)[Base.Orientation] == 1


@pytest.mark.parametrize(
    ("format", "transparent"),
    [(format, flag) for format in CARRIERS for flag in (False, True) if (format, flag) != NO_ALPHA],
)
def test_profile_and_exif_are_written_back(format, transparent):
    alpha = PIXELS[..., 0].copy() if transparent else None
    exif = exif_with(1).tobytes().removeprefix(b"Exif\0\0")
    back = read_picture(written(Picture(PIXELS, alpha, SRGB, exif), format))
    assert back.icc == SRGB
    tags = parsed(back.exif)
    assert tags[Base.Make] == "Maker"
    assert tags[Base.Copyright] == "Someone"
    assert float(tags.get_ifd(IFD.Exif)[Base.ExposureTime]) == 0.01
    assert tags.get_ifd(IFD.GPSInfo)[1] == "N"
    assert back.notes == ()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_exif_comes_back_byte_for_byte(format):
    exif = exif_with(1).tobytes().removeprefix(b"Exif\0\0")
    assert read_picture(written(Picture(PIXELS, exif=exif), format)).exif == exif


@pytest.mark.parametrize("format", [*CARRIERS, "ppm"])
def test_nothing_is_invented(format):
    back = read_picture(written(Picture(PIXELS), format))
    assert (back.icc, back.exif, back.notes) == (None, None, ())


def test_ppm_leaves_metadata_out():
    exif = exif_with(1).tobytes()
    back = read_picture(written(Picture(PIXELS, None, SRGB, exif), "ppm"))
    assert np.array_equal(back.pixels, PIXELS)
    assert (back.icc, back.exif) == (None, None)


def test_pixel_tags_in_exif_do_not_spoil_a_tiff():
    # Some phones write the size of the unturned picture into EXIF.
    exif = exif_with(1, ImageWidth=4000, ImageLength=3000, Compression=6, BitsPerSample=16)
    back = read_picture(written(Picture(PIXELS, exif=exif.tobytes()[6:]), "tiff"))
    assert np.array_equal(back.pixels, PIXELS)
    assert parsed(back.exif)[Base.Make] == "Maker"


def test_no_offset_into_the_old_exif_reaches_a_tiff():
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[IFD.Interop] = {1: "R98"}
    exif.get_ifd(IFD.Exif)[Base.ExposureTime] = 0.01
    back = read_picture(written(Picture(PIXELS, exif=exif.tobytes()[6:]), "tiff"))
    assert set(parsed(back.exif).get_ifd(IFD.Exif)) == {Base.ExposureTime}


def test_pixel_tags_of_a_tiff_do_not_become_exif():
    assert read_picture(io.BytesIO(tiff(PIXELS, photometric=2, bits=8))).exif is None
    tagged = read_picture(saved(Image.fromarray(PIXELS), "TIFF", exif=exif_with(None)))
    assert set(parsed(tagged.exif)) == {Base.Make, Base.Copyright, IFD.Exif, IFD.GPSInfo}


def test_exif_too_long_for_jpeg_is_left_out():
    exif = exif_with(1, ImageDescription="x" * 70000).tobytes().removeprefix(b"Exif\0\0")
    assert read_picture(written(Picture(PIXELS, exif=exif), "jpeg")).exif is None
    assert read_picture(written(Picture(PIXELS, exif=exif), "png")).exif == exif


def test_a_gray_profile_stays_with_gray():
    gray_profile = make_profile("gray", (2.2,), None)
    gray = Picture(PIXELS[..., :1], None, gray_profile)
    assert read_picture(written(gray, "png")).icc == gray_profile
    assert read_picture(written(gray, "webp")).icc is None  # has become RGB


def test_orientation_may_come_as_text_in_png():
    exif = exif_with(6).tobytes()
    as_hex = PngInfo()
    as_hex.add_text("Raw profile type exif", f"\nexif\n{len(exif)}\n{exif.hex()}\n")
    as_xmp = PngInfo()
    as_xmp.add_itxt("XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="6"/>')
    for text in (as_hex, as_xmp):
        picture = read_picture(saved(Image.fromarray(PIXELS), "PNG", pnginfo=text))
        assert np.array_equal(picture.pixels, np.rot90(PIXELS, -1))
        if text is as_hex:
            assert parsed(picture.exif)[Base.Orientation] == 1
            assert parsed(picture.exif)[Base.Make] == "Maker"
        else:
            assert picture.exif is None


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_cmyk_goes_through_its_profile_which_is_dropped(format):
    file = saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), format, icc_profile=CMYK_PROFILE)
    picture = read_picture(file)
    assert np.abs(picture.pixels.astype(int) - (131, 153, 71)).max() <= 6
    assert picture.icc is None
    assert picture.notes == ("CMYK was converted to sRGB by its ICC profile, now dropped",)


@pytest.mark.parametrize(
    "profile",
    [
        SRGB,
        CMYK_PROFILE[:16] + b"\xffMYK" + CMYK_PROFILE[20:],
        CMYK_PROFILE[:100],
        CMYK_PROFILE[:140] + bytes(len(CMYK_PROFILE) - 140),
    ],
)
def test_a_profile_that_is_none_of_cmyk_is_not_used(profile):
    picture = read_picture(saved(Image.new("CMYK", (4, 4)), "TIFF", icc_profile=profile))
    assert picture.icc is None
    assert "plain formula" in picture.notes[0]


def test_damaged_exif_is_dropped_and_noted():
    for damage in (b"garbage that is no TIFF", b"II*\0\xff\xff\0\0"):
        file = saved(Image.fromarray(PIXELS), "PNG", exif=damage)
        picture = read_picture(file)
        assert picture.exif is None
        assert picture.notes == ("damaged EXIF was dropped",)
        assert np.array_equal(picture.pixels, PIXELS)


XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dc:title="a title"/></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)


@pytest.mark.parametrize("format", CARRIERS)
@pytest.mark.parametrize("gray", [False, True])
def test_xmp_goes_through_every_format_that_holds_it(format, gray):
    pixels = PIXELS[..., :1] if gray else PIXELS
    file = io.BytesIO()
    assert write_picture(Picture(pixels, xmp=XMP), file, format) == ()
    picture = read_picture(io.BytesIO(file.getvalue()))
    assert picture.xmp == XMP
    assert picture.notes == ()
    with Image.open(file) as image:  # as another reader finds it
        assert bytes(image.info["xmp"]) == XMP


@pytest.mark.parametrize("format", CARRIERS)
def test_xmp_of_another_writer_is_read(format):
    options: dict = {"xmp": XMP}
    if format == "png":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP, zip=True)
    elif format == "tiff":
        options = {"tiffinfo": {700: XMP}}
    assert read_picture(saved(Image.fromarray(PIXELS), format.upper(), **options)).xmp == XMP


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b'<a tiff:Orientation="6" b="6"/>', b'<a tiff:Orientation="1" b="6"/>'),
        (b"<tiff:Orientation>6</tiff:Orientation>", b"<tiff:Orientation>1</tiff:Orientation>"),
        (
            b"<a xmlns:t='http://ns.adobe.com/tiff/1.0/' t:Orientation = '6'/>",
            b"<a xmlns:t='http://ns.adobe.com/tiff/1.0/' t:Orientation = '1'/>",
        ),
    ],
)
def test_the_orientation_in_xmp_is_applied_and_reset(text, kept):
    as_xmp = PngInfo()
    as_xmp.add_itxt("XML:com.adobe.xmp", text)
    picture = read_picture(saved(Image.fromarray(PIXELS), "PNG", pnginfo=as_xmp))
    assert np.array_equal(picture.pixels, np.rot90(PIXELS, -1))
    assert picture.xmp == kept
    # EXIF goes before it.
    file = saved(Image.fromarray(PIXELS), "PNG", pnginfo=as_xmp, exif=exif_with(3))
    assert np.array_equal(read_picture(file).pixels, PIXELS[::-1, ::-1])


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (XMP[:-19] + b" " * 2000 + b"\n" + XMP[-19:], XMP[:-19] + b"\n" + XMP[-19:]),
        (b"\xef\xbb\xbf <x/>\0\0", b"<x/>"),
        (b"\0", None),
    ],
)
def test_room_around_xmp_is_left_out(raw, kept):
    read = read_xmp(raw)
    assert (read.kept, read.notes) == (kept, ())


@pytest.mark.parametrize("raw", [b"<x>\xff\xfe</x>", "<x/>".encode("utf-16"), b"text", b"<\0>"])
def test_what_is_no_xmp_is_dropped_and_told(raw):
    read = read_xmp(raw)
    assert (read.kept, read.notes) == (None, ("damaged XMP was dropped",))


def test_what_a_format_does_not_hold_is_told():
    exif = exif_with(1).tobytes().removeprefix(b"Exif\0\0")
    full = Picture(PIXELS, icc=SRGB, exif=exif, xmp=XMP)

    def told(picture: Picture, format: str) -> list[str]:
        return list(write_picture(picture, io.BytesIO(), format))

    assert told(full, "ppm") == [
        "PPM holds no ICC profile: it was left out",
        "PPM holds no EXIF: it was left out",
        "PPM holds no XMP: it was left out",
    ]
    for format in ("png", "jpeg", "webp", "tiff", "avif"):
        assert told(full, format) == []
    long = exif_with(1, ImageDescription="x" * 70000).tobytes().removeprefix(b"Exif\0\0")
    assert told(Picture(PIXELS, exif=long, xmp=b"<x" + b" " * 70000 + b"/>"), "jpeg") == [
        "JPEG holds no EXIF over 65527 bytes: it was left out",
        "JPEG holds no XMP over 65504 bytes: it was left out",
    ]
    large = SRGB + bytes(MAX_TEXT_CHUNK)
    large = len(large).to_bytes(4, "big") + large[4:]
    file = io.BytesIO()
    assert write_picture(Picture(PIXELS, icc=large), file, "png") == (
        "PNG holds no ICC profile over 1048576 bytes: it was left out",
    )
    assert np.array_equal(np.asarray(Image.open(file)), PIXELS)
    assert told(Picture(PIXELS, icc=large), "tiff") == []
    gray = Picture(PIXELS[..., :1], icc=make_profile("gray", (2.2,), None))
    assert told(gray, "webp") == [
        "WebP holds no gray, and so no ICC profile of gray: it was left out"
    ]
    other = exif_with(1, Rating=5).tobytes().removeprefix(b"Exif\0\0")
    assert told(Picture(PIXELS, exif=other), "tiff") == [
        "TIFF holds of EXIF what describes the photograph; other tags were left out"
    ]
    assert told(Picture(PIXELS, exif=b"no EXIF"), "png") == ["damaged EXIF was dropped"]


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("kind", [2, 7, 129])
def test_values_of_odd_types_go_into_every_format_as_they_are(byte_order, kind):
    odd = bytearray(handmade.exif(6, byte_order))
    order = {"<": "little", ">": "big"}[byte_order]
    latitude = odd.index((2).to_bytes(2, order) + (5).to_bytes(2, order) + (3).to_bytes(4, order))
    odd[latitude + 2 : latitude + 8] = kind.to_bytes(2, order) + (24).to_bytes(4, order)
    kept = read_picture(saved(Image.fromarray(PIXELS), "PNG", exif=bytes(odd))).exif
    assert len(kept) == len(odd)
    for format in CARRIERS:
        back = read_picture(written(Picture(PIXELS, exif=kept), format))
        layout, root = exif_module.parsed(back.exif)
        entry = root.links[IFD.GPSInfo].first(2)
        assert (entry.type, entry.count, len(entry.data)) == (kind, 24, 24)
        assert layout.order == byte_order


def test_directories_that_link_to_each_other_are_read_once():
    data = bytearray(handmade.exif(6))
    for link in (0x8769, 0x8825):
        place = data.index(link.to_bytes(2, "little") + b"\4\0") + 8
        data[place : place + 4] = (8).to_bytes(4, "little")
    read = exif_module.read_exif(bytes(data))
    assert read.orientation == 6
    assert read.notes == ("EXIF was damaged; what can be read of it is kept",)
    again = exif_module.read_exif(read.kept)
    assert (again.kept, again.orientation, again.notes) == (read.kept, 1, ())


@pytest.mark.parametrize(
    ("field", "value"), [(2, 4), (2, 9), (2, 0), (2, 77), (4, 0), (4, 2), (4, 2**31)]
)
@pytest.mark.parametrize("byte_order", "<>")
def test_an_orientation_of_a_wrong_type_or_count_still_counts(field, value, byte_order):
    order = {"<": "little", ">": "big"}[byte_order]
    data = bytearray(handmade.exif(6, byte_order))
    entry = data.index((0x0112).to_bytes(2, order))
    size = 2 if field == 2 else 4
    data[entry + field : entry + field + size] = value.to_bytes(size, order)
    if value in (4, 9):  # long numbers
        data[entry + 8 : entry + 12] = (6).to_bytes(4, order)
    picture = read_picture(saved(Image.fromarray(PIXELS), "PNG", exif=bytes(data)))
    assert np.array_equal(picture.pixels, np.rot90(PIXELS, -1))
    assert picture.exif == handmade.exif(1, byte_order)
    assert picture.notes == ("EXIF was damaged; what can be read of it is kept",)


def test_exif_may_begin_twice():
    twice = b"Exif\0\0Exif\0\0" + handmade.exif(6)
    data = saved(Image.fromarray(PIXELS), "JPEG").getvalue()
    picture = read_picture(io.BytesIO(data[:2] + handmade.jpeg_segment(0xE1, twice) + data[2:]))
    assert picture.pixels.shape == (6, 4, 3)
    assert picture.exif == handmade.exif(1)


def test_exif_of_a_bigtiff_is_read():
    picture = read_picture(saved(Image.fromarray(PIXELS), "TIFF", exif=exif_with(6), big_tiff=True))
    assert np.array_equal(picture.pixels, np.rot90(PIXELS, -1))
    exif = parsed(picture.exif)
    assert exif[Base.Make] == "Maker"
    assert float(exif.get_ifd(IFD.Exif)[Base.ExposureTime]) == 0.01


def test_a_gain_map_is_not_taken_for_a_picture():
    pages = [Image.new("RGB", (16, 16), colour) for colour in ("white", "gray")]
    data = saved(pages[0], "MPO", save_all=True, append_images=pages[1:]).getvalue()
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'
    picture = read_picture(io.BytesIO(data[:2] + handmade.jpeg_segment(0xE1, xmp) + data[2:]))
    assert picture.pixels.min() > 250
    assert picture.notes == ("left out: a gain map for HDR screens",)

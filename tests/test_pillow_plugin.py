"""`.fci` files through Pillow's own functions."""

import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.ExifTags import IFD

import flowcodec
from flowcodec import pillow_plugin
from flowcodec.codecs.picture import PictureCodec
from tests.media import handmade
from tests.training.pictures import draw

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(autouse=True)
def registered(tiny_weights):
    pillow_plugin.register(tiny_weights)
    yield
    pillow_plugin.register()


def image_of(mode):
    image = Image.fromarray(draw(5, 40, 56))
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_save_and_open(tmp_path, tiny_weights, mode):
    image = image_of(mode)
    path = tmp_path / "x.fci"
    image.save(path, quality=6.5, weights=tiny_weights)
    with Image.open(path) as opened:
        assert (opened.format, opened.mode, opened.size) == ("FCI", mode, image.size)
        decoded = np.asarray(opened)
    original = np.asarray(image)
    assert decoded.shape == original.shape
    assert np.abs(decoded.astype(int) - original).mean() < 4
    if mode.endswith("A"):
        assert (decoded[..., -1] == original[..., -1]).all()


def test_quality_and_tile_reach_the_codec(tiny_weights):
    sizes = []
    for options in ({"quality": 1}, {}, {"quality": 8}, {"tile": 64, "quality": 8}):
        file = BytesIO()
        Image.fromarray(draw(6)).save(file, "FCI", weights=tiny_weights, **options)
        sizes.append(len(file.getvalue()))
    assert sizes == sorted(set(sizes))


def test_metadata_travels(tiny_weights):
    image = image_of("RGB")
    image.info["icc_profile"] = PROFILE
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = 6
    file = BytesIO()
    image.save(file, "FCI", exif=exif, weights=tiny_weights)
    opened = Image.open(file)
    assert opened.info["icc_profile"] == PROFILE
    assert opened.getexif()[0x010F] == "a maker"
    # The pixels were turned upright, so the tag says so.
    assert opened.getexif()[0x0112] == 1
    assert opened.size == image.size[::-1]
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(upright - np.asarray(opened)).mean() < 4


@pytest.mark.parametrize("mode", ["CMYK", "P", "I;16", "F"])
def test_other_modes_are_refused_as_pillow_does(tmp_path, mode):
    path = tmp_path / "x.fci"
    with pytest.raises(OSError, match=f"cannot write mode {mode} as FCI"):
        Image.new(mode, (8, 8)).save(path)
    assert not path.exists()


def test_bad_options_are_value_errors(tiny_weights):
    for options in ({"quality": 90}, {"tile": 100}):
        with pytest.raises(ValueError, match="from"):
            image_of("RGB").save(BytesIO(), "FCI", weights=tiny_weights, **options)


def test_damage_and_missing_weights_are_os_errors(tiny_weights):
    file = BytesIO()
    image_of("RGB").save(file, "FCI", weights=tiny_weights)
    data = file.getvalue()
    with pytest.raises(OSError, match="cut short"):
        Image.open(BytesIO(data[:-1]))
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(OSError, match="checksum"):
        Image.open(BytesIO(damaged))
    pillow_plugin.register()
    opened = Image.open(BytesIO(data))
    with pytest.raises(OSError, match="needs weights"):
        opened.load()


class Lingering(dict):
    """Gives other threads time after each change."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        time.sleep(0.1)


@pytest.fixture
def loads(tiny_weights, monkeypatch):
    """Empty caches, and what was loaded into them: weights that take their time."""
    codecs = [flowcodec.load(weights=weights) for weights in (tiny_weights, None)]
    by_hash = {codec.weights.hash[:4]: codec for codec in codecs}
    found = []

    def load_for(file, weights):
        found.append(file.header.weights_hash)
        time.sleep(0.1)
        return by_hash[file.header.weights_hash]

    def load(model, metric, weights):
        found.append(weights)
        time.sleep(0.1)
        return codecs[weights is None]

    monkeypatch.setattr(pillow_plugin, "_codecs", Lingering())
    monkeypatch.setattr("flowcodec.codecs.picture.load_for", load_for)
    monkeypatch.setattr("flowcodec.codecs.loading.picture_codec", load)
    caches = [each for each in vars(pillow_plugin).values() if hasattr(each, "cache_clear")]
    for cache in caches:
        cache.cache_clear()
    yield found
    for cache in caches:
        cache.cache_clear()


def at_once(calls):
    """Calls that begin together, each in a thread of its own; raises what one of them raises."""
    start = Barrier(len(calls))

    def run(call):
        start.wait()
        call()

    with ThreadPoolExecutor(len(calls)) as threads:
        list(threads.map(run, calls))


def coded(weights):
    file = BytesIO()
    image_of("RGB").save(file, "FCI", quality=8, weights=weights)
    return file.getvalue()


def test_threads_load_weights_once(tiny_weights, loads):
    at_once([lambda: coded(tiny_weights)] * 4)
    assert loads == [tiny_weights]
    data = coded(tiny_weights)
    at_once([Image.open(BytesIO(data)).load for _ in range(4)])
    assert len(loads) == 2


def test_threads_that_need_different_weights_do_not_disturb_each_other(tiny_weights, loads):
    data = [coded(tiny_weights), coded(None)]
    images = [Image.open(BytesIO(data[number % 2])) for number in range(6)]
    at_once([image.load for image in images])
    for image in images:
        assert np.abs(np.asarray(image).astype(int) - np.asarray(image_of("RGB"))).mean() < 4


def test_an_image_that_threads_share_is_decoded_once(tiny_weights, monkeypatch):
    image = Image.open(BytesIO(coded(tiny_weights)))
    decode, pictures = PictureCodec.decode_parsed, []

    def slowly(codec, file):
        pictures.append(decode(codec, file))
        time.sleep(0.1)
        return pictures[-1]

    monkeypatch.setattr(PictureCodec, "decode_parsed", slowly)
    at_once([image.load] * 4)
    assert len(pictures) == 1


def test_opening_needs_no_torch(tmp_path, tiny_weights):
    path = tmp_path / "x.fci"
    image_of("RGBA").save(path, weights=tiny_weights)
    code = (
        "import sys, flowcodec.pillow_plugin; from PIL import Image;"
        f"image = Image.open({str(path)!r}); print(image.size, image.mode, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "(56, 40) RGBA False\n", result.stderr


class Unwritable(Image.Exif):
    """EXIF whose values do not go together with their types."""

    def tobytes(self, offset=8):
        raise KeyError("offset")


def exif_of_wrong_types():
    exif = Image.Exif()
    exif.get_ifd(IFD.GPSInfo)[1] = "N"
    exif.get_ifd(IFD.GPSInfo)[2] = "47 degrees"  # a text where three fractions belong
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"exif": Unwritable()}, None),
        ({"exif": 7}, ValueError),
        ({"exif": b"no EXIF at all"}, None),
        ({"exif": b"Exif\0\0II*\0\xff\xff\xff\xff"}, None),
        ({"exif": bytearray(handmade.exif(1)[:50])}, None),
        ({"exif": "text"}, None),
        ({"exif": b""}, None),
        ({"exif": None}, None),
        ({"xmp": 3.5}, ValueError),
        ({"xmp": "<x/>"}, None),
        ({"xmp": b"\xff"}, None),
        ({"icc_profile": [1]}, ValueError),
        ({"icc_profile": b"no profile"}, None),
    ],
)
def test_odd_metadata_raise_what_is_promised_or_are_dropped(tiny_weights, options, error):
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if error:
            with pytest.raises(error):
                image_of("RGB").save(file, "FCI", weights=tiny_weights, **options)
        else:
            image_of("RGB").save(file, "FCI", weights=tiny_weights, **options)
            assert Image.open(file).size == image_of("RGB").size


def test_of_exif_of_wrong_types_the_rest_is_kept(tiny_weights, caplog):
    file = BytesIO()
    image_of("RGB").save(file, "FCI", weights=tiny_weights, exif=exif_of_wrong_types())
    opened = Image.open(file)
    assert opened.size == image_of("RGB").size[::-1]
    assert dict(opened.getexif().get_ifd(IFD.GPSInfo)) == {1: "N"}
    assert caplog.messages == ["tags of EXIF that cannot be written were dropped"]


def test_what_is_dropped_is_told_to_a_logger(tiny_weights, caplog):
    options = {"exif": b"no EXIF", "xmp": b"\xff", "icc_profile": PROFILE[:200]}
    image_of("RGB").save(BytesIO(), "FCI", weights=tiny_weights, **options)
    assert [record.message for record in caplog.records] == [
        "damaged EXIF was dropped",
        "damaged XMP was dropped",
        "its ICC profile is cut short: it was dropped",
    ]


def test_a_gray_picture_does_not_keep_a_profile_for_colours(tiny_weights, caplog):
    image = image_of("RGB")
    image.info["icc_profile"] = PROFILE
    file = BytesIO()
    image.convert("L").save(file, "FCI", weights=tiny_weights)  # Pillow keeps it in `info`
    assert "icc_profile" not in Image.open(file).info
    assert "is for RGB samples" in caplog.text


def test_xmp_travels(tiny_weights):
    image = image_of("RGB")
    image.info["xmp"] = b'<x tiff:Orientation="6"/>'
    own, given = BytesIO(), BytesIO()
    image.save(own, "FCI", weights=tiny_weights)
    assert Image.open(own).info["xmp"] == b'<x tiff:Orientation="1"/>'
    assert Image.open(own).size == image.size
    image.save(given, "FCI", weights=tiny_weights, xmp=b'<y tiff:Orientation="6"/>')
    assert Image.open(given).info["xmp"] == b'<y tiff:Orientation="1"/>'
    assert Image.open(given).size == image.size[::-1]

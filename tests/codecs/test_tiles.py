"""Pictures that the networks were not made for: no file explodes, and no picture falls apart."""

from functools import cache
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFile

from flowcodec.bitstream.header import TileBox
from flowcodec.bitstream.picture_file import LEARNED, Tile, parse_picture
from flowcodec.codecs import tiles
from flowcodec.codecs.loading import load
from flowcodec.codecs.picture import EncodedPicture, PictureCodec
from flowcodec.codecs.rate_control import reach_size
from flowcodec.codecs.tiles import CodedTile, Price
from flowcodec.errors import FormatError, UsageError
from flowcodec.evaluation.peers import fit_bytes, peer_named
from tests.codecs import stress
from tests.golden import make


@cache
def codec(metric: str = "mse") -> PictureCodec:
    return load(metric=metric, threads=1)


@cache
def coded(name: str, metric: str = "mse") -> EncodedPicture:
    return codec(metric).encode(stress.PICTURES[name](), 4)


def kinds(data: bytes) -> list[str]:
    return [tile.kind for tile in parse_picture(data).tiles]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(float) - b).mean()
    return float(10 * np.log10(255**2 / error)) if error else np.inf


@pytest.mark.parametrize("metric", ["mse", "ms-ssim"])
@pytest.mark.parametrize("name", stress.PICTURES)
def test_no_file_is_larger_than_its_png(name, metric):
    file = BytesIO()
    Image.fromarray(stress.PICTURES[name]().squeeze()).save(file, "PNG", optimize=True)
    assert len(coded(name, metric).data) <= 1.1 * len(file.getvalue())


@pytest.mark.parametrize("name", stress.PICTURES)
def test_no_picture_is_worse_than_jpeg_in_as_many_bytes(name, monkeypatch):
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 2**22)  # else Pillow fails to write noise
    pixels = stress.PICTURES[name]()
    gray = pixels.shape[2] == 1
    data = coded(name).data
    jpeg = fit_bytes(peer_named("jpeg"), pixels.squeeze(2) if gray else pixels, len(data))
    if jpeg.fits:  # else no JPEG is that small
        assert psnr(coded(name).reconstruction, pixels) > psnr(
            jpeg.pixels[:, :, : pixels.shape[2]], pixels
        )


@pytest.mark.parametrize("name", stress.PICTURES)
def test_the_decoder_shows_what_the_encoder_saw(name):
    decoded = codec().decode(coded(name).data).pixels
    assert np.array_equal(decoded, coded(name).reconstruction)
    assert coded(name).psnr == pytest.approx(psnr(decoded, stress.PICTURES[name]()), abs=0.01)


@pytest.mark.parametrize("metric", ["mse", "ms-ssim"])
@pytest.mark.parametrize("name", ["text", "screenshot", "line art", "colour bars", "dithered"])
def test_graphics_are_exact_whatever_the_weights(name, metric):
    assert np.array_equal(coded(name, metric).reconstruction, stress.PICTURES[name]())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("noise", "plain"),
        ("gray noise", "plain"),
        ("text", "lossless"),
        ("screenshot", "lossless"),
        ("flat", "lossless"),
        ("line art", "lossless"),
        ("checkerboard", "lossless"),
        ("photo-like", "learned"),
    ],
)
def test_each_gets_the_kind_that_suits_it(name, kind):
    assert kinds(coded(name).data) == [kind]


@pytest.mark.parametrize("name", ["text", "noise", "captioned"])
def test_a_size_is_met_whatever_the_kinds(name):
    pixels = stress.PICTURES[name]()[:160, :160]
    smallest, largest = (len(codec().encode(pixels, quality).data) for quality in (1, 8))
    limit = (smallest + largest) // 2
    found = reach_size(lambda quality: codec().encode(pixels, quality), limit)
    assert 0.97 * limit <= len(found.coded.data) <= limit


def test_tiles_of_one_picture_may_be_of_different_kinds():
    """A page of text beside a photograph, whose border shows nothing of its neighbour.

    What the photograph's tile sees of the page is made of the page's own pixels. The yardstick is
    the same tile beside the page as the networks code it.
    """
    page = np.repeat(stress.text()[:192, :192], 3, 2)
    pixels = np.concatenate([stress.photo_like(192, 192), page], 1)
    mixed = codec().encode(pixels, 4, tile=192)
    assert kinds(mixed.data) == ["learned", "lossless"]
    assert np.array_equal(mixed.reconstruction[:, 192:], page)
    assert np.array_equal(codec().decode(mixed.data).pixels, mixed.reconstruction)

    learned = codec().encode(pixels, 4, tile=192, kinds=["learned"])
    border = np.s_[:, 192 - 16 : 192]
    before = psnr(learned.reconstruction[border], pixels[border])
    assert psnr(mixed.reconstruction[border], pixels[border]) > before - 0.1


def test_only_the_kinds_that_are_asked_for_are_used():
    pixels = make.draw(40, 50)
    codec = make.codec("plain")
    for kind in ("learned", "plain", "lossless"):
        assert kinds(codec.encode(pixels, 4, kinds=[kind]).data) == [kind]
    for nothing in ([], ["learnt"]):
        with pytest.raises(UsageError, match="kinds are some of learned, plain, lossless"):
            codec.encode(pixels, kinds=nothing)


def test_the_better_coding():
    """By rate and error together, where error counts less for weights of MS-SSIM."""
    assert tiles.error_weight(4000, "mse") == pytest.approx(0.0130)
    assert tiles.error_weight(4500, "mse") == pytest.approx((0.0130 * 0.0250) ** 0.5)
    assert tiles.error_weight(6900, "ms-ssim") == pytest.approx(0.0130)
    assert tiles.error_weight(2900, "ms-ssim") == pytest.approx(0.0018**2 / 0.0035)
    small, exact = Price(1000, 1e5), Price(1500, 0)
    assert tiles.better(exact, small, 4000, "mse")
    assert not tiles.better(small, exact, 4000, "mse")
    assert tiles.better(small, Price(1500, 7e4), 4000, "mse")
    assert tiles.better(small, exact, 4000, "ms-ssim")
    assert not tiles.better(exact, exact, 4000, "mse")


def test_weights_for_420_judge_by_its_planes():
    """Colour that alternates from pixel to pixel is not in the planes: to lose it costs nothing."""
    gray = np.repeat(make.draw(32, 48)[..., :1], 3, 2) // 2 + 64
    checks = np.where(np.indices((32, 48)).sum(0) % 2, 40, -40)[..., None]
    pixels = np.clip(gray + checks * (0.587, -0.299, 0), 0, 255).round().astype(np.uint8)
    bits = b"0" * 100
    coarse = CodedTile(Tile(0, bits, LEARNED), gray)
    by_yuv, by_mse = (tiles.price_of(pixels, coarse, metric) for metric in ("yuv", "mse"))
    assert by_yuv.error < by_mse.error / 500 and by_yuv.bits == by_mse.bits == 800
    chosen = {
        metric: tiles.Trials(pixels, None, metric).best(coarse, 7000, ["lossless"])
        for metric in ("yuv", "mse")
    }
    assert chosen["yuv"] is coarse
    assert np.array_equal(chosen["mse"].pixels, pixels)
    half = np.zeros((32, 48), bool)
    half[:, :24] = True
    wrong = CodedTile(Tile(0, bits, LEARNED), gray + np.uint8(3))
    seen, whole = (tiles.price_of(gray, wrong, "yuv", which) for which in (half, None))
    assert (seen.error, whole.error) == pytest.approx((32 * 24 * 9, 32 * 48 * 9), rel=1e-5)


@pytest.mark.parametrize("metric", ["mse", "yuv"])
def test_the_hint_of_a_plain_tile_is_near_what_it_costs(metric):
    pixels = stress.PICTURES["noise"]()
    hint, tile = tiles.plain_hint(pixels, 4000, metric), tiles.plain_tile(pixels, 4000)
    price = tiles.price_of(pixels, tile, metric)
    assert hint.error == pytest.approx(price.error, rel=0.15)
    assert hint.bits == pytest.approx(price.bits, rel=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_of_plain_tiles_are_those_of_the_specification(channels):
    integers = np.random.default_rng(2).integers(-2, 3, (1, 1, 64 * channels))
    at = np.arange(8)
    waves = np.cos(np.pi * at[:, None] * (2 * at + 1) / 16) / 2
    waves[0] /= np.sqrt(2)
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    real = integers.reshape(channels, 8, 8) * 140 * 2 ** ((1000 - 6500) / 2000)
    wanted = 128 + np.einsum("krc,ry,cx,ks->yxs", real, waves, waves, colours[:channels])
    found = tiles.from_coefficients(integers, 6500, 7, 5, channels)
    assert np.abs(found - wanted[:7, :5, :channels].clip(0, 255)).max() < 0.501


@pytest.mark.parametrize(
    "code", [lambda pixels: tiles.plain_tile(pixels, 4000), tiles.lossless_tile]
)
def test_another_content_is_noticed(code):
    tile, other = (code(make.draw(24, 20, seed)).tile for seed in (0, 1))
    box = TileBox(0, 0, 24, 20)
    assert isinstance(tiles.open_tile(tile, box, 4000, 3), np.ndarray)
    with pytest.raises(FormatError, match="hash"):
        tiles.open_tile(Tile(tile.hash, other.data, tile.type), box, 4000, 3)


def test_hints_spare_photographs_the_trials():
    """Neither of the other codings is even tried on what networks code well."""
    pixels = stress.photo_like()
    learned = CodedTile(
        parse_picture(coded("photo-like").data).tiles[0], coded("photo-like").reconstruction
    )
    for metric in ("mse", "yuv"):
        price = tiles.price_of(pixels, learned, metric)
        for hint in (tiles.plain_hint(pixels, 4000, metric), tiles.lossless_hint(pixels)):
            assert not tiles.better(hint, price, 4000, metric)


def test_what_no_quality_changes_is_done_once(monkeypatch):
    """A search for a size codes a picture several times, but without loss only once."""
    calls = []
    real = tiles.lossless_tile
    monkeypatch.setattr(tiles, "lossless_tile", lambda pixels: calls.append(1) or real(pixels))
    page = np.kron(make.draw(8, 8), np.ones((8, 8, 1), np.uint8))
    prepared = make.codec("plain").prepare(page, kinds=["learned", "lossless"])
    kinds = [prepared.encode(quality).tiles[0].kind for quality in (5, 6, 7)]
    assert kinds == ["lossless"] * 3 and len(calls) == 1

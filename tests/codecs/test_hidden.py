"""What lies under alpha 0 costs nothing, decides nothing and leaves no trace beside it."""

import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw, ImageFilter

from flowcodec.bitstream.alpha import pack_alpha
from flowcodec.bitstream.fields import LOSSLESS_PSNR
from flowcodec.bitstream.picture_file import pack_picture, parse_picture
from flowcodec.cli.main import main
from flowcodec.codecs import hidden
from flowcodec.codecs.loading import load
from flowcodec.codecs.picture import PictureCodec, verify
from flowcodec.errors import FormatError
from flowcodec.media.picture import Picture, read_picture, write_picture
from tests.codecs import stress

SHAPES = {"hard": 0.0, "soft": 5.0}
UNDER = ("black", "white", "noise", "photograph")


@cache
def codec() -> PictureCodec:
    return load(threads=1)


def plane(edge: str, height: int = 128, width: int = 192) -> np.ndarray:
    """A disc and a bar, with sharp or with soft edges, on transparent ground."""
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 4, height // 5, width // 2, height * 4 // 5), 255)
    draw.rectangle((width * 5 // 8, height // 3, width * 3 // 4, height * 2 // 3), 255)
    return np.array(image.filter(ImageFilter.GaussianBlur(SHAPES[edge])))


def sprite(edge: str, under: str, channels: int = 3) -> Picture:
    """A photograph where alpha is above 0, and something else under alpha 0."""
    alpha = plane(edge)
    seen = (alpha > 0)[..., None]
    shown = stress.photo_like(*alpha.shape)
    noise = np.random.default_rng(7).integers(0, 256, shown.shape, np.uint8)
    below = {"black": shown * 0, "white": shown * 0 + 255, "noise": noise, "photograph": shown}
    pixels = np.where(seen, shown, below[under]).astype(np.uint8)
    return Picture(np.ascontiguousarray(pixels[..., :channels]), alpha)


def psnr(a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> float:
    error = np.square(a.astype(float) - b)[seen].mean()
    return float(10 * np.log10(255**2 / error)) if error else np.inf


@pytest.mark.parametrize("quality", [2, 6])
@pytest.mark.parametrize("edge", SHAPES)
def test_a_file_does_not_depend_on_what_is_hidden(edge, quality):
    files = {codec().encode(sprite(edge, under), quality).data for under in UNDER}
    assert len(files) == 1


@pytest.mark.parametrize("kind", ["learned", "plain", "lossless"])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_kind_of_tile_depends_on_what_is_hidden(kind, channels):
    files = [
        codec().encode(sprite("soft", under, channels), 4, tile=64, kinds=[kind]).data
        for under in ("noise", "black")
    ]
    assert files[0] == files[1]


def test_noise_under_alpha_0_takes_no_bytes():
    picture = sprite("hard", "noise")
    whole = codec().encode(picture.pixels, 2)
    coded = codec().encode(picture, 2)
    assert len(whole.data) > 14_000
    assert len(coded.data) < 5_000


@pytest.mark.parametrize("edge", SHAPES)
def test_nothing_rings_beside_what_is_hidden(edge):
    """Black that is coded costs 1.5 dB and more of the pixels beside it."""
    picture = sprite(edge, "black")
    seen = picture.alpha > 0
    beside = np.array(Image.fromarray(~seen).convert("L").filter(ImageFilter.MaxFilter(5))) > 0
    black = codec().encode(picture.pixels, 4, kinds=["learned"])
    coded = codec().encode(picture, 4, kinds=["learned"])
    assert coded.psnr == pytest.approx(psnr(picture.pixels, coded.reconstruction, seen))
    shown = [psnr(picture.pixels, c.reconstruction, seen & beside) for c in (black, coded)]
    assert shown[1] > shown[0] + 1.5


@pytest.mark.parametrize("kinds", [["learned"], ["plain"], ["lossless"]])
def test_what_is_seen_verifies_and_alpha_is_exact(kinds):
    picture = sprite("soft", "noise")
    data = codec().encode(picture, 5, kinds=kinds).data
    decoded = codec().decode(data)
    assert np.array_equal(decoded.alpha, picture.alpha)
    exact = parse_picture(data).header.psnr == LOSSLESS_PSNR
    assert exact == (kinds == ["lossless"])
    found = verify(decoded, parse_picture(data).header, picture)
    assert found == pytest.approx(psnr(picture.pixels, decoded.pixels, picture.alpha > 0))
    other = replace(picture, pixels=255 - picture.pixels)
    with pytest.raises(FormatError, match="its encoder measured"):
        verify(decoded, parse_picture(data).header, other)


def test_files_that_count_what_is_hidden_verify_as_before():
    picture = sprite("hard", "black")
    file = parse_picture(codec().encode(picture.pixels, 4).data)
    header = replace(file.header, alpha=True)
    data = pack_picture(header, file.tiles, pack_alpha(picture.alpha))
    decoded = codec().decode(data)
    everything = np.ones_like(picture.alpha, bool)
    found = verify(decoded, header, picture)
    assert found == pytest.approx(psnr(picture.pixels, decoded.pixels, everything))
    assert found != pytest.approx(psnr(picture.pixels, decoded.pixels, picture.alpha > 0), abs=0.1)


def test_the_command_verifies_what_is_seen(tmp_path, capsys):
    source, coded, back = (tmp_path / name for name in ("a.png", "a.fci", "b.png"))
    picture = sprite("soft", "noise")
    write_picture(picture, source)
    assert main(["encode", str(source), "-o", str(coded), "--target-psnr", "30"]) == 0
    assert main(["decode", str(coded), "-o", str(back), "--verify", str(source)]) == 0
    told = float(capsys.readouterr().out.split("verified: ")[1].split()[0])
    found = psnr(picture.pixels, read_picture(back).pixels, picture.alpha > 0)
    assert told == pytest.approx(found, abs=0.01)
    assert 30 <= found < 30.1
    assert coded.stat().st_size < 10_000


def test_another_alpha_plane_is_not_the_original():
    picture = sprite("hard", "black")
    data = codec().encode(picture, 4).data
    changed = picture.alpha.copy()
    changed[0, 0] = 1
    for alpha in (changed, None):
        with pytest.raises(FormatError, match="another alpha plane"):
            verify(codec().decode(data), parse_picture(data).header, replace(picture, alpha=alpha))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_which_nothing_is_seen_is_next_to_nothing(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (100, 150, channels), np.uint8)
    picture = Picture(pixels, np.zeros((100, 150), np.uint8))
    coded = codec().encode(picture, 6)
    assert len(coded.data) < 200
    assert coded.psnr == np.inf
    assert verify(codec().decode(coded.data), parse_picture(coded.data).header, picture) == np.inf


def test_what_is_barely_seen_counts():
    """Alpha 1 is not alpha 0: such pixels are coded, and lossless ones are exact."""
    picture = sprite("hard", "noise")
    faint = replace(picture, alpha=np.maximum(picture.alpha, 1))
    coded = codec().encode(faint, 5, kinds=["lossless"])
    assert np.array_equal(coded.reconstruction, picture.pixels)


masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(masks, st.sampled_from([1, 3]))
def test_a_membrane_keeps_what_is_seen_and_stays_within_it(seen, channels):
    pixels = np.random.default_rng(0).integers(50, 200, (*seen.shape, channels), np.uint8)
    filled = hidden.spanned(pixels, seen)
    assert np.array_equal(filled[seen], pixels[seen])
    if seen.any():
        assert filled.min() >= pixels[seen].min()
        assert filled.max() <= pixels[seen].max()
    for repeated in hidden.repeats(pixels, seen):
        assert np.array_equal(repeated[seen], pixels[seen])


def test_a_membrane_is_smooth_over_any_distance():
    seen = np.zeros((300, 500), bool)
    seen[:, :3] = seen[:, -3:] = True
    pixels = np.full((*seen.shape, 1), 99, np.uint8)
    pixels[:, :3], pixels[:, -3:] = 20, 220
    filled = hidden.spanned(pixels, seen)[..., 0].astype(int)
    assert np.abs(np.diff(filled, axis=1)).max() <= 3
    assert np.abs(np.diff(filled, axis=0)).max() <= 1


def test_strips_leave_no_seam_and_take_little_memory(monkeypatch):
    random = np.random.default_rng(3)
    seen = random.random((1500, 400)) < np.linspace(0, 0.02, 400)
    pixels = random.integers(0, 256, (*seen.shape, 3), np.uint8)
    tracemalloc.start()
    try:
        filled = hidden.spanned(pixels, seen)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * hidden.STRIP * 400 * 12 + 2 * pixels.nbytes
    monkeypatch.setattr(hidden, "STRIP", 4096)
    assert np.array_equal(hidden.spanned(pixels, seen), filled)

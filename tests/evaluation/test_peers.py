import io

import av
import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.evaluation.metrics import psnr, psnr_yuv
from flowcodec.evaluation.peers import PEERS, fit_bytes, peer_named, still
from flowcodec.evaluation.peers.still import PLANES_PEERS
from tests.evaluation.fakes import save_photograph


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    path = save_photograph(tmp_path_factory.mktemp("peers") / "photo.png", 97, 130)
    return np.asarray(Image.open(path))


def available(name):
    """The peer, where its package is installed; skips where it is not."""
    package = {"jxl": "imagecodecs", "heic": "pillow_heif"}.get(name)
    if package is not None:
        pytest.importorskip(package)
    return peer_named(name)


@pytest.mark.parametrize("name", PEERS)
def test_quality_buys_bytes_and_fidelity(name, pixels):
    peer = available(name)
    assert peer.lowest <= peer.sweep[0] and peer.sweep[-1] <= peer.highest
    files = [peer.encode(pixels, quality) for quality in (peer.sweep[0], peer.sweep[-1])]
    decoded = [peer.decode(data) for data in files]
    assert all(picture.shape == pixels.shape for picture in decoded)
    assert all(picture.dtype == np.uint8 for picture in decoded)
    assert len(files[0]) < len(files[1])
    assert psnr(pixels, decoded[0]) + 3 < psnr(pixels, decoded[1])


@pytest.mark.parametrize("name", PEERS)
def test_every_quality_of_the_scale_can_be_coded(name, pixels):
    peer = available(name)
    for quality in (peer.lowest, peer.highest):
        assert peer.decode(peer.encode(pixels[:16, :16], quality)).shape == (16, 16, 3)


@pytest.mark.parametrize("name", PEERS)
def test_description_names_the_library_and_its_version(name):
    library, settings = available(name).description.split("; ")
    assert any(character.isdigit() for character in library)
    assert "None" not in library
    assert settings


def test_avif_is_tuned_for_psnr(pixels):
    peer = peer_named("avif")
    untuned = io.BytesIO()
    Image.fromarray(pixels).save(untuned, "AVIF", quality=50, subsampling="4:4:4", speed=4)
    data = peer.encode(pixels, 50)
    assert data != untuned.getvalue()
    # At no more bytes than the default tuning takes, ours is the better in PSNR.
    fitted = fit_bytes(peer, pixels, len(untuned.getvalue()))
    assert psnr(pixels, fitted.pixels) > psnr(pixels, peer.decode(untuned.getvalue()))


@pytest.mark.parametrize("name", PLANES_PEERS)
def test_planes_are_measured_as_they_are_coded(name, pixels):
    """Near to the picture's own at the finest setting, whatever range a codec keeps them in."""
    peer = peer_named(name, planes=True)
    assert peer.sweep == peer_named(name).sweep and "4:4:4" not in peer.settings
    found = [psnr_yuv(pixels, peer.planes(peer.encode(pixels, q))) for q in (30, 60, peer.highest)]
    assert found == sorted(found) and found[-1] > 42
    frame = next(av.open(io.BytesIO(peer.encode(pixels, 50))).decode(video=0))
    assert frame.format.name in ("yuv420p", "yuvj420p")


@pytest.mark.parametrize("name", sorted(set(PEERS) - set(PLANES_PEERS)))
def test_codecs_of_no_planes_are_told(name):
    with pytest.raises(UsageError, match=r"is not measured in 4:2:0: choose from jpeg, webp, avif"):
        peer_named(name, planes=True)


def test_jpeg_keeps_full_chroma(pixels):
    with Image.open(io.BytesIO(peer_named("jpeg").encode(pixels, 50))) as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3


def test_heic_is_tuned_for_psnr_and_keeps_full_chroma(pixels):
    peer = available("heic")
    import pillow_heif

    untuned = io.BytesIO()
    image = pillow_heif.from_bytes("RGB", pixels.shape[1::-1], pixels.tobytes())
    image.save(untuned, quality=50, chroma="420")
    fitted = fit_bytes(peer, pixels, len(untuned.getvalue()))
    assert psnr(pixels, fitted.pixels) > psnr(pixels, peer.decode(untuned.getvalue())) + 0.5
    saturated = np.zeros((64, 64, 3), np.uint8)
    saturated[:, ::2] = (255, 0, 0)
    assert psnr(saturated, peer.decode(peer.encode(saturated, 90))) > 35


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_fit_bytes_finds_the_best_file_that_is_not_larger(name, pixels):
    peer = peer_named(name)
    budget = len(peer.encode(pixels, 40)) + 3
    coded = fit_bytes(peer, pixels, budget)
    assert coded.fits and coded.quality >= 40
    assert len(coded.data) <= budget < len(peer.encode(pixels, coded.quality + 1))
    assert (coded.pixels == peer.decode(coded.data)).all()


def test_fit_bytes_beyond_either_end(pixels):
    peer = peer_named("jpeg")
    smallest = fit_bytes(peer, pixels, 20)
    assert not smallest.fits and smallest.quality == peer.lowest
    assert len(smallest.data) > 20
    largest = fit_bytes(peer, pixels, 10**7)
    assert largest.fits and largest.quality == peer.highest


def test_unknown_codecs_are_refused_by_name():
    with pytest.raises(UsageError, match=r"'bpg'.*jpeg, webp, avif"):
        peer_named("bpg")


@pytest.mark.parametrize(("name", "package"), [("jxl", "imagecodecs"), ("heic", "pillow-heif")])
def test_an_absent_package_is_told_with_what_to_install(name, package, monkeypatch):
    monkeypatch.setattr(still, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=rf"needs {package}: pip install 'flowcodec\[bench\]'$"):
        peer_named(name)

"""Networks of either transform through weight files, real bytes and back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.weights import load_weights
from flowcodec.media.picture import Picture
from flowcodec.nn.patches import YUV420
from flowcodec.nn.planes import to_planes
from flowcodec.training.networks import export, restored
from tests.models.networks import fine, shake, small
from tests.training.pictures import draw


@pytest.mark.parametrize(
    ("transform", "block", "components", "refinement", "fields"),
    [
        ("strided", "aab", 3, True, {}),  # the thesis: AAB, GMB, DIRB
        ("strided", "cheng", 1, False, {}),
        ("patch", "nlam", 3, True, {}),
        ("patch", "none", 1, False, {}),
        ("patch", "none", 1, False, {"trunk": "gated", "blocks": (1, 2)}),
        ("patch", "aab", 1, True, {"trunk": "gated", "masking": True}),
        ("patch", "none", 1, False, {"trunk": "gated", "planes": "yuv420"}),
    ],
)
def test_a_picture_comes_back_as_its_encoder_saw_it(
    tmp_path: Path,
    transform: str,
    block: str,
    components: int,
    refinement: bool,
    fields: dict[str, object],
) -> None:
    model = fine(small(transform, block, components, refinement, **fields))
    shake(model)
    file = tmp_path / "weights.safetensors"
    export("image-cnn", model, "mse", file)
    codec = PictureCodec(load_weights(file), threads=1)
    picture = draw(1, 99, 131)
    encoded = codec.encode(picture, 2.75, tile=64, kinds=["learned"])
    parsed = parse_picture(encoded.data)
    assert (parsed.header.quality, len(parsed.tiles)) == (2750, 6)
    decoded = PictureCodec(load_weights(file), threads=1).decode(encoded.data)
    np.testing.assert_array_equal(decoded.pixels, encoded.reconstruction)
    assert decoded.pixels.shape == picture.shape
    assert decoded.pixels.std() > 0


@pytest.fixture(scope="module")
def yuv(tiny_yuv_weights: Path) -> PictureCodec:
    return PictureCodec(load_weights(tiny_yuv_weights), threads=1)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (33, 50), (64, 65), (99, 131)])
def test_pictures_of_420_come_back(
    yuv: PictureCodec, size: tuple[int, int], alpha: bool, gray: bool
) -> None:
    pixels = draw(1, *size)[:, :, : 1 if gray else 3].copy()
    plane = draw(2, *size)[:, :, 0].copy() if alpha else None
    if plane is not None:
        plane[plane < 100] = 0
    encoded = yuv.encode(Picture(pixels, plane), 6, tile=64)
    decoded = yuv.decode(encoded.data)
    np.testing.assert_array_equal(decoded.pixels, encoded.reconstruction)
    assert decoded.pixels.shape == pixels.shape
    assert plane is None or np.array_equal(decoded.alpha, plane)
    assert encoded.psnr > 22


def test_what_is_shown_of_420_measures_as_the_planes_inside(yuv: PictureCodec) -> None:
    """Rounding to 8 bits of RGB aside: no planes need to come out for the metric."""
    pixels = draw(1, 96, 128) // 2 + 64  # nothing to clip
    y, gain = yuv.model.analyse(pixels, 5000)
    latents = np.rint(y * gain)
    network = restored(yuv.weights)
    with torch.no_grad():
        g_s = network.g_s
        restored_y = network.restored(torch.tensor(latents)[None], torch.tensor([5.0]))
        linear = g_s.klt(restored_y * g_s.spread)
        inside = to_planes(g_s(restored_y, torch.tensor([5.0]))[0], YUV420)
        kept = g_s.correction(linear, torch.tensor([5.0]))[0]
    torch.testing.assert_close(inside, kept, atol=1e-5, rtol=0)
    shown = torch.tensor(yuv.model.synthesise(latents, 5000)).permute(2, 0, 1)[None] / 255 - 0.5
    steps = 255 * (to_planes(shown, YUV420) - kept)
    assert steps.abs().max() < 0.52 * 6**0.5  # samples of planes are off by half a step at most
    assert steps.square().mean() < 0.2

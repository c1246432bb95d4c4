"""Networks of either transform through weight files, real bytes and back."""

from pathlib import Path

import numpy as np
import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.weights import load_weights
from flowcodec.training.networks import export
from tests.models.networks import fine, shake, small
from tests.training.pictures import draw


@pytest.mark.parametrize(
    ("transform", "block", "components", "refinement", "fields"),
    [
        ("strided", "aab", 3, True, {}),  # the thesis: AAB, GMB, DIRB
        ("strided", "cheng", 1, False, {}),
        ("patch", "nlam", 3, True, {}),
        ("patch", "none", 1, False, {}),
        ("patch", "none", 1, False, {"trunk": "gated", "blocks": (1, 2), "coarse": (1, 1)}),
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

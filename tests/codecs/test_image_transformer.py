"""image-transformer as a codec: graphs, tiles, files, and the start from image-cnn's weights."""

from __future__ import annotations

import numpy as np
import pytest

from flowcodec.codecs.loading import load
from flowcodec.codecs.systems.image_transformer import ImageTransformerModel
from flowcodec.codecs.weights import load_weights
from flowcodec.models.image_transformer.config import PRESETS
from flowcodec.models.image_transformer.model import ImageTransformer
from flowcodec.training.image_cnn.growth import continue_from
from flowcodec.training.networks import export
from tests.codecs import stress
from tests.golden import make
from tests.models.test_image_transformer import VARIANTS, network


@pytest.fixture(scope="module")
def weights_of(tmp_path_factory):
    made = {}

    def find(name):
        if name not in made:
            path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
            export("image-transformer", network(VARIANTS[name]).eval(), "mse", path)
            made[name] = load_weights(path)
        return made[name]

    return find


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_beyond_the_reach_changes_a_tile(name, weights_of):
    model = ImageTransformerModel(weights_of(name), threads=1)
    edge = 640
    pixels = make.draw(edge + 96, 48, seed=5)
    begin = (edge - model.reach) // model.grid * model.grid
    at, first = edge // model.stride, begin // model.stride
    assert begin > 0
    y, gain = model.analyse(pixels, 4000)
    from_there, _ = model.analyse(pixels[begin:], 4000)
    np.testing.assert_allclose(from_there[:, at - first :], y[:, at:], atol=1e-4)
    latents = np.rint(y * gain)
    shown = model.synthesise(latents, 4000)[edge:].astype(int)
    from_there = model.synthesise(latents[:, first:], 4000)[edge - begin :]
    assert np.abs(shown - from_there).max() <= 1
    assert (shown != from_there).mean() < 1e-3


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (23, 37), (150, 270)])
def test_files_come_back(name, height, width, weights_of):
    codec = load(weights=weights_of(name).path, threads=1)
    picture = make.draw(height, width)
    coded = codec.encode(picture, 4.3, tile=128, kinds=["learned"])
    assert np.array_equal(codec.decode(coded.data).pixels, coded.reconstruction)


def test_compact_begins_as_image_cnn(tmp_path):
    """The bundled weights, in a network with attention, deformable merging and CGAM, all silent."""
    model = ImageTransformer(PRESETS["compact"])
    continue_from(model, "image-cnn-mse")
    path = tmp_path / "weights.safetensors"
    export("image-transformer", model.eval(), "mse", path)
    picture = stress.photo_like()
    ours, theirs = (
        codec.encode(picture, 4.0, kinds=["learned"])
        for codec in (load(weights=path, threads=1), load(threads=1))
    )
    assert len(ours.data) == pytest.approx(len(theirs.data), abs=8)
    difference = ours.reconstruction.astype(int) - theirs.reconstruction
    assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 1e-2

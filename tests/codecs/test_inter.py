"""P-frames: what one machine codes is what another decodes, from small networks not yet trained."""

import dataclasses
from itertools import repeat

import numpy as np
import pytest

from flowcodec.codecs.systems.video_mofnet import Kind, MofNetModel, inter_priors
from flowcodec.codecs.weights import bundled_weights
from flowcodec.entropy.coder import Encoder
from flowcodec.errors import FormatError, WeightsError
from tests.codecs.inter_samples import SMALL, Forced, Panning, Still, frames, untrained


@pytest.fixture(scope="module", params=SMALL)
def weights(request, tmp_path_factory):
    return untrained(request.param, tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (37, 53), (16, 16), (1, 3)])
def test_a_decoder_gets_the_encoders_picture(weights, height, width):
    first, second = frames(height, width)
    codec = MofNetModel(weights, threads=1, estimator=Still())
    coded, after = codec.encode(second, codec.start(first), 4321)
    decoder = MofNetModel(weights, threads=1)
    state = decoder.decode(coded.data, coded.hash, decoder.start(first), 4321)
    assert decoder.shown(state).shape == second.shape
    np.testing.assert_array_equal(decoder.shown(state), codec.shown(after))


def test_latents_do_not_hang_on_the_reference(weights):
    """A reference that is a little off changes pixels, and no symbol."""
    first, second = frames(64, 96)
    codec = MofNetModel(weights, threads=1, estimator=Still())
    coded, after = codec.encode(second, codec.start(first), 3000)
    other = np.clip(first.astype(int) + 1, 0, 255).astype(np.uint8)
    state = codec.decode(coded.data, coded.hash, codec.start(other), 3000)
    assert np.abs(codec.shown(state).astype(int) - codec.shown(after)).mean() < 16


@pytest.mark.parametrize("kind", Kind)
def test_latents_of_each_kind_come_back(weights, kind):
    first, second = frames(64, 96)
    codec = Forced(weights, Panning(), repeat(kind))
    coded, after = codec.encode(second, codec.start(first), 3000)
    state = MofNetModel(weights, threads=1).decode(coded.data, coded.hash, codec.start(first), 3000)
    np.testing.assert_array_equal(state.reference, after.reference)


@pytest.mark.parametrize("metric", ["mse", "ms-ssim"])
def test_a_pan_alone_takes_a_few_bytes(metric):
    """With the bundled weights; the rim is gray, so that nothing new comes into the picture."""
    rng = np.random.default_rng(8)
    first = np.full((192, 256, 3), 128, np.uint8)
    first[16:-16, 16:-16] = rng.integers(0, 255, (20, 28, 3)).repeat(8, 0).repeat(8, 1)
    second = np.roll(first, (3, -5), (0, 1))
    weights = bundled_weights("video-mofnet", metric)
    codec = MofNetModel(weights, threads=1, estimator=Panning(5, -3))
    coded, after = codec.encode(second, codec.start(first), 4000)
    assert len(coded.data) <= 12
    assert np.abs(codec.shown(after).astype(int) - second).max() <= 1


def test_a_global_motion_beyond_the_format_is_refused(weights):
    first, second = frames(64, 96)
    codec = MofNetModel(weights, threads=1)
    encoder = Encoder()
    encoder.integers(np.array([0, 0, 0, 1 << 15, 0, 0, -1, -1]), 8)
    with pytest.raises(FormatError, match="global motion"):
        codec.decode(encoder.bytes(), 0, codec.start(first), 3000)


def test_damage_is_noticed(weights):
    first, second = frames(64, 96)
    codec = MofNetModel(weights, threads=1, estimator=Still())
    coded, _ = codec.encode(second, codec.start(first), 3000)
    damaged = bytearray(coded.data)
    damaged[len(damaged) // 2] ^= 16
    with pytest.raises(FormatError):
        codec.decode(bytes(damaged), coded.hash, codec.start(first), 3000)


def test_the_priors_hash_names_both_networks(weights):
    priors = inter_priors(weights)
    assert priors.motion.hash != priors.codec.hash
    assert len(priors.hash) == 32


def test_weights_of_another_size_are_refused(weights):
    tensors = {**weights.transforms, "codec.h_a.first.bias": np.zeros(3, np.float32)}
    with pytest.raises(WeightsError, match="tensors do not fit"):
        MofNetModel(dataclasses.replace(weights, transforms=tensors))

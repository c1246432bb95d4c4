"""Weights that give no numbers are named, whatever stage shows it, and no index is out of range."""

import dataclasses
from itertools import repeat

import numpy as np
import pytest

from flowcodec.codecs.flow import FlowEstimator
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.systems.video_mofnet import Kind, MofNetModel
from flowcodec.codecs.weights import bundled_weights, load_weights
from flowcodec.errors import WeightsError
from tests.codecs.inter_samples import Forced, Panning, Still, frames, untrained
from tests.golden import make

pytestmark = pytest.mark.filterwarnings("error")  # one line is told, and no warnings beside it

VALUES = [np.nan, np.inf, -np.inf]


def broken(weights, start, value=np.nan):
    """Weights of which one bias or table whose name begins so is of that value."""
    named = [n for n in sorted(weights.transforms) if n.startswith(start)]
    name = [n for n in named if n.endswith((".bias", ".table"))][-1]
    tensors = dict(weights.transforms)
    tensors[name] = np.full_like(tensors[name], value)
    return dataclasses.replace(weights, transforms=tensors)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("model", ["tiny", "plain", "merge"])
@pytest.mark.parametrize(
    ("start", "stage"),
    [
        ("g_a", "analysis g_a"),
        ("h_a", "hyper-analysis h_a"),
        ("log_inverse_gain", "synthesis g_s"),
    ],
)
def test_a_stage_of_a_picture_is_named(model, start, stage, value):
    weights = load_weights(make.FOLDER / f"{model}.safetensors")
    codec = PictureCodec(broken(weights, start, value))
    with pytest.raises(WeightsError, match=rf"{model}.safetensors: the {stage} gives values"):
        codec.encode(make.draw(32, 48), 4, kinds=["learned"])


@pytest.mark.parametrize("model", ["tiny", "plain", "merge"])
def test_a_decoder_names_them_too(model):
    weights = load_weights(make.FOLDER / f"{model}.safetensors")
    data = PictureCodec(weights).encode(make.draw(32, 48), 4, kinds=["learned"]).data
    with pytest.raises(WeightsError, match="the synthesis g_s gives values"):
        PictureCodec(broken(weights, "log_inverse_gain")).decode(data)


def test_finite_weights_that_overflow_are_named():
    weights = load_weights(make.FOLDER / "plain.safetensors")
    with pytest.raises(WeightsError, match="not finite|beyond 2\\^24"):
        PictureCodec(broken(weights, "g_a.klt", 3e38)).encode(make.draw(32, 48), 4)
    prior = {**weights.prior, "log_gain": np.full_like(weights.prior["log_gain"], 2**15 - 1)}
    with pytest.raises(WeightsError, match="beyond 2\\^24"):
        PictureCodec(dataclasses.replace(weights, prior=prior)).encode(
            make.draw(32, 48), 4, kinds=["learned"]
        )


@pytest.fixture(scope="module", params=["patch", "strided"])
def inter(request, tmp_path_factory):
    return untrained(request.param, tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize(
    ("start", "stage"),
    [
        ("motion.g_a", "the analysis of MOFNet"),
        ("motion.h_a", "the hyper-analysis of MOFNet"),
        ("motion.g_s", "the prediction by MOFNet"),
        ("codec.transform", "the (analysis of CodecNet|synthesis of a frame)"),
        ("codec.h_a", "the hyper-analysis of CodecNet"),
        ("codec.log_inverse_gain", "the synthesis of a frame"),
    ],
)
def test_a_stage_of_an_inter_frame_is_named(inter, start, stage):
    first, second = frames(32, 48)
    codec = Forced(broken(inter, start), Still(), repeat(Kind.WHOLE))
    with pytest.raises(WeightsError, match=f"{stage} gives values that are not finite"):
        codec.encode(second, codec.start(first), 4000)


def test_a_decoder_of_inter_frames_names_them_too(inter):
    first, second = frames(32, 48)
    codec = Forced(inter, Panning(), repeat(Kind.WHOLE))
    coded, _ = codec.encode(second, codec.start(first), 8000)
    other = MofNetModel(broken(inter, "motion.g_s"), threads=1)
    with pytest.raises(WeightsError, match="the prediction by MOFNet gives values"):
        other.decode(coded.data, coded.hash, other.start(first), 8000)


@pytest.mark.parametrize("value", VALUES)
def test_flow_that_is_no_number_is_told(value):
    weights = bundled_weights("flow-deeppynet", "epe")
    first, second = frames(32, 48)
    with pytest.raises(WeightsError, match="the estimate of motion gives values"):
        FlowEstimator(broken(weights, "", value), threads=1).flow(first, second)

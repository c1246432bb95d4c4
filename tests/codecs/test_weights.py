"""The bundled weights: their cards tell the truth, and files find the set that made them."""

import json
from pathlib import Path

import numpy as np
import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.loading import load
from flowcodec.codecs.picture import load_for
from flowcodec.codecs.weights import BUNDLED, exact_prior, inter_priors, load_weights
from tests.codecs import stress

CARDS = sorted(BUNDLED.glob("*.json"))
CODERS = [card for card in CARDS if card.stem.startswith("image-")]
CHECKPOINTS = sorted((Path(__file__).parents[2] / "checkpoints").glob("*.json"))


@pytest.mark.parametrize("card", CARDS + CHECKPOINTS, ids=lambda path: path.stem)
def test_a_card_says_what_its_weights_are(card):
    told = json.loads(card.read_text("utf-8"))
    weights = load_weights(card.parent / told["file"])
    assert told["file"] == card.with_suffix(".safetensors").name
    assert told["weights_hash"] == weights.hash[:4].hex()
    if weights.prior:
        priors = inter_priors if weights.model == "video-mofnet" else exact_prior
        assert told["prior_hash"] == priors(weights).hash[:4].hex()
    assert (told["model"], told["metric"]) == (weights.model, weights.metric)


@pytest.mark.parametrize(
    "metric", [json.loads(card.read_text("utf-8"))["metric"] for card in CODERS]
)
def test_a_file_finds_the_weights_that_made_it(metric):
    coded = load(metric=metric, threads=1).encode(stress.photo_like(), 4)
    file = parse_picture(coded.data)
    assert {tile.kind for tile in file.tiles} == {"learned"}
    codec = load_for(file, threads=1)
    assert codec.weights.metric == metric
    assert np.array_equal(codec.decode_parsed(file).pixels, coded.reconstruction)


@pytest.mark.parametrize("card", CHECKPOINTS, ids=lambda path: path.stem)
def test_a_checkpoint_codes_what_it_decodes(card):
    path = card.with_suffix(".safetensors")
    coded = load(weights=path, threads=1).encode(stress.photo_like(), 4)
    decoded = load_for(parse_picture(coded.data), weights=path, threads=1).decode(coded.data)
    assert np.array_equal(decoded.pixels, coded.reconstruction)
    readme = (path.parent / "README.md").read_text("utf-8")
    assert f"{path.name}" in readme and load_weights(path).hash[:4].hex() in readme

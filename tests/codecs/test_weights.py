"""The bundled weights: their cards tell the truth, and files find the set that made them."""

import json
import os
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.loading import load
from flowcodec.codecs.picture import load_for
from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.codecs.weights import (
    BUNDLED,
    find_weights,
    load_weights,
)
from flowcodec.errors import WeightsError
from tests.codecs import stress
from tests.golden import make

CARDS = sorted(BUNDLED.glob("*.json"))
CODERS = [card for card in CARDS if card.stem.startswith("image-")]


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.stem)
def test_a_card_says_what_its_weights_are(card):
    told = json.loads(card.read_text("utf-8"))
    weights = load_weights(card.parent / told["file"])
    assert told["file"] == card.with_suffix(".safetensors").name
    assert told["weights_hash"] == weights.hash[:4].hex()
    if weights.prior:
        model = imported(SYSTEMS[weights.model].model)(weights)
        found = model.prior.hash if hasattr(model, "prior") else model.prior_hash
        assert told["prior_hash"] == found[:4].hex()
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


def foreign(path, dtype="F32", metadata=None):
    """A safetensors file that others wrote: one tensor of eight bytes of zero."""
    shape = [8 * 8 // int("".join(filter(str.isdigit, dtype.split("_")[0])))]
    described = {"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, 8]}}
    header = json.dumps(described | ({"__metadata__": metadata} if metadata else {})).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))


OURS = {"model": "image-cnn", "metric": "mse"}
STRANGERS = {
    "others": lambda path: foreign(path, metadata={"format": "pt"}),
    "no metadata": foreign,
    "bfloat16": lambda path: foreign(path, "BF16"),
    "float8": lambda path: foreign(path, "F8_E4M3"),
    "another model": lambda path: foreign(path, metadata={**OURS, "model": "x", "config": "{}"}),
    "no config": lambda path: foreign(path, metadata={**OURS, "config": "{"}),
    "of a type beyond NumPy": lambda path: foreign(
        path, "BF16", {**OURS, "config": card_config("image-cnn-mse")}
    ),
    "not finite": lambda path: save({"g_a.x": np.array([np.nan], np.float16)}, path),
    "a prior of floats": lambda path: save({"prior.x": np.zeros(3, np.float16)}, path),
    "cut short": lambda path: path.write_bytes(bundled("image-cnn-mse").read_bytes()[:-1]),
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("no weights at all, and long enough for a header"),
    "a folder": lambda path: path.mkdir(),
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
}


def bundled(name):
    return BUNDLED / f"{name}.safetensors"


def card_config(name):
    with safetensors.safe_open(bundled(name), "numpy") as file:
        return file.metadata()["config"]


def save(tensors, path):
    config = card_config("image-cnn-mse")
    path.write_bytes(safetensors.numpy.save(tensors, {**OURS, "config": config}))


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_folder_of_weights_may_hold_other_files(tmp_path, tiny_weights, stranger):
    STRANGERS[stranger](tmp_path / "a.safetensors")
    own = tmp_path / "z.safetensors"
    own.write_bytes(tiny_weights.read_bytes())
    weights = load_weights(tiny_weights)
    assert find_weights(weights.hash[:4], tmp_path).path == own
    assert find_weights(load_weights(bundled("image-cnn-mse")).hash[:4], tmp_path).metric == "mse"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_that_is_named_is_told(tmp_path, stranger):
    path = tmp_path / "a.safetensors"
    STRANGERS[stranger](path)
    for look in (load_weights, lambda path: find_weights(bytes(4), path)):
        if stranger == "a folder" and look is not load_weights:
            continue
        with pytest.raises(WeightsError) as caught:
            look(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_was_passed_over_is_told_where_nothing_fits(tmp_path):
    for name in "abc":
        foreign(tmp_path / f"{name}.safetensors")
    with pytest.raises(WeightsError) as caught:
        find_weights(bytes(4), tmp_path)
    text = str(caught.value)
    assert text.startswith(f"the file needs weights 00000000, which are not among {tmp_path} and")
    assert f"passed over: {tmp_path / 'a.safetensors'} is no weight file of flowcodec" in text
    assert text.endswith("and 2 more)")
    assert "\n" not in text
    with pytest.raises(WeightsError, match="No such file"):
        find_weights(bytes(4), tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["image-cnn-mse", "video-mofnet-mse", "flow-deeppynet-epe"])
def test_older_files_call_slices_groups(tmp_path, name):
    data = (BUNDLED / f"{name}.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    described = data[8 : 8 + size].replace(rb"slices\"", rb"groups\"").ljust(size)
    path = tmp_path / "old.safetensors"
    path.write_bytes(data[:8] + described + data[8 + size :])
    old, new = load_weights(path), load_weights(BUNDLED / f"{name}.safetensors")
    assert b"slices" not in described and b"groups" in described
    assert (old.config, old.hash) == (new.config, new.hash)


def test_graphs_that_need_nonsense_are_told(tmp_path):
    path = tmp_path / "weights.safetensors"
    with safetensors.safe_open(make.FOLDER / "plain.safetensors", "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() | {"graphs": '{"analysis": 3}'}
    safetensors.numpy.save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match="weights.safetensors is broken: what its graphs need"):
        load_weights(path)

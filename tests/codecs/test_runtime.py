"""Graphs compute what the networks they were drawn of compute, and coding needs no torch."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.runtime import Network, provider_of
from flowcodec.codecs.systems.image_cnn import ImageCnnModel
from flowcodec.codecs.weights import Graphs, load_weights, replace_graphs
from flowcodec.errors import UsageError, WeightsError
from flowcodec.media.picture import Picture, write_picture
from flowcodec.training.networks import add_graphs, export
from tests.codecs.in_torch import TorchModel
from tests.golden import make
from tests.models.networks import fine, shake, small

PLAIN = make.FOLDER / "plain.safetensors"
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import fails
from flowcodec.cli.main import main
main()
"""
SHORT_OF_MEMORY = """
import resource
import numpy as np
from flowcodec.codecs.loading import load
from flowcodec.errors import FlowcodecError

model = load(threads=1).model
y = np.zeros((model.channels, 80, 80), np.float32)
with open("/proc/self/statm") as told:
    most = int(told.read().split()[0]) * resource.getpagesize() + 2**24
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    model.synthesise(y, 4000)
except FlowcodecError as error:
    print(error)
"""
NETWORKS = {
    "dense": ("patch", "none", 1, False, {}),
    "gated": ("patch", "none", 1, False, {"trunk": "gated"}),
    "relief": ("patch", "none", 1, False, {"trunk": "gated", "relief": True}),
    "yuv420": ("patch", "none", 1, False, {"trunk": "gated", "planes": "yuv420"}),
    "yuv420, whose colour reaches furthest": (
        "patch",
        "none",
        1,
        False,
        {"trunk": "gated", "planes": "yuv420", "blocks": (0, 0)},
    ),
    "masking": ("patch", "none", 1, False, {"masking": True}),
    "aab and DIRB": ("patch", "aab", 1, True, {}),
    "cheng": ("patch", "cheng", 1, False, {}),
    "strided nlam": ("strided", "nlam", 2, True, {}),
    "strided": ("strided", "none", 1, False, {}),
}


@pytest.fixture(scope="module")
def weights_of(tmp_path_factory):
    """Weights of a small network with some switches, by name."""
    made = {}

    def find(name):
        if name not in made:
            *switches, other = NETWORKS[name]
            model = fine(small(*switches, **other))
            shake(model)
            if "masking" in other:
                for table in (model.prior.log_gain.table, model.log_inverse_gain.table):
                    table.data[:, 0] = 2  # masking's quarter octaves
            path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
            export("image-cnn", model, "mse", path)
            made[name] = load_weights(path)
        return made[name]

    return find


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 80), (96, 272)])
@pytest.mark.parametrize("quality", [1000, 4300, 8000])
def test_graphs_compute_what_torch_computes(height, width, quality, network, weights_of):
    weights = weights_of(network)
    ours, torchs = ImageCnnModel(weights, threads=1), TorchModel(weights)
    pixels = make.draw(height, width, seed=5)
    (y, gain), (y_torch, gain_torch) = (each.analyse(pixels, quality) for each in (ours, torchs))
    np.testing.assert_allclose(y, y_torch, atol=1e-4)
    np.testing.assert_allclose(gain, gain_torch, rtol=1e-5)
    z, z_torch = (each.hyper_analyse(y, quality) for each in (ours, torchs))
    assert np.array_equal(z, z_torch)
    latents = np.rint(y * gain).astype(np.int64)
    shown, shown_torch = (each.synthesise(latents, quality) for each in (ours, torchs))
    assert shown.dtype == np.uint8 and shown.shape == (height, width, 3)
    assert np.abs(shown.astype(int) - shown_torch).max() <= 1
    assert (shown != shown_torch).mean() < 1e-3


@pytest.mark.parametrize(
    "network", ["dense", "gated", "relief", *(n for n in NETWORKS if "yuv" in n)]
)
def test_nothing_beyond_the_reach_changes_a_tile(network, weights_of):
    model = ImageCnnModel(weights_of(network), threads=1)
    pixels, edge = make.draw(224, 48, seed=5), 128
    begin = (edge - model.reach) // model.grid * model.grid
    at, first = edge // model.stride, begin // model.stride
    y, gain = model.analyse(pixels, 4000)
    from_there, _ = model.analyse(pixels[begin:], 4000)
    np.testing.assert_allclose(from_there[:, at - first :], y[:, at:], atol=1e-5)
    latents = np.rint(y * gain)
    shown = model.synthesise(latents, 4000)[edge:].astype(int)
    from_there = model.synthesise(latents[:, first:], 4000)[edge - begin :]
    assert np.abs(shown - from_there).max() <= 1
    assert (shown != from_there).mean() < 1e-3


def test_masking_is_coded_as_it_was_decided(weights_of):
    """A price of bits moves other latents, but not the octaves by which those were divided."""
    codec = PictureCodec(weights_of("masking"))
    pixels = make.draw(48, 80, seed=5)
    y, gain = codec.model.analyse(pixels, 4000)
    octaves = np.rint(y[0] * gain[0])
    np.testing.assert_allclose(octaves, y[0] * gain[0], atol=1e-4)
    assert octaves.std() > 0
    file = parse_picture(codec.encode(pixels, 4.0, kinds=["learned"]).data)
    _, coded = codec.prior.decode(file.tiles[0].data, 3, 5, 4000)
    assert np.array_equal(coded[0], octaves)


def test_the_commands_code_pictures_without_torch(tmp_path):
    source, coded, back = (tmp_path / name for name in ("a.png", "a.fci", "b.png"))
    write_picture(Picture(make.draw(70, 50)), source)
    for command in (["encode", source, "-o", coded], ["decode", coded, "-o", back]):
        subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, *map(str, command), "--weights", str(PLAIN)],
            check=True,
        )
    assert back.exists()


def test_graphs_change_no_hash_and_can_be_drawn_again(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(PLAIN.read_bytes())
    replace_graphs(path, Graphs({}, {}, {}))
    bare = load_weights(path)
    assert bare.hash == load_weights(PLAIN).hash and not bare.graphs.skeletons
    with pytest.raises(WeightsError, match=r"no graph 'analysis'.*flowcodec.training.networks"):
        PictureCodec(bare)
    add_graphs(path)
    drawn = load_weights(path)
    add_graphs(path)
    again = load_weights(path).graphs
    assert drawn.graphs.skeletons == again.skeletons and drawn.graphs.needs == again.needs
    assert all(map(np.array_equal, drawn.graphs.constants.values(), again.constants.values()))
    codecs = [PictureCodec(weights) for weights in (load_weights(PLAIN), drawn)]
    data = codecs[0].encode(make.draw(48, 80), 4.0, kinds=["learned"]).data
    pictures = [codec.decode(data).pixels for codec in codecs]
    assert np.abs(np.subtract(*pictures, dtype=np.int16)).max() <= 1


def test_tensors_that_do_not_fit_a_graph_are_told():
    weights = load_weights(PLAIN)
    for change in ({"h_a.first.bias": np.zeros(3, np.float32)}, {}):
        tensors = {**weights.transforms, **change}
        if not change:
            del tensors["h_a.first.bias"]
        with pytest.raises(WeightsError, match="the tensors do not fit") as caught:
            Network(dataclasses.replace(weights, transforms=tensors), "hyper_analysis")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:-1", "", "cuda", "coreml"])
def test_a_device_that_is_not_here_is_told(device):
    with pytest.raises(UsageError, match="cpu"):
        provider_of(device)


def test_devices_are_known_by_short_names():
    assert provider_of("cpu") == ("CPUExecutionProvider", {})


def test_a_graph_stands_in_the_file_without_weights():
    size = Path(PLAIN).stat().st_size
    weights = load_weights(PLAIN)
    assert sum(map(len, weights.graphs.skeletons.values())) < size / 2
    assert all(len(needs) > 3 for needs in weights.graphs.needs.values())


@pytest.mark.skipif(sys.platform != "linux", reason="limits its address space as Linux can")
def test_too_little_memory_is_told_in_a_line():
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY], check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("there is too little memory for synthesis of ")
    assert len(done.stdout.splitlines()) == 1

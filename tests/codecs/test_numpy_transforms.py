"""The NumPy pixel path computes what torch computes, and keeps torch out of coding."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.numpy_transforms import NumpyTransforms, fits
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.torch_transforms import TorchTransforms
from flowcodec.codecs.transforms import open_transforms
from flowcodec.codecs.weights import load_weights
from flowcodec.media.picture import Picture, write_picture
from flowcodec.models.image_cnn.config import PRESETS
from flowcodec.training.image_cnn.training import export
from tests.golden import make
from tests.models.networks import fine, shake, small

PLAIN = make.FOLDER / "plain.safetensors"
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import fails
from flowcodec.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network with masking."""
    model = fine(small("patch", "none", 1, False, masking=True))
    shake(model)
    for table in (model.prior.log_gain.table, model.log_inverse_gain.table):
        table.data[:, 0] = 2  # masking's quarter octaves
    path = tmp_path_factory.mktemp("weights") / "masked.safetensors"
    export(model, "ms-ssim", path)
    return path


@pytest.mark.parametrize("trunk", ["dense", "gated"])
def test_numpy_is_taken_where_it_knows_the_trunk(trunk: str, tmp_path: Path) -> None:
    model = fine(small("patch", "none", 1, False, trunk=trunk))
    export(model, "mse", tmp_path / "weights.safetensors")
    weights = load_weights(tmp_path / "weights.safetensors")
    taken = NumpyTransforms if trunk == "dense" else TorchTransforms
    assert isinstance(open_transforms(weights, "cpu", 1), taken)


@pytest.mark.parametrize("masking", [False, True])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 80), (96, 32)])
@pytest.mark.parametrize("quality", [1000, 4300, 8000])
def test_both_paths_agree(
    height: int, width: int, quality: int, masking: bool, masked: Path
) -> None:
    weights = load_weights(masked if masking else PLAIN)
    ours, torchs = NumpyTransforms(weights), TorchTransforms(weights, threads=1)
    pixels = make.draw(height, width, seed=5)
    (y, gain), (y_torch, gain_torch) = (t.analyse(pixels, quality) for t in (ours, torchs))
    np.testing.assert_allclose(y, y_torch, atol=1e-4)
    np.testing.assert_allclose(gain, gain_torch, rtol=1e-5)
    z, z_torch = (t.hyper_analyse(y, quality) for t in (ours, torchs))
    assert np.array_equal(z, z_torch)
    latents = np.rint(y * gain).astype(np.int64)
    shown, shown_torch = (t.synthesise(latents, quality) for t in (ours, torchs))
    assert shown.dtype == np.uint8 and shown.shape == (height, width, 3)
    assert np.abs(shown.astype(int) - shown_torch).max() <= 1
    assert (shown != shown_torch).mean() < 1e-3


def test_masking_is_coded_as_it_was_decided(masked: Path) -> None:
    """A price of bits moves other latents, but not the octaves by which those were divided."""
    weights = load_weights(masked)
    codec = PictureCodec(weights)
    pixels = make.draw(48, 80, seed=5)
    y, gain = codec.transforms.analyse(pixels, 4000)
    octaves = y[0] * gain[0]
    assert np.array_equal(octaves, np.rint(octaves)) and octaves.std() > 0
    file = parse_picture(codec.encode(pixels, 4.0, kinds=["learned"]).data)
    _, coded = codec.prior.decode(file.tiles[0].data, 3, 5, 4000)
    assert np.array_equal(coded[0], octaves)


def test_attention_and_refinement_are_left_to_torch() -> None:
    assert fits(PRESETS["compact"]) and not fits(PRESETS["tiny"]) and not fits(PRESETS["paper"])
    tiny = load_weights(make.FOLDER / "tiny.safetensors")
    assert isinstance(open_transforms(tiny, "cpu", 1), TorchTransforms)
    assert isinstance(open_transforms(load_weights(PLAIN), "cpu", 1), NumpyTransforms)


def test_the_commands_code_pictures_without_torch(tmp_path) -> None:
    source, coded, back = (tmp_path / name for name in ("a.png", "a.fci", "b.png"))
    write_picture(Picture(make.draw(70, 50)), source)
    for command in (["encode", source, "-o", coded], ["decode", coded, "-o", back]):
        subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, *map(str, command), "--weights", str(PLAIN)],
            check=True,
        )
    assert back.exists()

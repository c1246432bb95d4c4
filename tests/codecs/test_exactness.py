"""Symbols are the same everywhere; pixels are within 1 of 255.

Children decode with other threads and other arithmetic than the process that encoded.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from benchmarks import otherwise
from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs import weights
from flowcodec.codecs.loading import load
from flowcodec.codecs.picture import PictureCodec
from tests.codecs.in_torch import TorchModel
from tests.golden import make

DECODE = """
import sys
from pathlib import Path
import numpy as np
from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.loading import load
from benchmarks.otherwise import run_otherwise
from tests.golden import make

weights, file, threads, out, machine = sys.argv[1:]
if "as drawn" in machine:
    run_otherwise()
codec = load(weights=weights, threads=int(threads))
data = Path(file).read_bytes()
pairs = make.latents(codec.prior, parse_picture(data))
latents = np.concatenate([part.ravel() for pair in pairs for part in pair])
np.savez(out, pixels=codec.decode(data).pixels, latents=latents)
"""
MACHINES = {
    "two threads": (2, {}),
    "AVX2": (1, {"OPENBLAS_CORETYPE": "Haswell"}),
    "as drawn, SSE4.1": (1, otherwise.OPENBLAS),
}


def best_weights() -> Path:
    """The bundled weights where there are some, else the small frozen ones."""
    bundled = weights.BUNDLED / "image-cnn-mse.safetensors"
    return bundled if bundled.exists() else make.FOLDER / "tiny.safetensors"


@cache
def photograph() -> np.ndarray:
    """A photograph of 192x256 pixels."""
    data = pytest.importorskip("skimage.data")
    pixels: np.ndarray = data.astronaut()[40:232, 120:376]
    return np.ascontiguousarray(pixels)


@pytest.mark.parametrize("machine", MACHINES)
def test_other_machines_read_the_same_symbols(machine, tmp_path):
    threads, environment = MACHINES[machine]
    codec = load(weights=best_weights(), threads=1)
    coded = codec.encode(photograph(), 5.5, tile=128, kinds=["learned"])
    file, out = tmp_path / "picture.fci", tmp_path / "decoded.npz"
    file.write_bytes(coded.data)
    subprocess.run(
        [sys.executable, "-c", DECODE, best_weights(), file, str(threads), out, machine],
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | environment | {"OMP_NUM_THREADS": str(threads)},
    )

    pairs = make.latents(codec.prior, parse_picture(coded.data))
    found = np.load(out)
    assert np.array_equal(found["latents"], np.concatenate([a.ravel() for p in pairs for a in p]))
    difference = np.abs(found["pixels"].astype(int) - coded.reconstruction)
    assert difference.max() <= 1


def test_networks_as_drawn_are_like_those_of_another_machine(monkeypatch):
    ours, _ = load(weights=best_weights(), threads=1).model.analyse(photograph(), 4000)
    monkeypatch.setattr(onnxruntime, "SessionOptions", otherwise.AsDrawn)
    theirs, _ = load(weights=best_weights(), threads=1).model.analyse(photograph(), 4000)
    assert not np.array_equal(ours, theirs)
    assert np.allclose(ours, theirs, atol=1e-3)


def in_torch() -> PictureCodec:
    """The best weights on the pixel path that knows other precisions."""
    codec = load(weights=best_weights(), threads=1)
    codec.model = TorchModel(codec.weights)
    return codec


@pytest.mark.parametrize("quality", [2, 6])
def test_bfloat16_pixels_cost_less_than_two_hundredths_of_a_decibel(quality):
    codec = in_torch()
    coded = codec.encode(photograph(), quality, kinds=["learned"])
    with torch.autocast("cpu", torch.bfloat16):
        decoded = codec.decode(coded.data)  # compares the hash of the latents
    error = np.square(decoded.pixels.astype(float) - photograph()).mean()
    assert not np.array_equal(decoded.pixels, coded.reconstruction)
    assert 10 * np.log10(255**2 / error) == pytest.approx(coded.psnr, abs=0.02)


@torch.no_grad()
def test_bfloat16_encoder_writes_files_that_float32_decodes():
    codec = in_torch()
    with torch.autocast("cpu", torch.bfloat16):
        coded = codec.encode(photograph(), 4, kinds=["learned"])
    exact = codec.encode(photograph(), 4, kinds=["learned"])
    decoded = codec.decode(coded.data)
    error = np.square(decoded.pixels.astype(float) - photograph()).mean()
    assert 10 * np.log10(255**2 / error) == pytest.approx(exact.psnr, abs=0.05)

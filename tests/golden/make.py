"""Makes the golden files beside this script: `python -m tests.golden.make`.

The files are frozen: every later version must decode them to the same latents. So nothing that
exists is ever written over; a new kind of stream gets a new name here and is made beside the old
ones. The models are untrained, but no part of them is silent:

tiny.safetensors    patch transform, attention, context, one Gaussian, DIRB
plain.safetensors   patch transform, no attention or DIRB, one Gaussian: runs in NumPy
merge.safetensors   strided transform, one slice, mixtures of three Gaussians, no attention
cgam.safetensors    patch transform, two of three slices see by similarity too

and expected.json holds, for each stream, the model, the SHA-256 of its latents (z then y of all
tiles, or the coefficients or samples of tiles of the other kinds, as little-endian 32-bit integers)
and of its entropy-coded bytes. The decoded pictures are
stored as PNG, to be met within 1 of 255.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from flowcodec.bitstream.lossless import unpack_lossless
from flowcodec.bitstream.picture_file import LEARNED, PLAIN, PictureFile, parse_picture
from flowcodec.codecs.loading import load
from flowcodec.codecs.picture import PictureCodec
from flowcodec.entropy import plain
from flowcodec.entropy.prior import ExactPrior
from flowcodec.media.picture import Picture, write_picture
from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_cnn.klt import start_from_klt
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import StridedAnalysis
from flowcodec.training.networks import export
from tests.entropy.samples import randomise

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected.json"
MODELS = {
    "tiny": ImageCnnConfig(
        transform="patch",
        width=4,
        latent=16,
        hyper=4,
        features=8,
        hidden=(8, 8),
        slices=(6, 10),
        attention="aab",
        components=1,
        refinement=True,
        blocks=(1, 1),
    ),
    "plain": ImageCnnConfig(
        transform="patch",
        width=4,
        latent=16,
        hyper=4,
        features=8,
        hidden=(8, 8),
        slices=(4, 5, 7),
        attention="none",
        components=1,
        refinement=False,
        blocks=(1, 2),
    ),
    "merge": ImageCnnConfig(
        transform="strided",
        width=4,
        latent=6,
        hyper=3,
        features=6,
        hidden=(8, 8),
        slices=(6,),
        attention="none",
        components=3,
        refinement=False,
    ),
    "cgam": ImageCnnConfig(
        transform="patch",
        width=4,
        latent=16,
        hyper=3,
        features=8,
        hidden=(8, 8),
        slices=(6, 4, 6),
        attention="none",
        components=1,
        refinement=False,
        blocks=(1, 1),
        trunk="gated",
        first_half=1,
    ),
}
RATE_WEIGHTS = [0.0018 * 2.0**step for step in range(8)]


@dataclasses.dataclass(frozen=True)
class Stream:
    """How a golden stream was made."""

    model: str
    height: int
    width: int
    quality: float
    gray: bool = False
    alpha: bool = False
    soft: bool = False  # of alpha: a slope, a bowl, then hard shapes
    icc: bytes | None = None
    tile: int = 1024
    kinds: tuple[str, ...] = ("learned",)


KINDS = ("learned", "plain", "lossless")
STREAMS = {
    "gray-1x1": Stream("tiny", 1, 1, 4.0, gray=True),
    "rgb-37x23": Stream("tiny", 23, 37, 5.5),
    "rgba-icc-70x130": Stream("tiny", 130, 70, 2.0, alpha=True, icc=b"no real profile " * 8),
    "two-tiles-100x40": Stream("tiny", 40, 100, 8.0, tile=64),
    "plain-90x75": Stream("plain", 75, 90, 6.5),
    "mixtures-33x50": Stream("merge", 50, 33, 3.25),
    "similar-90x75": Stream("cgam", 75, 90, 6.5),
    "dct-90x75": Stream("plain", 75, 90, 5.0, kinds=("plain",)),
    "dct-gray-21x100": Stream("plain", 100, 21, 7.25, gray=True, tile=64, kinds=("plain",)),
    "lossless-30x20": Stream("plain", 20, 30, 4.0, kinds=("lossless",)),
    "samples-5x3": Stream("plain", 3, 5, 4.0, kinds=("lossless",)),
    "matte-2080x8": Stream("plain", 8, 2080, 4.0, alpha=True, soft=True, kinds=KINDS),
    "kinds-120x40": Stream("plain", 40, 120, 3.0, tile=64, kinds=("learned", "lossless")),
}


def draw(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with slopes, edges, a disc and grain."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    picture = np.stack(
        [128 + 90 * np.sin(rows / 17 + c) * np.cos(columns / 23 - c) for c in range(3)]
    )
    picture[:, (rows // 16 + columns // 24) % 3 == 0] += 40
    disc = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (min(height, width) / 3) ** 2
    picture[:, disc] = picture[::-1, disc] * 0.7
    picture += random.normal(0, 4, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def source(stream: Stream) -> Picture:
    """The picture that a stream was made from."""
    pixels = draw(stream.height, stream.width)
    if "lossless" in stream.kinds:
        pixels[:, stream.width // 2 :] = pixels[:, stream.width // 2 :] // 64 * 64
    if stream.gray:
        pixels = pixels[:, :, 1:2].copy()
    alpha = draw(stream.height, stream.width, 1)[:, :, 0].copy() if stream.alpha else None
    if alpha is not None and stream.soft:
        rows, columns = np.mgrid[: stream.height, : stream.width]
        slope = np.hypot(columns - 500, 30 * rows - 200) / 2 % 256
        bowl = (columns - 1500 + 53 * rows) ** 2 // 60 % 256
        hard = 255 - columns // 8 % 2 * 100
        alpha = np.choose(columns // 1024, [slope, bowl, hard]).astype(np.uint8)
    return Picture(pixels, alpha, stream.icc)


@torch.no_grad()
def untrained(config: ImageCnnConfig, seed: int) -> ImageCnn:
    """A model that codes drawn pictures passably and in which every layer matters."""
    torch.manual_seed(seed)
    model = ImageCnn(config).eval()
    for name, parameter in model.named_parameters():
        if "prior" not in name and not parameter.any():
            parameter.copy_(0.005 * torch.randn(parameter.shape))
    randomise(model.prior, seed)
    if config.transform == "patch":
        patches = [
            draw(256, 256, i)[16 * r : 16 * r + 16, 16 * c : 16 * c + 16].transpose(2, 0, 1)
            for i in range(4)
            for r in range(16)
            for c in range(16)
        ]
        start_from_klt(model, np.stack(patches).reshape(-1, 768) / 255.0 - 0.5, RATE_WEIGHTS)
    quality = torch.tensor([4.0])
    x = torch.from_numpy(draw(256, 256, 9) / np.float32(255)).permute(2, 0, 1)[None]
    y, _ = model.analyse(x, quality)
    if isinstance(model.g_a, StridedAnalysis):
        scale_output(model.g_a.layers[-2], y)
        model.log_inverse_gain.table.copy_(model.prior.log_gain.table)
        y, _ = model.analyse(x, quality)
    scale_output(model.h_a.layers[-1], model.h_a(y))
    return model


def scale_output(layer: nn.Module, output: torch.Tensor) -> None:
    """Scale a last convolution so that its output has unit variance in every channel."""
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    spread = output.std((0, 2, 3))
    layer.weight.div_(spread[:, None, None, None])
    layer.bias.div_(spread)


def latents(prior: ExactPrior, file: PictureFile) -> list[tuple[NDArray[np.integer], ...]]:
    """z and y of every learned tile, coefficients of plain and samples of lossless ones."""
    channels = 1 if file.header.gray else 3
    found: list[tuple[NDArray[np.integer], ...]] = []
    for index, tile in enumerate(file.tiles):
        _, _, height, width = file.header.tile_box(index)
        if tile.type == LEARNED:
            size = -(-height // 16), -(-width // 16)
            found.append(prior.decode(tile.data, *size, file.header.quality))
        elif tile.type == PLAIN:
            found.append((plain.decode(tile.data, -(-height // 8), -(-width // 8), channels),))
        else:
            found.append((unpack_lossless(tile.data, height, width, channels),))
    return found


def digests(prior: ExactPrior, file: PictureFile) -> dict[str, str]:
    """What expected.json says of a stream."""
    digest = hashlib.sha256()
    for pair in latents(prior, file):
        for integers in pair:
            digest.update(integers.astype("<i4").tobytes())
    code = b"".join(tile.data for tile in file.tiles)
    return {"latents": digest.hexdigest(), "code": hashlib.sha256(code).hexdigest()}


def codec(model: str) -> PictureCodec:
    """A codec with one of the frozen models."""
    return load(weights=FOLDER / f"{model}.safetensors", threads=1)


def main() -> None:
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    for seed, (name, config) in enumerate(MODELS.items(), 1):
        path = FOLDER / f"{name}.safetensors"
        if not path.exists():
            export("image-cnn", untrained(config, seed), "mse", path)
    for name, stream in STREAMS.items():
        path = FOLDER / f"{name}.fci"
        if path.exists():
            continue
        coder = codec(stream.model)
        coded = coder.encode(source(stream), stream.quality, tile=stream.tile, kinds=stream.kinds)
        path.write_bytes(coded.data)
        write_picture(coder.decode(coded.data), path.with_suffix(".png"))
        found = digests(coder.prior, parse_picture(coded.data))
        expected[name] = {"model": stream.model, **found}
        print(f"{path.name}: {len(coded.data)} bytes, {coded.psnr:.2f} dB")
    EXPECTED.write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()

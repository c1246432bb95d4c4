"""Makes the golden videos beside this script: `python -m tests.golden.make_video`.

Frozen like the pictures of `make.py`: what exists is never written over. The models of inter frames
are untrained, but no part of their priors is silent:

inter-patch.safetensors     patch transform, slices, latents of the frame before, masking
inter-strided.safetensors   strided transform, wavefront

Latents stand in them in all ways, relative to a global motion. I-frames are of
`plain.safetensors`. Each video has two groups, and a repeated frame in the first; its decoded
frames stand side by side in a PNG, to be met within 1 of 255 in nearly all samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.video_file import read_groups
from flowcodec.codecs.picture import PictureCodec
from flowcodec.codecs.systems.video_mofnet import Kind
from flowcodec.codecs.video import VideoCodec, load_for_video
from flowcodec.codecs.weights import load_weights
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video.format import usual_format
from flowcodec.models.video_mofnet.config import PRESETS, MofNetConfig
from tests.codecs.inter_samples import Forced, Panning, save_untrained
from tests.golden.make import FOLDER, draw

MODELS: dict[str, MofNetConfig] = {
    "inter-patch": dataclasses.replace(
        PRESETS["tiny"],
        order="checkerboard",
        motion_slices=(8, 4),
        slices=(8, 16),
        masking=True,
    ),
    "inter-strided": dataclasses.replace(
        PRESETS["tiny"], transform="strided", interpolation="bilinear", temporal=False
    ),
}
QUALITIES = {"inter-patch": 4.75, "inter-strided": 6.0}
KINDS = [Kind.WHOLE, Kind.BARE, Kind.NOTHING, Kind.WHOLE, Kind.BARE]  # of motion, codec, motion ...
HEIGHT, WIDTH, GOP = 37, 53, 4


def frames() -> list[NDArray[np.uint8]]:
    """Six frames: a window over a drawing, standing still once."""
    whole = draw(HEIGHT + 10, WIDTH + 15)
    at = [0, 1, 1, 2, 3, 4]
    return [np.ascontiguousarray(whole[2 * n :, 3 * n :][:HEIGHT, :WIDTH]) for n in at]


def decoded(name: str) -> Iterator[NDArray[np.uint8]]:
    """The frames of a golden video, by the weights beside it."""
    stream = BytesIO((FOLDER / f"{name}.fcv").read_bytes())
    header, groups = read_groups(stream)
    codec = load_for_video(header, weights=FOLDER)
    for group in groups:
        for _, frame in codec.decode(header, group):
            yield frame


def main() -> None:
    """Make what is missing."""
    for name, config in MODELS.items():
        weights = FOLDER / f"{name}.safetensors"
        if not weights.exists():
            save_untrained(config, weights, 11, 13)
        video = FOLDER / f"{name}.fcv"
        if not video.exists():
            intra = PictureCodec(load_weights(FOLDER / "plain.safetensors"))
            inter = Forced(load_weights(weights), Panning(), cycle(KINDS))
            codec = VideoCodec(intra, inter)
            stream = BytesIO()
            format = usual_format(WIDTH, HEIGHT, Fraction(30))
            codec.write(enumerate(frames()), format, stream, QUALITIES[name], gop=GOP)
            video.write_bytes(stream.getvalue())
            write_picture(Picture(np.concatenate(list(decoded(name)), 1)), FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()

"""Small inter models, not trained, and frames for them."""

import dataclasses

import numpy as np
import torch

from flowcodec.codecs.systems.video_mofnet import Kind, MofNetModel
from flowcodec.codecs.weights import load_weights
from flowcodec.models.video_mofnet.config import PRESETS
from flowcodec.models.video_mofnet.model import VideoMofNet
from flowcodec.training.networks import export
from tests.entropy.samples import randomise

SMALL = {
    "patch": PRESETS["tiny"],
    "slices": dataclasses.replace(
        PRESETS["tiny"], order="checkerboard", motion_slices=(8, 4), slices=(8, 16)
    ),
    "orders": dataclasses.replace(
        PRESETS["tiny"],
        order=("one-step", "wavefront", "four-step"),
        motion_slices=(2, 4, 6),
        slices=(8, 8, 8),
    ),
    "strided": dataclasses.replace(
        PRESETS["tiny"], transform="strided", interpolation="bilinear", temporal=False
    ),
    "residual": dataclasses.replace(PRESETS["tiny"], conditional=False),
    "coded": dataclasses.replace(PRESETS["tiny"], modes="coded"),
}


class Still:
    """An estimator that sees nothing move."""

    def flow(self, first, second):
        return np.zeros((2, *first.shape[1:]), np.float32)


class Panning:
    """An estimator that sees everything move by so many pixels to the right and down."""

    def __init__(self, right=3, down=2):
        self.moved = np.array([right, down], np.float32)

    def flow(self, first, second):
        return np.broadcast_to(self.moved[:, None, None], (2, *first.shape[1:]))


def untrained(name, folder):
    """The weights of one of SMALL, from a file in that folder."""
    path = folder / f"{name}.safetensors"
    save_untrained(SMALL[name], path, 3, 5)
    return load_weights(path)


def save_untrained(config, path, seed, prior_seed):
    """Write weights that nobody trained; no part of their priors is silent."""
    torch.manual_seed(seed)
    model = VideoMofNet(config)
    for part in (model.motion, model.codec):
        randomise(part.prior, prior_seed)
        with torch.no_grad():
            part.log_inverse_gain.table.copy_(part.prior.log_gain.table)
    export("video-mofnet", model, "mse", path)


class Forced(MofNetModel):
    """An encoder that writes sets of latents in the ways it is told, whatever they cost."""

    def __init__(self, weights, estimator, kinds):
        super().__init__(weights, threads=1, estimator=estimator)
        self.kinds = iter(kinds)

    def _draft_motion(self, *given):
        self.kind = next(self.kinds)
        return super()._draft_motion(*given)

    def _draft_rest(self, *given):
        self.kind = next(self.kinds)
        return super()._draft_rest(*given)

    def _kinds(self, z, gained, fresh):
        return [Kind.WHOLE if self.kind is Kind.NOTHING else self.kind]

    def _cheapest(self, x, drafts, shown, quality):
        return [each.latents.kind for each in drafts].index(self.kind)


def frames(height, width):
    rng = np.random.default_rng(height)
    rows, columns = np.indices((height, width))
    base = 120 + 60 * np.sin(rows / 7 + columns / 11)
    first = np.stack([base, base[::-1], base[:, ::-1]], 2) + rng.normal(0, 4, (height, width, 3))
    second = np.roll(first, (1, 2), (0, 1)) + rng.normal(0, 4, (height, width, 3))
    return (np.clip(np.rint(x), 0, 255).astype(np.uint8) for x in (first, second))

"""Graphs of video-mofnet compute what its network computes, and videos need no torch."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from flowcodec.codecs.systems.video_mofnet import Kind, Latents, MofNetModel
from flowcodec.codecs.weights import load_weights
from flowcodec.media.picture import Picture, write_picture
from flowcodec.models.video_mofnet.global_motion import field
from flowcodec.models.video_mofnet.model import Prediction
from flowcodec.nn.warp import filtered
from flowcodec.training.networks import restored
from tests.codecs.inter_samples import SMALL, frames, save_untrained
from tests.codecs.test_runtime import WITHOUT_TORCH
from tests.evaluation.moving import moving_texture

PATCH, STRIDED = SMALL["patch"], SMALL["strided"]
CONFIGS = {
    "bilinear": dataclasses.replace(PATCH, interpolation="bilinear"),
    "bicubic": PATCH,
    "spline": dataclasses.replace(PATCH, interpolation="spline"),
    "masking": dataclasses.replace(PATCH, masking=True),
    "residual": dataclasses.replace(PATCH, conditional=False),
    "skipped": dataclasses.replace(PATCH, modes="skipped"),
    "strided": STRIDED,
    "strided spline": dataclasses.replace(STRIDED, interpolation="spline", conditional=False),
}


@pytest.fixture(scope="module", params=CONFIGS)
def weights(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_untrained(CONFIGS[request.param], path, 3, 5)
    return load_weights(path)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 112)])
@pytest.mark.parametrize("quality", [1000, 6300])
@torch.no_grad()
def test_graphs_compute_what_torch_computes(weights, height, width, quality):
    model, network, config = MofNetModel(weights, threads=1), restored(weights), weights.config
    rng = np.random.default_rng(height)
    frame, before = frames(height, width)
    state = model.start(before)
    sizes = height // 16, width // 16
    y_m = rng.integers(-9, 10, (config.motion_latent, *sizes))
    y_c = rng.integers(-9, 10, (config.latent, *sizes))
    coarse = rng.normal(0, 3, (2, height // 8, width // 8)).astype(np.float32)
    camera = np.array([9, 3, -2, -20, 1, 5])
    at = torch.tensor([quality / 1000])

    def tensor(x):
        return torch.tensor(np.asarray(x, np.float32))[None]

    x, reference = (tensor(each.transpose(2, 0, 1)) / 255 for each in (frame, before))
    source = filtered(reference - 0.5, config.interpolation)
    np.testing.assert_allclose(model.source(state), source[0], atol=1e-5)
    moved = field(camera, *coarse.shape[1:])
    y = model._motion_analysis(
        samples=frame,
        reference=before.astype(np.float32),
        source=source[0].numpy(),
        coarse=coarse,
        camera=moved,
        quality=at.numpy(),
    )
    inputs = x - 0.5, reference - 0.5, source, tensor(coarse), tensor(moved), at
    np.testing.assert_allclose(y, network.motion.g_a(*inputs)[0], atol=1e-3)
    for kind in (Kind.BARE, Kind.NOTHING):
        latents = Latents(kind, np.zeros(0), y_m, None, None)
        found = model.predict(camera, latents, source[0].numpy(), quality)
        pixels = tensor(field(camera, height, width))
        wanted = network.predict(tensor(y_m), pixels, source, at, float(kind is Kind.BARE))
        np.testing.assert_allclose(found.flow, wanted.flow[0], atol=1e-3)
        np.testing.assert_allclose(found.alpha, wanted.alpha[0], atol=1e-4)
        np.testing.assert_allclose(found.picture, wanted.picture[0], atol=2e-3)
    known = Prediction(wanted.flow, tensor(found.alpha), tensor(found.picture))
    given = {"picture": found.picture, "alpha": found.alpha, "quality": at.numpy()}
    y = model._codec_analysis(samples=frame, **given)
    np.testing.assert_allclose(y, network.analyse(x, known, at)[0], atol=1e-3)
    samples = model.synthesise(Latents(Kind.BARE, np.zeros(0), y_c, None, None), found, quality)
    wanted = network.synthesise(tensor(y_c), known, at)[0].permute(1, 2, 0) * 255
    np.testing.assert_allclose(samples, wanted, atol=0.02)


def test_the_commands_code_videos_without_torch(tmp_path):
    source, coded, back = tmp_path / "frames", tmp_path / "a.fcv", tmp_path / "back"
    source.mkdir()
    for number, frame in enumerate(moving_texture(64, 96, (1.5, 0.5), 3)):
        write_picture(Picture(frame), source / f"{number:03}.png")
    for command in (["encode", source, "-o", coded], ["decode", coded, "-o", back]):
        run = [sys.executable, "-c", WITHOUT_TORCH, *map(str, command)]
        subprocess.run(run, check=True)
    assert len(list(back.iterdir())) == 3

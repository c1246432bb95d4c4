"""What a network costs: parameters, and multiply-adds per pixel of encoding and decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from flowcodec.codecs.weights import exact_prior, inter_priors, load_weights
from flowcodec.entropy.order import RANKINGS, steps_of
from flowcodec.models.flow_deeppynet.config import DeepPyNetConfig
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_cnn.model import LATENT_STRIDE, ImageCnn
from flowcodec.models.video_mofnet.config import MofNetConfig
from flowcodec.models.video_mofnet.model import VideoMofNet
from flowcodec.nn.order import LATER
from flowcodec.nn.prior import Prior

HEIGHT, WIDTH = 512, 768  # a Kodak picture


@dataclass(frozen=True)
class Work:
    """Parameters, and thousands of multiply-adds per pixel.

    analysis is g_a and h_a; prior is h_s, contexts and heads, in integers, the same for both
    ways; synthesis is g_s with the refinement. closed: an encoder synthesises too, since the next
    frame is predicted from the result.
    """

    parameters: int
    analysis: float
    prior: float
    synthesis: float
    closed: bool = False

    @property
    def encode(self) -> float:
        """Pixels to code. Where it is not `closed`, measuring the result costs a synthesis more."""
        return self.analysis + self.prior + (self.synthesis if self.closed else 0)

    @property
    def decode(self) -> float:
        """Code to pixels."""
        return self.prior + self.synthesis

    def as_json(self) -> dict[str, object]:
        """For model cards."""
        return {
            "parameters": self.parameters,
            "kmac_per_pixel": {
                "encode": round(self.encode, 2),
                "decode": round(self.decode, 2),
                "analysis": round(self.analysis, 2),
                "prior": round(self.prior, 2),
                "synthesis": round(self.synthesis, 2),
            },
        }


def work_of(config: ImageCnnConfig) -> Work:
    """Count convolutions and matrix products over a picture of 768x512, without computing it."""
    with torch.device("meta"):
        model = ImageCnn(config)
        x = torch.zeros(1, 3, HEIGHT, WIDTH)
        quality = torch.ones(1)
    # Attention is written out as matrix products, which the counter knows on every device.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as analysis:
            y = model.g_a(x, quality)
            z = model.h_a(y)
        with FlopCounterMode(display=False) as prior:
            model.prior(y, z, quality)
        with FlopCounterMode(display=False) as synthesis:
            model.synthesise(y, quality)
    return Work(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        analysis=_kmac(analysis),
        prior=_kmac(prior) - _unused(model.prior),
        synthesis=_kmac(synthesis),
    )


def inter_work_of(config: MofNetConfig) -> Work:
    """The same of a P-frame; that of estimating the flow which it codes comes on top."""
    with torch.device("meta"):
        model = VideoMofNet(config)
        x = torch.zeros(1, 3, HEIGHT, WIDTH)
        flow, quality = torch.zeros(1, 2, HEIGHT, WIDTH), torch.ones(1)
    counters = [FlopCounterMode(display=False) for _ in range(3)]
    analysis, prior, synthesis = counters
    with torch.no_grad():
        with analysis:
            coarse, pictures = model.settle(x, x, flow, quality)
            camera = flow.new_zeros(1, 6)
            y_m = model.motion.g_a(coarse, pictures, camera, quality)
            z_m = model.motion.h_a(y_m)
        with synthesis:
            found = model.predict(y_m, camera, x, quality)
        with analysis:
            y_c = model.analyse(x, found, quality)
            z_c = model.codec.h_a(y_c)
        with synthesis:
            model.synthesise(y_c, found, quality)
        with prior:
            past = model.nothing(y_m.shape)
            model.motion.prior(y_m, z_m, quality, beside=past.motion)
            seen = torch.cat([past.codec, past.motion], 1)
            model.codec.prior(y_c, z_c, quality, beside=seen)
    return Work(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        analysis=_kmac(analysis),
        prior=_kmac(prior) - _unused(model.motion.prior) - _unused(model.codec.prior),
        synthesis=_kmac(synthesis),
        closed=True,
    )


def _kmac(counter: FlopCounterMode) -> float:
    return float(counter.get_total_flops()) / 2000 / (HEIGHT * WIDTH)


def _unused(prior: Prior) -> float:
    """Training runs a context over the whole map for each rank of positions, and for what the whole
    slice tells; coding makes each product once, and none with what is not known yet."""
    config = prior.config
    unused = 0.0
    for index, order in enumerate(config.orders):
        if order == "one-step":
            continue
        taps = RANKINGS[order].kernel ** 2
        steps = steps_of(order, HEIGHT // LATENT_STRIDE, WIDTH // LATENT_STRIDE)
        known = sum(len(step.seen) * len(step.positions) for step in steps)
        tells = RANKINGS[order].around and index + 1 < len(config.orders)
        made = taps if tells else known / sum(len(step.positions) for step in steps)
        weights = prior.get_parameter(f"contexts.{index}.weight").numel()
        unused += weights * (LATER[order] + tells - made / taps)
    return unused / 1000 / LATENT_STRIDE**2


def flow_work_of(config: DeepPyNetConfig) -> tuple[int, float]:
    """Parameters, and thousands of multiply-adds per pixel of one picture of a pair."""
    with torch.device("meta"):
        model = DeepPyNet(config)
        x = torch.zeros(1, 3, HEIGHT, WIDTH)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.estimates(x, x)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return parameters, counter.get_total_flops() / 2000 / (HEIGHT * WIDTH)


def card_of(path: Path, preset: str, quality: float | None = None) -> dict[str, Any]:
    """The facts that `flowcodec models` shows of a weight file, for the JSON file beside it.

    quality: the only one of an image codec that was trained for one.
    """
    weights = load_weights(path)
    card = {
        "model": weights.model,
        "metric": weights.metric,
        "preset": preset,
        "file": path.name,
        "weights_hash": weights.hash[:4].hex(),
    }
    if weights.model == "flow-deeppynet":
        parameters, kmac = flow_work_of(weights.config)
        return {**card, "parameters": parameters, "kmac_per_pixel": {"flow": round(kmac, 2)}}
    if weights.model == "video-mofnet":
        prior, work = inter_priors(weights).hash, inter_work_of(weights.config)
    else:
        prior, work = exact_prior(weights).hash, work_of(weights.config)
    qualities = [1, 8] if quality is None else [quality, quality]
    return {
        **card,
        "prior_hash": prior[:4].hex(),
        **work.as_json(),
        "qualities": qualities,
    }

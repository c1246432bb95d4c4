"""Priors with seeded, far from trivial parameters, and latents that suit them."""

import numpy as np
import torch

from flowcodec.entropy.prior import ExactPrior, Layout
from flowcodec.nn.attention import WINDOW
from flowcodec.nn.context import CausalConv2d
from flowcodec.nn.prior import Prior, PriorConfig

CONFIGS = {
    "context": PriorConfig(latent=20, hyper=4, features=16, hidden=(16, 12), slices=(4, 6, 10)),
    "attention": PriorConfig(
        latent=12, hyper=4, features=12, hidden=(12, 12), slices=(4, 8), attention=True
    ),
    "mixture": PriorConfig(
        latent=12, hyper=4, features=12, hidden=(16, 16), slices=(4, 8), components=3
    ),
    "paper": PriorConfig(
        latent=12, hyper=6, features=12, hidden=(12, 12), slices=(12,), components=3, attention=True
    ),
    "wavefront": PriorConfig(
        latent=12,
        hyper=4,
        features=12,
        hidden=(12, 12),
        slices=(12,),
        density="laplace",
        order="wavefront",
    ),
    "wavefronts": PriorConfig(
        latent=9, hyper=4, features=12, hidden=(12, 12), slices=(2, 4, 3), order="wavefront"
    ),
    "cgam": PriorConfig(
        latent=17,
        hyper=4,
        features=12,
        hidden=(12, 12),
        slices=(3, 5, 4, 5),
        order=("checkerboard", "checkerboard", "four-step", "wavefront"),
        first_half=2,
    ),
    "mixed": PriorConfig(
        latent=16,
        hyper=4,
        features=12,
        hidden=(12, 12),
        slices=(3, 2, 4, 3, 4),
        density="laplace",
        order=("four-step", "one-step", "wavefront", "four-step", "checkerboard"),
    ),
}


def random_prior(config: PriorConfig, seed: int) -> Prior:
    """A prior in which every table, layer and branch has something to say."""
    prior = Prior(config).eval()
    randomise(prior, seed)
    return prior


@torch.no_grad()
def randomise(prior: Prior, seed: int) -> None:
    """Draw all parameters anew, at scales that keep activations and rates in a usual range.

    They are then rounded to what a weight file holds.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(tensor: torch.Tensor, std: float, mean: float = 0.0) -> None:
        tensor.copy_(mean + std * torch.randn(tensor.shape, generator=generator))

    for name, parameter in prior.named_parameters():
        if name.endswith("weight"):
            inputs = parameter[0].numel()
            noise(parameter, (1.5 if "hyper_synthesis" in name else 0.7) / inputs**0.5)
            layer = prior.get_submodule(name.removesuffix(".weight"))
            if isinstance(layer, CausalConv2d):
                parameter.mul_(layer.mask)
        elif name.endswith("bias"):
            noise(parameter, 0.3)
    ladder = torch.linspace(-1, 3, 8)[:, None]
    latent = prior.config.latent
    prior.log_gain.table.copy_(ladder + 0.7 * torch.randn(latent, generator=generator))
    prior.hyper_log_gain.table.copy_(0.5 * ladder)
    noise(prior.quality_bias.table, 0.3)
    noise(prior.hyper_mean, 1.0)
    noise(prior.hyper_log_scale, 0.7, 0.5)
    noise(prior.hyper_logit, 1.0)
    prior.restore(prior.export())


def exact(prior: Prior) -> ExactPrior:
    """The integer twin."""
    config = prior.config
    own = config.density, config.order, config.first_half
    return ExactPrior(prior.export(), Layout(config.slices, config.components, WINDOW, *own))


def random_latents(
    config: PriorConfig, height: int, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """y (M, h, w) and z (N, ceil(h/4), ceil(w/4)) before their gain: smooth fields, float32."""
    random = np.random.default_rng(seed)
    rows, columns = -(-height // 4), -(-width // 4)
    z = random.normal(0, 1.5, (config.hyper, rows, columns))
    smooth = random.normal(0, 1, (config.latent, rows, columns)).repeat(4, 1).repeat(4, 2)
    y = 0.5 * smooth[:, :height, :width] + random.normal(0, 1, (config.latent, height, width))
    return y.astype(np.float32), z.astype(np.float32)

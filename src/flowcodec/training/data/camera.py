"""What a camera does to a pair of pictures: light, defocus, noise, compression, 8 bits."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from flowcodec.nn.dct import dct_matrix

LUMA = (0.299, 0.587, 0.114)
BLOCK = 8
STEPS = 1 + 0.75 * np.add.outer(np.arange(BLOCK), np.arange(BLOCK))  # of frequencies, relative


def develop(
    first: Tensor, second: Tensor, rng: Generator, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A pair (1, 3, H, W) in [0, 1] as a camera would hand it over, in steps of 8 bits.

    Light and colour change alike in both, at times a little from one to the other; what else there
    is (defocus, noise, compression) comes at random, alike in kind but not in the noise itself.
    """
    pair = torch.cat([first, second])
    pair = jitter(pair, rng, 1.0)
    if rng.random() < 0.4:
        pair = torch.cat([pair[:1], jitter(pair[1:], rng, 0.25)])
    if rng.random() < 0.12:
        pair = shade(pair, rng)
    if rng.random() < 0.1:
        pair = gray(pair)
    if rng.random() < 0.15:
        pair = defocus(pair, math.exp(rng.uniform(math.log(0.5), math.log(2.0))))
    if rng.random() < 0.6:
        strength = math.exp(rng.uniform(math.log(0.002), math.log(0.03)))
        noise = torch.randn(pair.shape, generator=generator, device=pair.device)
        pair = pair + strength * noise
    if rng.random() < 0.35:
        step = math.exp(rng.uniform(math.log(0.008), math.log(0.1)))
        pair = compress(pair, step)
    pair = (pair.clamp(0, 1) * 255).round() / 255
    return pair[:1], pair[1:]


def jitter(x: Tensor, rng: Generator, strength: float) -> Tensor:
    """Brightness, contrast and saturation as thesis sec. 6.1 has them; hue half as far, gamma too.

    Its hue of 0.8 / pi of a turn would be 1.6 radians; here it is 0.8 at most, and in one of two.
    """
    brightness, contrast = 1 + strength * rng.uniform(-0.3, 0.3, 2)
    saturation = 1 + strength * rng.uniform(-0.4, 0.4)
    hue = strength * rng.uniform(-0.8, 0.8) if rng.random() < 0.5 else 0.0
    gamma = math.exp(strength * rng.uniform(-0.3, 0.3))
    mean = x.mean()
    colours = torch.from_numpy(_colour_matrix(saturation, hue) * contrast * brightness).to(x)
    shift = mean * (brightness - colours.sum(1, keepdim=True))
    y = torch.baddbmm(shift, colours.expand(len(x), 3, 3), x.flatten(2)).view_as(x)
    return y.clamp_(0, 1).log_().mul_(gamma).exp_()  # a power, in half its time


def _colour_matrix(saturation: float, hue: float) -> np.ndarray:
    """(3, 3) on RGB: chroma scaled and turned by `hue` radians, luma kept."""
    luma = np.array(LUMA)
    to = np.stack([luma, np.array([-0.169, -0.331, 0.5]), np.array([0.5, -0.419, -0.081])])
    turn = np.eye(3)
    turn[1:, 1:] = saturation * np.array(
        [[math.cos(hue), -math.sin(hue)], [math.sin(hue), math.cos(hue)]]
    )
    return np.linalg.inv(to) @ turn @ to


def shade(x: Tensor, rng: Generator) -> Tensor:
    """Smooth light and shadow, another in each picture."""
    coarse = torch.from_numpy(rng.normal(0, 0.15, (2, 1, 4, 5)).astype(np.float32)).to(x.device)
    light = F.interpolate(coarse, x.shape[2:], mode="bicubic", align_corners=True)
    return (x * torch.exp(light)).clamp(0, 1)


def gray(x: Tensor) -> Tensor:
    """Luma alone, three times."""
    luma = x.new_tensor(LUMA).view(1, 3, 1, 1)
    return (x * luma).sum(1, keepdim=True).expand(-1, 3, -1, -1)


def defocus(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur."""
    reach = math.ceil(2.5 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    x = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="replicate"), kernel[:, :, None], groups=3)
    return F.conv2d(F.pad(x, (0, 0, reach, reach), mode="replicate"), kernel[..., None], groups=3)


def compress(x: Tensor, step: float) -> Tensor:
    """8x8 DCT with coarse steps, the finer the lower the frequency, as JPEG and video codecs do."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    basis = torch.from_numpy(dct_matrix(BLOCK)).to(x)
    steps = torch.from_numpy(step * STEPS).to(x)
    blocks = x.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).transpose(3, 4)
    found = basis @ blocks @ basis.T
    blocks = basis.T @ ((found / steps).round() * steps) @ basis
    return blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)[:, :, :height, :width]

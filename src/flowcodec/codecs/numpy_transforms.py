"""The patch transform in NumPy: the pixel path of a decoder that never imports torch.

Twin of `flowcodec.models.image_cnn.transforms` for networks of dense blocks without attention and
refinement, which `compact` is. Maps are (h, w, C) float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.finite import check_finite, unwarned
from flowcodec.codecs.weights import Weights
from flowcodec.errors import WeightsError
from flowcodec.models.image_cnn.config import MASK_STEPS, ImageCnnConfig
from flowcodec.nn.contrast import CONTRAST, LARGEST_MASK
from flowcodec.nn.patches import BLOCK, PATCH, WINDOWS, dct_basis

Map = NDArray[np.float32]
Tensors = Mapping[str, Map]

HYPER_STRIDE = 4
RESIDUAL_SLOPE = HYPER_SLOPE = 0.1


def fits(config: ImageCnnConfig) -> bool:
    """Whether networks of this kind run here."""
    plain = config.attention == "none" and not config.refinement and config.trunk == "dense"
    return config.transform == "patch" and plain


class NumpyTransforms:
    """g_a, h_a and g_s of a weight file."""

    @unwarned
    def __init__(self, weights: Weights[ImageCnnConfig]):
        self.weights = weights
        tensors = weights.transforms
        try:
            count_before, count_after = weights.config.blocks
            self.before = Correction(tensors, "g_a.correction.", count_before)
            self.after = Correction(tensors, "g_s.correction.", count_after)
            klt = patch_matrix(tensors["g_a.klt.weight"])
            self.analysis = klt.T / tensors["g_a.spread"].reshape(-1)
            self.analysis_bias = tensors["g_a.klt.bias"] / tensors["g_a.spread"].reshape(-1)
            self.synthesis = klt * tensors["g_s.spread"].reshape(-1, 1)
            self.synthesis_bias = np.tile(tensors["g_s.klt.bias"], PATCH**2)
            self.log_inverse_gain = tensors["log_inverse_gain.table"]
            self.masking = None
            if weights.config.masking:
                mix = taps(tensors["g_a.masking.mix.weight"])
                self.masking = mix, tensors["g_a.masking.mix.bias"]
            self.hyper = [
                (taps(tensors[f"h_a.{name}.weight"]), tensors[f"h_a.{name}.bias"], stride)
                for name, stride in (("first", 1), ("layers.1", 2), ("layers.4", 2))
            ]
            self.log_gain = octaves(weights.prior["log_gain"])
            self.hyper_log_gain = octaves(weights.prior["hyper_log_gain"])
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{weights.path}: the tensors do not fit: {error!r}") from error

    @unwarned
    def analyse(
        self, pixels: NDArray[np.uint8], quality: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `Transforms.analyse`."""
        x = pixels.astype(np.float32) / np.float32(255) - np.float32(0.5)
        octaves = None if self.masking is None else mask_octaves(x, *self.masking)
        y = blocks(self.before(x, quality, octaves), PATCH) @ self.analysis + self.analysis_bias
        if octaves is not None:
            y = np.concatenate([octaves, y * np.exp2(-octaves)], axis=2)
        check_finite(y, "the analysis g_a", self.weights)
        gain = np.exp2(at_quality(self.log_gain, quality))
        return np.ascontiguousarray(y.transpose(2, 0, 1)), gain[:, None, None]

    @unwarned
    def hyper_analyse(self, y: NDArray[np.float32], quality: int) -> NDArray[np.int64]:
        """As `Transforms.hyper_analyse`."""
        x = y.transpose(1, 2, 0)
        height, width = x.shape[:2]
        x = np.pad(x, ((0, -height % HYPER_STRIDE), (0, -width % HYPER_STRIDE), (0, 0)), "edge")
        for index, (weight, bias, stride) in enumerate(self.hyper):
            x = leaky(x, HYPER_SLOPE) if index else x
            x = strided_convolution(x, weight, bias, stride)
        z = np.rint(x * np.exp2(at_quality(self.hyper_log_gain, quality)))
        check_finite(z, "the hyper-analysis h_a", self.weights)
        return np.ascontiguousarray(z.transpose(2, 0, 1)).astype(np.int64)

    @unwarned
    def synthesise(self, y: NDArray[np.float32], quality: int) -> NDArray[np.uint8]:
        """As `Transforms.synthesise`."""
        inverse_gain = np.exp2(-at_quality(self.log_inverse_gain, quality))
        latents = y.transpose(1, 2, 0).astype(np.float32) * inverse_gain
        octaves = None
        if self.masking is not None:
            octaves = np.clip(latents[:, :, :1], -LARGEST_MASK, LARGEST_MASK)
            latents = latents[:, :, 1:] * np.exp2(octaves)
        x = unblock(latents @ self.synthesis + self.synthesis_bias, PATCH)
        x = self.after(x, quality, octaves)
        check_finite(x, "the synthesis g_s", self.weights)
        return np.clip(np.rint((x + 0.5) * 255), 0, 255).astype(np.uint8)


class Correction:
    """x plus what a residual network adds to it in the coefficients of an 8x8 DCT."""

    def __init__(self, tensors: Tensors, prefix: str, count: int):
        """The tensors whose names begin with `prefix`; `count` residual blocks."""
        self.basis = patch_matrix(dct_basis()).T
        self.spread = tensors[f"{prefix}spread"].reshape(-1)
        self.log_error = tensors[f"{prefix}log_error.table"]
        self.stem = taps(tensors[f"{prefix}stem.weight"])[0, 0]
        self.stem_bias = tensors[f"{prefix}stem.bias"]
        self.log_scale = tensors[f"{prefix}modulation.log_scale.table"]
        self.shift = tensors[f"{prefix}modulation.shift.table"]
        layers = [f"blocks.{1 + i}.{part}" for i in range(count) for part in ("first", "second")]
        self.layers = [
            (winograd(tensors[f"{prefix}{name}.weight"]), tensors[f"{prefix}{name}.bias"])
            for name in (*layers, "out")
        ]

    def __call__(self, x: Map, quality: int, octaves: Map | None) -> Map:
        """(8h, 8w, 3) around zero -> the same; octaves of masking (h/2, w/2, 1)."""
        error = np.exp2(at_quality(self.log_error, quality))[None, None]
        if octaves is not None:
            side = PATCH // BLOCK
            error = error * np.exp2(octaves).repeat(side, axis=0).repeat(side, axis=1)
        coefficients = blocks(x, BLOCK) @ self.basis
        scales = [1 / (self.spread + error), *(1 / (window * error) for window in WINDOWS)]
        seen = np.multiply(coefficients[:, :, None], np.stack(scales, axis=2))
        np.tanh(seen[:, :, 1:], out=seen[:, :, 1:])
        features = seen.reshape(*seen.shape[:2], -1) @ self.stem
        scale = np.exp(at_quality(self.log_scale, quality))
        features *= scale
        features += self.stem_bias * scale + at_quality(self.shift, quality)
        for first, second in zip(self.layers[:-1:2], self.layers[1:-1:2], strict=True):
            features += convolution(leaky(convolution(features, *first), RESIDUAL_SLOPE), *second)
        added = convolution(features, *self.layers[-1]) * error
        return x + unblock(added @ self.basis.T, BLOCK)


def mask_octaves(x: Map, weight: Map, bias: Map) -> Map:
    """Masking of (16h, 16w, 3) pixels around zero: whole quarters of octaves (h, w, 1)."""
    light = blocks(x.mean(axis=2, keepdims=True), BLOCK)
    variance = np.maximum(np.square(light).mean(2) - np.square(light.mean(2)), 0)
    octaves = 0.5 * np.log2(1 + np.float32(CONTRAST) * variance)
    cells = blocks(octaves[:, :, None], PATCH // BLOCK)
    cells = np.concatenate([cells, cells.min(axis=2, keepdims=True)], axis=2)
    padded = np.pad(cells, ((1, 1), (1, 1), (0, 0)), "edge")
    mixed = strided_convolution(padded, weight, bias, 1)[1:-1, 1:-1]
    steps = np.rint(np.clip(mixed, -LARGEST_MASK, LARGEST_MASK) * MASK_STEPS)
    return steps.astype(np.float32) / np.float32(MASK_STEPS)


def patch_matrix(basis: Map) -> Map:
    """Basis functions (n, 3, s, s) as rows over the samples that `blocks` lists, (n, s*s*3)."""
    return basis.transpose(0, 2, 3, 1).reshape(len(basis), -1)


def octaves(gains: NDArray[np.integer]) -> Map:
    """log2 of gains, which the prior holds in units of 2^-8."""
    return gains.astype(np.float32) * np.float32(2**-8)


def at_quality(table: Map, quality: int) -> Map:
    """The row of an (8, C) table at a quality in thousandths, between two rows linearly."""
    low = min(quality // 1000, 7) - 1
    fraction = np.float32(quality / 1000 - 1 - low)
    return table[low] * (1 - fraction) + table[low + 1] * fraction


def blocks(x: Map, side: int) -> Map:
    """(h * side, w * side, C) -> (h, w, side * side * C)."""
    height, width, channels = x.shape[0] // side, x.shape[1] // side, x.shape[2]
    x = x.reshape(height, side, width, side, channels).transpose(0, 2, 1, 3, 4)
    return x.reshape(height, width, -1)


def unblock(x: Map, side: int) -> Map:
    """The inverse of `blocks`, for three colours."""
    height, width = x.shape[:2]
    x = x.reshape(height, width, side, side, 3).transpose(0, 2, 1, 3, 4)
    return x.reshape(height * side, width * side, 3)


def leaky(x: Map, slope: float) -> Map:
    """LeakyReLU."""
    return np.maximum(x, x * np.float32(slope))


def taps(weight: Map) -> Map:
    """A convolution's weight (O, I, k, k) as k x k matrices (k, k, I, O)."""
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0))


# Winograd's F(4x4, 3x3) (Lavin and Gray 2016): a 6x6 input tile gives 4x4 outputs with 36
# multiplications instead of 144. Rows of the transforms of input, kernel and output.
TILE, REACH = 4, 6
OF_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
OF_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OF_OUTPUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)
FROM_TILE, TO_TILE = (np.kron(m, m).astype(np.float32) for m in (OF_INPUT, OF_OUTPUT))


def winograd(weight: Map) -> Map:
    """A 3x3 convolution's weight (O, I, 3, 3) as matrices for `convolution`, (36, I, O)."""
    outputs, inputs = weight.shape[:2]
    kernels = weight.transpose(2, 3, 1, 0).reshape(9, -1)
    matrices = np.kron(OF_KERNEL, OF_KERNEL) @ kernels
    return matrices.reshape(REACH**2, inputs, outputs).astype(np.float32)


def convolution(x: Map, weight: Map, bias: Map) -> Map:
    """A 3x3 convolution with zero padding: (h, w, I) -> (h, w, O); weight as `winograd` gives."""
    height, width, channels = x.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = np.zeros((TILE * rows + 2, TILE * columns + 2, channels), np.float32)
    padded[1 : height + 1, 1 : width + 1] = x
    tiles = np.lib.stride_tricks.sliding_window_view(padded, (REACH, REACH), (0, 1))
    tiles = tiles[::TILE, ::TILE].transpose(3, 4, 0, 1, 2).reshape(REACH**2, -1)
    seen = (FROM_TILE @ tiles).reshape(REACH**2, rows * columns, channels)
    out = TO_TILE @ (seen @ weight).reshape(REACH**2, -1)
    out = out.reshape(TILE, TILE, rows, columns, -1).transpose(2, 0, 3, 1, 4)
    return out.reshape(TILE * rows, TILE * columns, -1)[:height, :width] + bias


def strided_convolution(x: Map, weight: Map, bias: Map, stride: int) -> Map:
    """A convolution of any odd kernel with zero padding, for small maps."""
    kernel = weight.shape[0]
    reach = kernel // 2
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (0, 1))
    view = view[::stride, ::stride].transpose(0, 1, 3, 4, 2)
    height, width = view.shape[:2]
    rows = view.reshape(height * width, -1) @ weight.reshape(-1, weight.shape[3])
    return (rows + bias).reshape(height, width, -1)

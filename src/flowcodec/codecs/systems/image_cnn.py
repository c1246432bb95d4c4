"""How image-cnn's networks and prior make a picture codec."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.finite import check_finite, unwarned
from flowcodec.codecs.runtime import Network, at_quality, gain_at, hyper_latents
from flowcodec.codecs.weights import Weights, built_prior
from flowcodec.entropy.prior import Layout
from flowcodec.models.image_cnn.config import LATENT_STRIDE, PLANES, ImageCnnConfig
from flowcodec.nn.patches import BLOCK

ATTENTION_REACH = 128
SMALL = 3 << 20  # bytes: tiles of a megapixel, with their edges, are larger
WINDOW = 8  # positions of a line of attention in h_s


class ImageCnnModel:
    """A `PictureModel`."""

    stride = LATENT_STRIDE

    def __init__(
        self, weights: Weights[ImageCnnConfig], device: str = "cpu", threads: int | None = None
    ):
        config = weights.config
        self.weights = weights
        self.channels, self.fixed = config.coded, int(config.masking)
        self.reach, self.grid = self.reach_of(config)
        layout = Layout(
            config.coded_slices,
            config.components,
            WINDOW,
            order=config.order,
            first_half=config.coded_half,
        )
        self.prior = built_prior(weights, layout)
        self._analysis = Network(weights, "analysis", device, threads, SMALL)
        self._hyper_analysis = Network(weights, "hyper_analysis", device, threads)
        self._synthesis = Network(weights, "synthesis", device, threads, SMALL)
        self._places = device, threads, SMALL

    @staticmethod
    def reach_of(config: ImageCnnConfig) -> tuple[int, int]:
        """Pixels beyond a tile that change it, and at multiples of how many windows may begin.

        Trunks of the patch transform look a convolution of 3x3 at 1/8 further with each block, two
        of them where they are dense, whose last convolution is such a one too; relief is of
        neighbours. Colour of 4:2:0 is enlarged by the next sample. Attention and refinement look
        into windows of their own, which begin at multiples of 128 pixels, and a little further.
        """
        if config.transform != "patch" or config.attention != "none" or config.refinement:
            return ATTENTION_REACH, ATTENTION_REACH
        dense = config.trunk == "dense"
        enlarging = 0 if config.planes == "rgb" else PLANES[config.planes].scale
        reach = max(
            BLOCK * (blocks * (2 if dense else 1) + dense + config.relief) + further
            for blocks, further in zip(config.blocks, (0, enlarging), strict=True)
        )
        return reach, LATENT_STRIDE

    @unwarned
    def analyse(
        self, pixels: NDArray[np.uint8], quality: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `PictureModel.analyse`."""
        y = self._analysis(samples=pixels, quality=at_quality(quality))
        check_finite(y, "the analysis g_a", self.weights)
        return y, gain_at(self.weights.prior["log_gain"], quality)

    @unwarned
    def hyper_analyse(self, y: NDArray[np.float32], quality: int) -> NDArray[np.int64]:
        """As `PictureModel.hyper_analyse`."""
        gain = gain_at(self.weights.prior["hyper_log_gain"], quality)
        stage = "the hyper-analysis h_a"
        return hyper_latents(self._hyper_analysis, y, gain, stage, self.weights)

    @unwarned
    def synthesise(self, y: NDArray[np.float32], quality: int) -> NDArray[np.uint8]:
        """As `PictureModel.synthesise`."""
        samples = self._synthesis(y=np.asarray(y, np.float32), quality=at_quality(quality))
        check_finite(samples, "the synthesis g_s", self.weights)
        return np.clip(np.rint(samples, out=samples), 0, 255, out=samples).astype(np.uint8)

    def without_refinement(self) -> ImageCnnModel | None:
        """As `PictureModel.without_refinement`: without DIRB."""
        if not self.weights.config.refinement:
            return None
        bare = copy.copy(self)
        bare._synthesis = Network(self.weights, "synthesis_unrefined", *self._places)
        return bare

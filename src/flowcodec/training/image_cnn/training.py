"""Training of image-cnn, and of what is one: rate and distortion of crops, at random qualities."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.codecs.weights import Weights, weights_called
from flowcodec.errors import UsageError
from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_cnn.klt import start_from_klt, start_gains
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import PatchAnalysis
from flowcodec.nn.distortion import distortion, lambda_of
from flowcodec.nn.patches import PATCH
from flowcodec.quality import ANCHORS, MSE_LAMBDAS, lambdas_of
from flowcodec.training.aim import start_masking
from flowcodec.training.data.crops import Crops, patches
from flowcodec.training.data.pictures import hold_out, load_pictures
from flowcodec.training.data.qualities import sample_quality
from flowcodec.training.engine import Group, Training, configured
from flowcodec.training.image_cnn.aim import change_aim
from flowcodec.training.image_cnn.calibration import calibrate
from flowcodec.training.image_cnn.frozen import Batch, FrozenLatents
from flowcodec.training.image_cnn.growth import continue_from
from flowcodec.training.image_cnn.recipe import ImageRecipe, ImageStage, Part
from flowcodec.training.image_cnn.reduction import reduced
from flowcodec.training.networks import export
from flowcodec.yuv import planes_of, psnr

KLT_PATCHES = 60_000
AIM_CROPS, AIM_CROP = 6, 192
CALIBRATION_CROPS, CALIBRATION_CROP = 24, 192
GAIN = "prior.log_gain.table"
KLT = "g_a.klt.weight"  # which g_s shares
FROZEN = {
    "all": (),
    "prior": (GAIN,),  # a smaller gain is the cheapest rate, and the worst
    "synthesis": (KLT,),
    "decoder": (GAIN, KLT),
}
SHOWN = (2.0, 4.0, 6.0)  # qualities, of an evaluation
GAINS = ("log_gain.table", "log_inverse_gain.table", "log_error.table")


def build(recipe: ImageRecipe) -> ImageCnn:
    """The untrained network of a recipe; UsageError names the key that does not fit."""
    system = SYSTEMS[recipe.system]
    config: ImageCnnConfig = configured(recipe, imported(system.presets))
    if recipe.start == "klt" and recipe.init is None and config.transform != "patch":
        raise UsageError(f'start = "klt" is for the patch transform, not {config.transform}')
    if (recipe.metric == "yuv") != (config.planes == "yuv420"):
        raise UsageError(
            f'metric = "{recipe.metric}" does not go with switches.planes = "{config.planes}":'
            ' "yuv" and "yuv420" need each other'
        )
    torch.manual_seed(recipe.seed)
    try:
        network: ImageCnn = imported(system.network)(config)
        return network
    except ValueError as error:
        raise UsageError(f"switches: {error}") from error


def decibels(metric: str, x: Tensor, decoded: Tensor) -> float:
    """PSNR of a picture (1, 3, H, W) in [0, 1]: of RGB, or of its planes where they are judged."""
    if metric != "yuv":
        return -10 * math.log10(float((decoded - x).square().mean()) + 1e-10)
    planes = (planes_of(255 * each[0].permute(1, 2, 0).cpu().numpy()) for each in (x, decoded))
    return psnr(*planes)


class ImageTraining(Training[ImageRecipe, ImageStage, ImageCnn, Crops, list[np.ndarray]]):
    """Training of image-cnn."""

    measures_start = True  # a loss with noise or gradients of its own may fall where this rises
    frozen_latents: FrozenLatents | None = None  # of part "synthesis"

    def build(self) -> ImageCnn:
        """As the function `build`."""
        return build(self.recipe)

    def groups(self) -> list[Group]:
        """Gains learn at a rate of their own, and so does the KLT."""
        names = [name for name, _ in self.model.named_parameters()]
        slow = [KLT] if self.recipe.start == "klt" else []
        gains = [name for name in names if name.endswith(GAINS)]
        return [Group(gains, self.recipe.gains), Group(slow, self.recipe.slow)]

    def load(
        self, data: Path, progress: Callable[[int, int], None] | None
    ) -> tuple[Crops, list[np.ndarray]]:
        """Crops of the pictures in a folder, and the pictures that are held out."""
        largest = max(stage.crop for stage in self.recipe.stages)
        pictures = load_pictures(data, largest, progress)
        pictures, held_out = hold_out(pictures, self.recipe.held_out)
        return Crops(pictures, self.recipe.seed, self.recipe.halve), held_out

    def initialise(self, source: Crops) -> None:
        """Set the weights that the first step begins with."""
        recipe = self.recipe
        # Steps of the quantiser follow the MSE anchors whatever the metric: 1-8 mean the same.
        if recipe.init is not None and recipe.metric == "yuv":
            self.continue_in_planes(source.pictures, recipe.init)
        elif recipe.init is not None:
            weights = continue_from(self.model, recipe.init)
            if weights.metric != recipe.metric:
                self.change_aim(source.pictures, weights)
        elif recipe.start == "klt":
            start_from_klt(self.model, self.patches(source.pictures), MSE_LAMBDAS)
        else:
            start_gains(self.model, MSE_LAMBDAS)

    def patches(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Patches to fit a KLT to, as the function `patches` gives them."""
        return patches(pictures, PATCH, KLT_PATCHES, self.recipe.seed)

    def continue_in_planes(self, pictures: list[np.ndarray], init: str) -> None:
        """Go on from weights for planes in 4:2:0, or from those for MSE, which are of RGB."""
        metric = weights_called(init).metric
        if metric == "yuv":
            continue_from(self.model, init)
            return
        if metric != "mse":
            raise UsageError(f'init = {init!r}: "yuv" goes on from weights for "mse" or "yuv"')
        old = ImageCnn(dataclasses.replace(self.model.config, planes="rgb"))
        continue_from(old, init)
        sample = torch.from_numpy(self.patches(pictures)).unflatten(1, (3, PATCH, PATCH))
        self.model.load_state_dict(reduced(old, sample).state_dict())

    def change_aim(self, pictures: list[np.ndarray], weights: Weights[ImageCnnConfig]) -> None:
        """Turn a network of one metric into the start of one for another."""
        if self.recipe.switches.get("masking") and not weights.config.masking:
            assert isinstance(self.model.g_a, PatchAnalysis) and self.model.g_a.masking
            start_masking(self.model.g_a.masking)
        x = self.tensor(Crops(pictures, self.recipe.seed, 0.0).batch(0, AIM_CROPS, AIM_CROP))
        metrics = weights.metric, self.recipe.metric
        change_aim(self.model, x, *((metric, lambdas_of(metric)) for metric in metrics))

    def tensor(self, pixels: np.ndarray) -> Tensor:
        """Crops as the network takes them: (B, 3, H, W) in [0, 1] on the device."""
        x = torch.from_numpy(pixels).to(self.device).float().div_(255)
        return x.contiguous(memory_format=torch.channels_last)

    def begin_stage(self, source: Crops, stage: ImageStage) -> None:
        """Move the gains to where the loss is least; `image.calibration` says why."""
        self.frozen_latents = None
        if not stage.calibrate:
            return
        x = self.tensor(source.batch(self.step, CALIBRATION_CROPS, CALIBRATION_CROP))

        def loss_at(anchor: int) -> float:
            quality = torch.full((len(x),), 1.0 + anchor, device=self.device)
            bpp, error = self.losses(x, quality, "all")
            return float((bpp + self.recipe.lambdas[anchor] * error).mean())

        calibrate(self.model, loss_at)
        with torch.no_grad():
            for mean, value in zip(self.average.gain_tables, self.model.gain_tables, strict=True):
                mean.copy_(value)

    def frozen(self, stage: ImageStage) -> Collection[str]:
        """What a stage's part leaves as it is; calibrated gains stay too."""
        return (*FROZEN[stage.part], GAIN) if stage.calibrate else FROZEN[stage.part]

    def loss(self, source: Crops, stage: ImageStage) -> Tensor:
        """Rate and distortion of a batch, each crop at a quality of its own."""
        recipe = self.recipe
        if stage.part == "synthesis":
            x, quality, y = self.latents_of(source, stage)
            with self.autocast():
                x_hat = self.model.synthesise(y, quality)
            bpp, error = x.new_zeros(len(x)), distortion(recipe.metric, x, x_hat.float())
        else:
            x, quality = self.batch(source, self.step, stage)
            bpp, error = self.losses(x, quality, stage.part)
        weight = lambda_of(recipe.lambdas, quality)
        balance = (weight / recipe.lambdas[ANCHORS // 2]) ** -recipe.balance
        return (balance * (bpp + weight * error)).mean()

    def batch(self, source: Crops, step: int, stage: ImageStage) -> tuple[Tensor, Tensor]:
        """The crops of a step, and the quality of each."""
        rng = np.random.default_rng([self.recipe.seed, step, 1])
        quality = sample_quality(self.recipe.quality, stage.batch, rng)
        x = self.tensor(source.batch(step, stage.batch, stage.crop))
        return x, torch.from_numpy(quality).to(self.device)

    def latents_of(self, source: Crops, stage: ImageStage) -> Batch:
        """A batch with its latents, on which a stage of part "synthesis" learns."""
        if stage.reuse == 1:
            return self.coded(source, self.step, stage)
        if self.frozen_latents is None:
            self.frozen_latents = FrozenLatents(
                lambda number: self.coded(source, number, stage), stage.reuse, self.recipe.seed
            )
        return self.frozen_latents.at(self.step)

    @torch.no_grad()
    def coded(self, source: Crops, step: int, stage: ImageStage) -> Batch:
        """The crops of a step, their qualities, and their latents as a file would have them."""
        x, quality = self.batch(source, step, stage)
        y = self.model.g_a(x - 0.5, quality)
        return x, quality, self.model.code(y, quality, price=self.recipe.price).y

    def losses(self, x: Tensor, quality: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Bits per pixel and distortion of each crop; what `part` does not train counts zero."""
        model, price, noise = self.model, self.recipe.price, self.recipe.rate == "noise"
        nothing = x.new_zeros(len(x))
        with self.autocast():
            with contextlib.nullcontext() if part == "all" else torch.no_grad():
                y = model.g_a(x - 0.5, quality)
            if part == "prior":
                coded = model.code(y, quality, noise, price)
                return (coded.y_bits + coded.z_bits) / x[0, 0].numel(), nothing
            out = model.decode(y, quality, noise, price)
        bpp = out.bits.sum(1) / x[0, 0].numel()
        return bpp, distortion(self.recipe.metric, x, out.x_hat.float())

    @torch.no_grad()
    def evaluate(self, held_out: list[np.ndarray]) -> dict[str, list[float]]:
        """Estimated bpp and PSNR of the averaged network on pictures (H, W, 3), by quality.

        "objective" is bits per pixel and lambda times the distortion, of latents rounded as the
        encoder does: what training is there to lower. A training on MS-SSIM adds "ms-ssim-db"; in
        one on 4:2:0 PSNR is that of the planes. Pictures are cut to multiples of 64.
        """
        single = self.recipe.quality
        qualities = [single] if single is not None else [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        metric = self.recipe.metric
        weights = lambda_of(self.recipe.lambdas, torch.tensor(qualities)).tolist()
        result: dict[str, list[float]] = {
            "quality": qualities,
            "bpp": [],
            "psnr": [],
            "objective": [],
        }
        self.average.eval()
        for value, weight in zip(qualities, weights, strict=True):
            rates, errors, distances = [], [], []
            for picture in held_out:
                height, width = (side // 64 * 64 for side in picture.shape[:2])
                cut = np.ascontiguousarray(picture[:height, :width].transpose(2, 0, 1))
                x = torch.from_numpy(cut).to(self.device)[None].float() / 255
                at = torch.full((1,), value, device=self.device)
                out = self.average(x, at, price=self.recipe.price)
                decoded = (out.x_hat.clamp(0, 1) * 255).round() / 255
                rates.append(float(out.bits.sum()) / (height * width))
                errors.append(decibels(metric, x, decoded))
                distances.append(float(distortion(metric, x, decoded)))
            result["bpp"].append(float(np.mean(rates)))
            result["psnr"].append(float(np.mean(errors)))
            result["objective"].append(float(np.mean(rates) + weight * np.mean(distances)))
            if metric == "ms-ssim":
                similarity = -10 * math.log10(float(np.mean(distances)) + 1e-10)
                result.setdefault("ms-ssim-db", []).append(similarity)
        return result

    def describe(self, result: dict[str, list[float]]) -> str:
        """Rate, PSNR and objective at three qualities, or at the only one."""
        keys = ("quality", "bpp", "psnr", "objective")
        points = list(zip(*(result[key] for key in keys), strict=True))
        return "; ".join(
            f"q {quality:g} {bpp:.3f} bpp {psnr:.2f} dB, objective {objective:.4f}"
            for quality, bpp, psnr, objective in points
            if quality in SHOWN or len(points) == 1
        )

    def export(self, path: Path) -> bytes:
        """Write the weights of the averaged network; returns their hash."""
        return export(self.recipe.system, self.average, self.recipe.metric, path)

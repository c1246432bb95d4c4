"""Training of video-mofnet: an I-frame as a picture, then P-frames from decoded references."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowcodec.codecs.plan import FINER
from flowcodec.codecs.weights import Weights, weights_called
from flowcodec.errors import UsageError
from flowcodec.models.video_mofnet.codec import PatchCodec
from flowcodec.models.video_mofnet.config import PRESETS, MofNetConfig
from flowcodec.models.video_mofnet.model import Memory, Output, VideoMofNet
from flowcodec.nn.correction import Correction
from flowcodec.nn.distortion import distortion, lambda_of
from flowcodec.nn.warp import warp
from flowcodec.quality import ANCHORS, FINEST, MSE_LAMBDAS, lambda_at, lambdas_of
from flowcodec.training.aim import change_steps, finer_steps, start_masking
from flowcodec.training.data.clips import load_clips
from flowcodec.training.data.qualities import sample_quality
from flowcodec.training.data.sequences import Sequences
from flowcodec.training.engine import Group, Result, Training, configured
from flowcodec.training.networks import export, restored, take
from flowcodec.training.video_mofnet.recipe import VideoRecipe, VideoStage
from flowcodec.training.video_mofnet.start import start_from_klt

KLT = "codec.transform.klt.weight"
PRIOR_PARTS = ("motion.prior.", "codec.prior.")
GAINS = ("log_gain.table", "log_inverse_gain.table", "log_error.table")
AIM_CROPS, AIM_CROP = 8, 192
COARSER = 0.5  # octaves: `finer_steps` is of high rates, and most latents of P-frames are zero
START_BATCHES, START_CROPS, START_CROP = 12, 8, 192
MEASURED = (2.0, 4.0, 6.0)  # qualities of an evaluation
MEASURED_FRAMES = 4  # P-frames of each clip


@dataclass(frozen=True)
class Frame:
    """A P-frame of a batch as it was coded: bits a pixel of MOFNet and CodecNet (B, 2)."""

    output: Output
    bpp: Tensor


class VideoTraining(Training[VideoRecipe, VideoStage, VideoMofNet, Sequences, list[np.ndarray]]):
    """Training of video-mofnet."""

    measures_start = True  # the loss may fall where the objective of files rises

    def __init__(self, recipe: VideoRecipe, folder: Path, device: str = "cpu"):
        super().__init__(recipe, folder, device)
        self.intra, self.estimator = (
            restored(weights_called(name)).to(device).requires_grad_(False) for name in recipe.needs
        )

    def build(self) -> VideoMofNet:
        """The untrained network; UsageError names the key that does not fit."""
        config = configured(self.recipe, PRESETS)
        torch.manual_seed(self.recipe.seed)
        try:
            return VideoMofNet(config)
        except ValueError as error:
            raise UsageError(f"switches: {error}") from error

    def groups(self) -> list[Group]:
        """Gains learn at a rate of their own, and so does the KLT."""
        names = [name for name, _ in self.model.named_parameters()]
        gains = [name for name in names if name.endswith(GAINS)]
        return [
            Group(gains, self.recipe.gains),
            Group([name for name in names if name == KLT], self.recipe.slow),
        ]

    def load(
        self, data: Path, progress: Callable[[int, int], None] | None
    ) -> tuple[Sequences, list[np.ndarray]]:
        """The videos of a folder, some scenes held out; smaller ones are passed over."""
        recipe = self.recipe
        crop = max(stage.crop for stage in recipe.stages)
        scenes = list(load_clips(data, crop, crop, progress).values())
        if len(scenes) <= recipe.held_out:
            raise UsageError(
                f"{data} needs videos of more than {recipe.held_out} scenes, of at least"
                f" {crop}x{crop} pixels"
            )
        held_out = [scene[0] for scene in scenes[: recipe.held_out]]
        training = [clip for scene in scenes[recipe.held_out :] for clip in scene]
        return Sequences(training, recipe.seed), held_out

    def initialise(self, source: Sequences) -> None:
        """The recipe's `init`, or the KLT of what an estimated flow leaves."""
        init = self.recipe.init
        if init is not None:
            weights = weights_called(init).of("video-mofnet")
            alike = dataclasses.replace(
                weights.config,
                interpolation=self.model.config.interpolation,
                masking=self.model.config.masking,
                modes=self.model.config.modes,
                conditional=self.model.config.conditional,
            )
            if alike != self.model.config:
                raise UsageError(
                    f"init = {init!r}: these weights are of another preset or switches"
                )
            take(self.model, fitted(weights, self.model))
            if weights.metric != self.recipe.metric:
                self.change_aim(source, weights)
        elif self.model.config.transform == "patch":
            frames, predictions = [], []
            crop = min(START_CROP, max(stage.crop for stage in self.recipe.stages))
            for index in range(START_BATCHES):
                first, second = source.batch(index, START_CROPS, 2, crop).to(self.device)
                quality = self.qualities(index, len(first))
                reference = self.decoded(first, quality)
                flow = self.flow(second, reference)
                frames.append(second)
                predictions.append(warp(reference, flow, self.model.config.interpolation))
            start_from_klt(self.model, torch.cat(frames), torch.cat(predictions), MSE_LAMBDAS)
        else:
            ladder = torch.linspace(-1.0, 2.0, ANCHORS)[:, None]
            with torch.no_grad():
                for part in (self.model.motion, self.model.codec):
                    for table in part.gain_tables:
                        table.copy_(ladder.expand_as(table))

    def change_aim(self, source: Sequences, weights: Weights[MofNetConfig]) -> None:
        """Turn a network of one metric into the start of one for another."""
        transform = self.model.codec.transform
        if not isinstance(transform, PatchCodec):
            return
        if transform.masking is not None and not weights.config.masking:
            start_masking(transform.masking)
        x = source.batch(0, AIM_CROPS, 1, AIM_CROP)[0].to(self.device)
        before, after = ((name, lambdas_of(name)) for name in (weights.metric, self.recipe.metric))
        basis = transform.klt.weight
        finer = finer_steps(basis, x, before, after, transform.octaves(x - 0.5)) - COARSER
        corrections = (part for part in transform.correction if isinstance(part, Correction))
        change_steps(self.model.codec, finer, basis, transform.spread, corrections)

    def frozen(self, stage: VideoStage) -> Collection[str]:
        """What a phase leaves as it is: of `alternate`, MOFNet and CodecNet take turns."""
        names = [name for name, _ in self.model.named_parameters()]
        if stage.phase == "prior":
            return [name for name in names if not name.startswith(PRIOR_PARTS)]
        if stage.phase == "alternate":
            other = ("codec.", "motion.")[self.step % 2]
            return [name for name in names if name.startswith(other)]
        return ()

    def loss(self, source: Sequences, stage: VideoStage) -> Tensor:
        """Rate and distortion of P-frames, each sequence at a quality of its own.

        The gradient runs through the chain of references: a frame is worth more where others
        follow it.
        """
        recipe = self.recipe
        x = source.batch(self.step, stage.batch, stage.frames + 1, stage.crop).to(self.device)
        quality = self.qualities(self.step, stage.batch)
        weight = lambda_of(recipe.lambdas, quality)
        balance = (weight / recipe.lambdas[ANCHORS // 2]) ** -recipe.balance
        reference = self.first(x[0], quality)
        total = x.new_zeros(())
        halves, memory = stage.phase == "halves", None
        for frame in x[1:]:
            with self.autocast():
                coded = self.code(
                    self.model, frame, reference, quality, memory, halves, recipe.bare
                )
            memory = coded.output.memory
            error = distortion(recipe.metric, frame, coded.output.x_hat.float())
            total = total + (balance * (coded.bpp.sum(1) + weight * error)).mean()
            reference = coded.output.x_hat.float().clamp(0, 1)
        return total / stage.frames

    def code(
        self,
        model: VideoMofNet,
        x: Tensor,
        reference: Tensor,
        quality: Tensor,
        memory: Memory | None,
        halves: bool = False,
        bare: float = 0.0,
    ) -> Frame:
        """One P-frame; memory: of the one before; `halves`: alpha is 1 on the left half of the
        frame and 0 on the right; bare: part of the latents without a hyperprior, drawn by torch's
        generator."""
        flow = self.flow(x, reference) if model.config.transform == "patch" else None
        alpha = None
        if halves:
            alpha = torch.ones_like(x[:, :1])
            alpha[..., x.shape[3] // 2 :] = 0
        noise, price = self.recipe.rate == "noise", self.recipe.price
        without = (torch.rand(2, len(x), device=x.device) < bare).unbind() if bare else (None, None)
        output = model(x, reference, flow, quality, noise, price, alpha, memory, without)
        return Frame(output, output.bits / x[0, 0].numel())

    def first(self, x: Tensor, quality: Tensor) -> Tensor:
        """What the first P-frames follow: I-frames, some of them lossless if the recipe says so."""
        rng = np.random.default_rng([self.recipe.seed, self.step, 2])
        kept = torch.from_numpy(rng.random(len(x)) < self.recipe.lossless).to(x.device)
        return torch.where(kept[:, None, None, None], x, self.decoded(x, quality))

    @torch.no_grad()
    def decoded(self, x: Tensor, quality: Tensor) -> Tensor:
        """An I-frame of sequences of these qualities, as a picture codec gives it back."""
        quality = (quality + FINER[self.recipe.metric] / 1000).clamp(max=FINEST / 1000)
        return rounded(self.intra(x, quality, price=self.recipe.price).x_hat)

    @torch.no_grad()
    def flow(self, x: Tensor, reference: Tensor) -> Tensor:
        """That of frames to what they follow, (B, 2, H, W)."""
        flow: Tensor = self.estimator(x, reference)
        return flow

    def qualities(self, step: int, count: int) -> Tensor:
        """One quality a sequence, stratified."""
        rng = np.random.default_rng([self.recipe.seed, step, 1])
        return torch.from_numpy(sample_quality(None, count, rng)).to(self.device)

    def evaluate(self, held_out: list[np.ndarray]) -> Result:
        """`measured` at a few qualities."""
        return self.measured(held_out, MEASURED, MEASURED_FRAMES)

    @torch.no_grad()
    def measured(
        self, held_out: Sequence[np.ndarray], qualities: Sequence[float], frames: int
    ) -> Result:
        """Estimated bpp (of MOFNet too) and PSNR of P-frames of the averaged network, by quality;
        for MS-SSIM "ms-ssim-db" as well; and the objective, bits per pixel plus lambda times the
        distortion. Clips are cut to multiples of 64; `frames`: P-frames of each."""
        metric = self.recipe.metric
        similar = metric == "ms-ssim"
        names = ["bpp", "motion", "psnr", "objective"] + ["ms-ssim-db"] * similar
        result: Result = {"quality": list(qualities), **{name: [] for name in names}}
        self.average.eval()
        for value in qualities:
            found: dict[str, list[float]] = {name: [] for name in names}
            quality = torch.full((1,), value, device=self.device)
            for clip in held_out:
                height, width = (side // 64 * 64 for side in clip.shape[1:3])
                cut = clip[: frames + 1, :height, :width]
                x = torch.from_numpy(cut).to(self.device).permute(0, 3, 1, 2).float() / 255
                reference, memory = self.decoded(x[:1], quality), None
                for frame in x[1:, None]:
                    coded = self.code(self.average, frame, reference, quality, memory)
                    memory = coded.output.memory
                    reference = coded.output.x_hat.float().clamp(0, 1)
                    bpp = float(coded.bpp.sum())
                    found["bpp"].append(bpp)
                    found["motion"].append(float(coded.bpp[0, 0]))
                    shown = rounded(reference)
                    found["psnr"].append(
                        -10 * math.log10(float((shown - frame).square().mean()) + 1e-10)
                    )
                    unlike = float(distortion(metric, frame, shown))
                    found["objective"].append(bpp + lambda_at(metric, value) * unlike)
                    if similar:
                        found["ms-ssim-db"].append(-10 * math.log10(unlike + 1e-10))
            for name in names:
                result[name].append(float(np.mean(found[name])))
        return result

    def describe(self, result: Result) -> str:
        """All figures, in one line."""
        quality_of = "ms-ssim-db" if "ms-ssim-db" in result else "psnr"
        rows = zip(
            *(result[name] for name in ("quality", "bpp", "motion", quality_of, "objective")),
            strict=True,
        )
        return "; ".join(
            f"q {quality:g} {bpp:.4f} bpp ({motion:.4f} motion) {decibels:.2f} dB,"
            f" objective {objective:.4f}"
            for quality, bpp, motion, decibels, objective in rows
        )

    def export(self, path: Path) -> bytes:
        """As the function `export`, of the averaged network."""
        return export("video-mofnet", self.average, self.recipe.metric, path)


def fitted(weights: Weights[MofNetConfig], model: VideoMofNet) -> Weights[MofNetConfig]:
    """Weights for a network with other switches: it may mask where they do not, and may not see
    the prediction where they do, which corrections have as their last inputs."""
    own = {n: t.cpu().numpy() for n, t in model.state_dict().items()}
    found = {n: t for n, t in own.items() if ".masking." in n}
    for name, tensor in weights.transforms.items():
        short = name.endswith("stem.weight") and name in own
        found[name] = tensor[:, : own[name].shape[1]] if short else tensor
    return dataclasses.replace(weights, transforms=found)


def rounded(x_hat: Tensor) -> Tensor:
    """A picture as a decoder shows it, in 8 bits."""
    return (x_hat.float().clamp(0, 1) * 255).round() / 255

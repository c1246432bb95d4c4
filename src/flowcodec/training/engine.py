"""The training loop: one function from a recipe and a folder to a checkpoint.

Everything that decides a step (crops, qualities, noise) comes from the recipe's seed and the
step's number, and a checkpoint holds model, average, optimiser and step. A training that was
killed goes on from its last checkpoint as if it had not been.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from flowcodec.codecs.weights import Weights
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.files import atomic_write
from flowcodec.models.image_cnn.config import MSE_LAMBDAS, PATCH, PRESETS, ImageCnnConfig
from flowcodec.models.image_cnn.klt import start_from_klt, start_gains
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.nn.gains import ANCHORS
from flowcodec.training.aim import change_aim, start_masking
from flowcodec.training.calibration import calibrate
from flowcodec.training.data import Crops, hold_out, load_pictures, patches
from flowcodec.training.growth import continue_from
from flowcodec.training.losses import distortion
from flowcodec.training.muon import Muon, is_matrix
from flowcodec.training.recipe import Part, Recipe, Stage, lambdas_of

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
RECIPE = "recipe.json"
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
GAINS = ("log_gain.table", "log_inverse_gain.table", "log_error.table")
MUON_SCALE = 10.0  # learning rate, in the recipe's
EXPLODED = 3.0  # times the usual loss
SKIPPED_BEFORE_RETURN = 10  # steps in a row
SKIPPED_AT_MOST = 100


def build(recipe: Recipe) -> ImageCnn:
    """The untrained network of a recipe; UsageError names the key that does not fit."""
    if recipe.preset not in PRESETS:
        raise UsageError(f"no preset called {recipe.preset}; there are: {', '.join(PRESETS)}")
    fields = dataclasses.asdict(PRESETS[recipe.preset])
    for name in recipe.switches:
        if name not in fields:
            raise UsageError(f"switches.{name} is no field of a preset: {', '.join(fields)}")
    try:
        config = msgspec.convert({**fields, **recipe.switches}, ImageCnnConfig)
    except msgspec.ValidationError as error:
        raise UsageError(f"switches: {error}") from error
    if recipe.start == "klt" and recipe.init is None and config.transform != "patch":
        raise UsageError(f'start = "klt" is for the patch transform, not {config.transform}')
    torch.manual_seed(recipe.seed)
    try:
        return ImageCnn(config)
    except ValueError as error:
        raise UsageError(f"switches: {error}") from error


def stage_at(recipe: Recipe, step: int) -> tuple[Stage, float]:
    """The stage that a step belongs to, and its learning rate."""
    begin = 0
    for stage in recipe.stages:
        if step < begin + stage.steps:
            break
        begin += stage.steps
    progress = (step - begin) / stage.steps
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    rate = stage.lr_end + (stage.lr - stage.lr_end) * cosine
    return stage, rate * min(1.0, (step + 1) / recipe.warm_up)


def begins_stage(recipe: Recipe, step: int) -> bool:
    """Whether a step is the first of its stage."""
    return step == 0 or stage_at(recipe, step)[0] is not stage_at(recipe, step - 1)[0]


def sample_quality(recipe: Recipe, count: int, rng: np.random.Generator) -> np.ndarray:
    """Real qualities, stratified over [1, 8]; or the recipe's single one."""
    if recipe.quality is not None:
        return np.full(count, recipe.quality, np.float32)
    cells = (np.arange(count) + rng.random(count)) / count
    return rng.permutation(1 + (ANCHORS - 1) * cells).astype(np.float32)


def lambda_of(lambdas: list[float], quality: Tensor) -> Tensor:
    """lambda at real qualities, geometric between anchors."""
    logs = torch.log(torch.tensor(lambdas, device=quality.device))
    low = (quality - 1).floor().clamp(0, ANCHORS - 2).long()
    fraction = quality - 1 - low
    return torch.exp(logs[low] * (1 - fraction) + logs[low + 1] * fraction)


class Training:
    """State of a training in a folder: network, averaged network, optimiser, step."""

    def __init__(self, recipe: Recipe, folder: Path, device: str = "cpu"):
        self.recipe, self.folder, self.device = recipe, folder, torch.device(device)
        self.model = build(recipe).to(self.device)
        self.average = build(recipe).to(self.device).requires_grad_(False)
        slow = {"g_a.klt.weight"} if recipe.start == "klt" else set()
        named = list(self.model.named_parameters())
        muon = {n for n, p in named if recipe.optimiser == "muon" and is_matrix(p)} - slow
        gains = {n for n, _ in named if n.endswith(GAINS)}
        adam = [p for n, p in named if n not in slow | muon | gains]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(
                [
                    {"params": adam, "scale": 1.0},
                    {"params": [p for n, p in named if n in gains], "scale": recipe.gains},
                    {"params": [p for n, p in named if n in slow], "scale": recipe.slow},
                ],
                lr=1e-4,
            )
        ]
        if muon:
            group = {"params": [p for n, p in named if n in muon], "scale": MUON_SCALE}
            self.optimisers.append(Muon([group]))
        self.step = 0
        self.seconds = 0.0  # spent training, over all runs
        self.usual_loss = math.inf
        self.skipped = 0  # steps in a row

    def start(self, pictures: list[np.ndarray]) -> None:
        """Set the weights that the first step begins with."""
        recipe = self.recipe
        # Steps of the quantiser follow the MSE anchors whatever the metric: 1-8 mean the same.
        if recipe.init is not None:
            weights = continue_from(self.model, recipe.init)
            if weights.metric != recipe.metric:
                self.change_aim(pictures, weights)
        elif recipe.start == "klt":
            sample = patches(pictures, PATCH, KLT_PATCHES, recipe.seed)
            start_from_klt(self.model, sample, MSE_LAMBDAS)
        else:
            start_gains(self.model, MSE_LAMBDAS)
        self.average.load_state_dict(self.model.state_dict())

    def change_aim(self, pictures: list[np.ndarray], weights: Weights) -> None:
        """Turn a network of one metric into the start of one for another."""
        if self.recipe.switches.get("masking") and not weights.config.masking:
            start_masking(self.model)
        x = self.tensor(Crops(pictures, self.recipe.seed, 0.0).batch(0, AIM_CROPS, AIM_CROP))
        metrics = weights.metric, self.recipe.metric
        change_aim(self.model, x, *((metric, lambdas_of(metric)) for metric in metrics))

    def calibrate(self, crops: Crops) -> None:
        """Move the gains to where the loss is least; `training.calibration` says why."""
        x = self.tensor(crops.batch(self.step, CALIBRATION_CROPS, CALIBRATION_CROP))

        def loss_at(anchor: int) -> float:
            quality = torch.full((len(x),), 1.0 + anchor, device=self.device)
            bpp, error = self.losses(x, quality, "all")
            return float((bpp + self.recipe.lambdas[anchor] * error).mean())

        calibrate(self.model, loss_at)
        with torch.no_grad():
            for mean, value in zip(self.average.gain_tables, self.model.gain_tables, strict=True):
                mean.copy_(value)

    def tensor(self, pixels: np.ndarray) -> Tensor:
        """Crops as the network takes them: (B, 3, H, W) in [0, 1] on the device."""
        x = torch.from_numpy(pixels).to(self.device).float().div_(255)
        return x.contiguous(memory_format=torch.channels_last)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "recipe": msgspec.json.encode(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
            "usual_loss": self.usual_loss,
        }
        temporary = self.folder / f".{CHECKPOINT}.new"
        torch.save(state, temporary)
        os.replace(temporary, self.folder / CHECKPOINT)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.step, self.seconds = state["step"], state["seconds"]
        self.usual_loss = state["usual_loss"]
        return True

    def log(self, **record: Any) -> None:
        """Append one line to the log."""
        with (self.folder / LOG).open("a") as file:
            file.write(json.dumps({"step": self.step, "seconds": round(self.seconds, 1), **record}))
            file.write("\n")

    def trim_log(self) -> None:
        """Drop what a killed run logged after its last checkpoint: those steps come again."""
        path = self.folder / LOG
        if not path.exists():
            return
        kept = []
        for line in path.read_text().splitlines(keepends=True):
            try:
                if json.loads(line)["step"] <= self.step:
                    kept.append(line)
            except json.JSONDecodeError:
                break  # the line that was being written
        with atomic_write(path) as file:
            file.write("".join(kept).encode())

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
            if part == "synthesis":
                with torch.no_grad():
                    y = model.code(y, quality, price=price).y
                x_hat = model.synthesise(y, quality)
                return nothing, distortion(self.recipe.metric, x, x_hat.float())
            out = model.decode(y, quality, noise, price)
        bpp = out.bits.sum(1) / x[0, 0].numel()
        return bpp, distortion(self.recipe.metric, x, out.x_hat.float())

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        enabled = self.recipe.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    def train_step(self, crops: Crops) -> float:
        """One step; returns the loss. A step whose loss or gradient explodes changes nothing."""
        recipe = self.recipe
        stage, rate = stage_at(recipe, self.step)
        if stage.calibrate and begins_stage(recipe, self.step):
            self.calibrate(crops)
        rng = np.random.default_rng([recipe.seed, self.step, 1])
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)
        quality = torch.from_numpy(sample_quality(recipe, stage.batch, rng)).to(self.device)
        x = self.tensor(crops.batch(self.step, stage.batch, stage.crop))
        weight = lambda_of(recipe.lambdas, quality)
        bpp, error = self.losses(x, quality, stage.part)
        balance = (weight / recipe.lambdas[ANCHORS // 2]) ** -recipe.balance
        loss = (balance * (bpp + weight * error)).mean()
        value = float(loss.detach())
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.skipped += 1
        if math.isfinite(value) and value < EXPLODED * self.usual_loss:
            loss.backward()
            for name, parameter in self.model.named_parameters():
                if name in FROZEN[stage.part] or (stage.calibrate and name == GAIN):
                    parameter.grad = None
            parameters = [p for p in self.model.parameters() if p.grad is not None]
            norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            if torch.isfinite(norm):
                for optimiser in self.optimisers:
                    for group in optimiser.param_groups:
                        group["lr"] = rate * group["scale"]
                    optimiser.step()
                self.update_average()
                usual = value if math.isinf(self.usual_loss) else self.usual_loss
                self.usual_loss = 0.99 * usual + 0.01 * value
                self.skipped = 0
        if self.skipped and self.skipped % SKIPPED_BEFORE_RETURN == 0:
            self.return_to_average()
        if self.skipped > SKIPPED_AT_MOST:
            raise FlowcodecError(
                f"the loss has exploded and stays so, at {value:g} in step {self.step}:"
                " train anew with a lower lr"
            )
        self.step += 1
        if begins_stage(recipe, self.step):
            self.usual_loss = math.inf  # another stage, another scale
        return value

    def return_to_average(self) -> None:
        """Leave an exploded state: go on from the averaged weights, with a fresh optimiser."""
        self.model.load_state_dict(self.average.state_dict())
        for optimiser in self.optimisers:
            optimiser.state.clear()
        self.log(returned_to_average=True)

    @torch.no_grad()
    def update_average(self) -> None:
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for kept, fixed in zip(self.average.buffers(), self.model.buffers(), strict=True):
            kept.copy_(fixed)

    @torch.no_grad()
    def evaluate(self, pictures: list[np.ndarray]) -> dict[str, list[float]]:
        """Estimated bpp and PSNR of the averaged network on pictures (H, W, 3), by quality.

        A training on MS-SSIM adds "ms-ssim-db". Pictures are cut to multiples of 64.
        """
        single = self.recipe.quality
        qualities = [single] if single is not None else [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        similar = self.recipe.metric == "ms-ssim"
        result: dict[str, list[float]] = {"quality": qualities, "bpp": [], "psnr": []}
        self.average.eval()
        for value in qualities:
            rates, errors, distances = [], [], []
            for picture in pictures:
                height, width = (side // 64 * 64 for side in picture.shape[:2])
                cut = np.ascontiguousarray(picture[:height, :width].transpose(2, 0, 1))
                x = torch.from_numpy(cut).to(self.device)[None].float() / 255
                at = torch.full((1,), value, device=self.device)
                out = self.average(x, at, price=self.recipe.price)
                decoded = (out.x_hat.clamp(0, 1) * 255).round() / 255
                rates.append(float(out.bits.sum()) / (height * width))
                errors.append(-10 * math.log10(float((decoded - x).square().mean()) + 1e-10))
                if similar:
                    distances.append(float(distortion("ms-ssim", x, decoded)))
            result["bpp"].append(float(np.mean(rates)))
            result["psnr"].append(float(np.mean(errors)))
            if similar:
                decibels = -10 * math.log10(float(np.mean(distances)) + 1e-10)
                result.setdefault("ms-ssim-db", []).append(decibels)
        return result


def train(
    recipe: Recipe,
    data: Path,
    folder: Path,
    *,
    device: str = "cpu",
    seconds: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
    on_loading: Callable[[int, int], None] | None = None,
    on_step: Callable[[Training, float], None] | None = None,
    on_evaluation: Callable[[Training, dict[str, list[float]]], None] | None = None,
) -> Training:
    """Train until the recipe's last step, or for `seconds` of this run; resumes by itself.

    `stop` is asked between steps and ends this run as if its time were over.
    Writes checkpoint.pt and log.jsonl into `folder`. UsageError when the folder holds a
    training of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(recipe, folder, device)
    note_recipe(recipe, folder / RECIPE)
    largest = max(stage.crop for stage in recipe.stages)
    pictures, held_out = hold_out(load_pictures(data, largest, on_loading), recipe.held_out)
    if not training.resume():
        training.start(pictures)
    training.trim_log()
    crops = Crops(pictures, recipe.seed, recipe.halve)
    started = saved = time.monotonic()
    before = training.seconds
    with flushed_denormals():
        while training.step < recipe.total_steps and time.monotonic() - started < seconds:
            if stop():
                break
            loss = training.train_step(crops)
            now = time.monotonic()
            training.seconds = before + now - started
            if on_step:
                on_step(training, loss)
            if training.step % 50 == 0:
                training.log(loss=round(loss, 5))
            last = training.step == recipe.total_steps
            evaluating = bool(held_out) and (last or training.step % recipe.evaluate_every == 0)
            if evaluating or now - saved > recipe.checkpoint_seconds:
                training.save()  # before an evaluation, which takes its time
                saved = now
            if evaluating:
                result = training.evaluate(held_out)
                training.log(evaluation=result)
                if on_evaluation:
                    on_evaluation(training, result)
    training.save()
    return training


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take vanishing numbers as zero: gradients that vanished made steps three times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def note_recipe(recipe: Recipe, path: Path) -> None:
    """Write the recipe beside its training; UsageError if another one stands there."""
    if path.exists() and msgspec.json.decode(path.read_bytes(), type=Recipe) != recipe:
        raise UsageError(f"{path.parent} holds a training of another recipe; give another --out")
    with atomic_write(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(recipe)))

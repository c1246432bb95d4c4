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
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import torch
from torch import Tensor, nn

from flowcodec.codecs.memory import keeping_freed_memory
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.files import atomic_write
from flowcodec.training.muon import Muon, is_matrix
from flowcodec.training.recipe import Recipe, Stage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
RECIPE = "recipe.json"
MUON_SCALE = 10.0  # learning rate, in the recipe's
SKIPPED_BEFORE_RETURN = 10  # steps in a row
SKIPPED_AT_MOST = 100


Config = TypeVar("Config", bound="DataclassInstance")


def stage_at(recipe: Recipe, step: int) -> tuple[Any, float]:
    """The stage that a step belongs to, and its learning rate."""
    begin = 0
    for stage in recipe.all_stages:
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


def configured(recipe: Recipe, presets: Mapping[str, Config]) -> Config:
    """The recipe's preset with its switches; UsageError names the key that does not fit."""
    if recipe.preset not in presets:
        raise UsageError(f"no preset called {recipe.preset}; there are: {', '.join(presets)}")
    preset = presets[recipe.preset]
    fields = dataclasses.asdict(preset)
    for name in recipe.switches:
        if name not in fields:
            raise UsageError(f"switches.{name} is no field of a preset: {', '.join(fields)}")
    try:
        return msgspec.convert({**fields, **recipe.switches}, type(preset))
    except msgspec.ValidationError as error:
        raise UsageError(f"switches: {error}") from error


@dataclass(frozen=True)
class Group:
    """Parameters, by name, that learn at a multiple `scale` of the recipe's rate."""

    names: Collection[str]
    scale: float


R = TypeVar("R", bound=Recipe)
S = TypeVar("S", bound=Stage)
Net = TypeVar("Net", bound=nn.Module)
Source = TypeVar("Source")  # what a step draws its batch from
HeldOut = TypeVar("HeldOut")  # what the averaged network is measured on
Result = dict[str, list[float]]


class Training(ABC, Generic[R, S, Net, Source, HeldOut]):
    """State of a training in a folder: network, averaged network, optimisers, step.

    What is particular to a model, its subclass says in `build` to `export`, and `exploded`: how
    many times the usual loss is no loss to learn from; and `measures_start`: whether the network is
    measured before the first step too.
    """

    exploded = 10.0
    measures_start = False

    def __init__(self, recipe: R, folder: Path, device: str = "cpu"):
        self.recipe, self.folder, self.device = recipe, folder, torch.device(device)
        self.model = self.build().to(self.device)
        self.average = self.build().to(self.device).requires_grad_(False)
        groups = self.groups()
        apart = {name for group in groups for name in group.names}
        named = dict(self.model.named_parameters())
        rest = [name for name in named if name not in apart]
        muon = [n for n in rest if recipe.optimiser == "muon" and is_matrix(named[n])]
        groups.insert(0, Group([name for name in rest if name not in muon], 1.0))
        adam = [{"params": [named[n] for n in g.names], "scale": g.scale} for g in groups]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(adam, lr=1e-4, weight_decay=recipe.weight_decay)
        ]
        if muon:
            group = {"params": [named[name] for name in muon], "scale": MUON_SCALE}
            dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
            self.optimisers.append(Muon([group], dtype=dtype))
        self.step = 0
        self.seconds = 0.0  # spent training, over all runs
        self.usual_loss = math.inf
        self.skipped = 0  # steps in a row

    @abstractmethod
    def build(self) -> Net:
        """The untrained network; UsageError names the key of the recipe that does not fit."""

    def groups(self) -> list[Group]:
        """Parameters that do not learn at the recipe's rate; in the order of its optimiser's."""
        return []

    @abstractmethod
    def load(
        self, data: Path, progress: Callable[[int, int], None] | None
    ) -> tuple[Source, HeldOut]:
        """Read a folder: what to train on and what to measure on.

        `progress` is told how many of how many files are read.
        """

    @abstractmethod
    def initialise(self, source: Source) -> None:
        """Set the weights that the first step begins with, where they are not random."""

    def begin_stage(self, source: Source, stage: S) -> None:  # noqa: B027
        """What comes before a stage's first step."""

    def frozen(self, stage: S) -> Collection[str]:
        """Parameters that a stage leaves as they are."""
        return ()

    @abstractmethod
    def loss(self, source: Source, stage: S) -> Tensor:
        """The loss of this step, which draws its batch by the recipe's seed and `self.step`."""

    @abstractmethod
    def evaluate(self, held_out: HeldOut) -> Result:
        """The averaged network, measured; no key may come without values."""

    @abstractmethod
    def describe(self, result: Result) -> str:
        """An evaluation in one line."""

    @abstractmethod
    def export(self, path: Path) -> bytes:
        """Write the averaged network as a weight file; returns its hash."""

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
        with atomic_write(self.folder / CHECKPOINT) as file:
            torch.save(state, file)

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

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        enabled = self.recipe.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    def start(self, source: Source) -> None:
        """Get ready for the first step."""
        self.initialise(source)
        self.average.load_state_dict(self.model.state_dict())

    def train_step(self, source: Source) -> float:
        """One step; returns the loss. A step whose loss or gradient explodes changes nothing."""
        recipe = self.recipe
        stage, rate = stage_at(recipe, self.step)
        if begins_stage(recipe, self.step):
            self.begin_stage(source, stage)
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)
        loss = self.loss(source, stage)
        value = float(loss.detach())
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.skipped += 1
        if math.isfinite(value) and value < self.exploded * self.usual_loss:
            loss.backward()
            frozen = self.frozen(stage)
            for name, parameter in self.model.named_parameters():
                if name in frozen:
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


AnyTraining = Training[Any, Any, Any, Any, Any]


def train(
    training: AnyTraining,
    data: Path,
    *,
    seconds: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
    on_loading: Callable[[int, int], None] | None = None,
    on_step: Callable[[AnyTraining, float], None] | None = None,
    on_evaluation: Callable[[AnyTraining, Result], None] | None = None,
) -> None:
    """Train until the recipe's last step, or for `seconds` of this run; resumes by itself.

    `stop` is asked between steps and ends this run as if its time were over.
    Writes checkpoint.pt and log.jsonl into the training's folder. UsageError when that holds a
    training of another recipe.
    """
    recipe = training.recipe
    training.folder.mkdir(parents=True, exist_ok=True)
    note_recipe(recipe, training.folder / RECIPE)
    source, held_out = training.load(data, on_loading)

    def measure() -> None:
        result = training.evaluate(held_out)
        training.log(evaluation=result)
        if on_evaluation:
            on_evaluation(training, result)

    resumed = training.resume()
    training.trim_log()
    if not resumed:
        training.start(source)
        if training.measures_start and recipe.held_out > 0:
            measure()
    started = saved = time.monotonic()
    before = training.seconds
    with flushed_denormals(), keeping_freed_memory():
        while training.step < recipe.total_steps and time.monotonic() - started < seconds:
            if stop():
                break
            loss = training.train_step(source)
            now = time.monotonic()
            training.seconds = before + now - started
            if on_step:
                on_step(training, loss)
            if training.step % 50 == 0:
                training.log(loss=round(loss, 5))
            last = training.step == recipe.total_steps
            evaluating = recipe.held_out > 0 and (
                last or training.step % recipe.evaluate_every == 0
            )
            if evaluating or now - saved > recipe.checkpoint_seconds:
                training.save()  # before an evaluation, which takes its time
                saved = now
            if evaluating:
                measure()
    training.save()


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
    if path.exists() and msgspec.json.decode(path.read_bytes(), type=type(recipe)) != recipe:
        raise UsageError(f"{path.parent} holds a training of another recipe; give another --out")
    with atomic_write(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(recipe)))

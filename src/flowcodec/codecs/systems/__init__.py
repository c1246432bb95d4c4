"""The table of systems: all that the rest of the house knows of them.

A system is a folder in `models`, one in `training`, a file here, and a row. Nothing else names it:
loading, files, weights, cards, training, measuring and `--model` read this table. A row names what
it refers to as "module:name", so that nothing is imported before it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from flowcodec.errors import FormatError, UsageError

Kind = Literal["picture", "inter", "flow"]


@dataclass(frozen=True)
class System:
    """A row.

    name: of weights and of `--model`; kind: what it codes; metrics: that there may be weights for;
    code: in files of its kind, never given to another; 0 where no file names it.

    config: the class of its sizes, and presets: of these by name; no torch.
    model: weights, device and threads -> what codes, as `codecs.protocols` says.
    network: a config -> the torch module; graphs: a network -> what coders run of it; work: a
    network -> what it costs; recipe: the class of its recipes; training: a recipe, a folder, and a
    device -> its training.
    """

    name: str
    kind: Kind
    metrics: tuple[str, ...]
    code: int
    config: str
    presets: str
    model: str
    network: str
    graphs: str
    work: str
    recipe: str
    training: str


ROWS = (
    System(
        name="image-cnn",
        kind="picture",
        metrics=("mse", "ms-ssim", "yuv"),
        code=1,
        config="flowcodec.models.image_cnn.config:ImageCnnConfig",
        presets="flowcodec.models.image_cnn.config:PRESETS",
        model="flowcodec.codecs.systems.image_cnn:ImageCnnModel",
        network="flowcodec.models.image_cnn.model:ImageCnn",
        graphs="flowcodec.models.image_cnn.graphs:graphs",
        work="flowcodec.models.image_cnn.work:work",
        recipe="flowcodec.training.image_cnn.recipe:ImageRecipe",
        training="flowcodec.training.image_cnn.training:ImageTraining",
    ),
    System(
        name="image-transformer",
        kind="picture",
        metrics=("mse", "ms-ssim"),
        code=2,
        config="flowcodec.models.image_transformer.config:ImageTransformerConfig",
        presets="flowcodec.models.image_transformer.config:PRESETS",
        model="flowcodec.codecs.systems.image_transformer:ImageTransformerModel",
        network="flowcodec.models.image_transformer.model:ImageTransformer",
        graphs="flowcodec.models.image_cnn.graphs:graphs",
        work="flowcodec.models.image_cnn.work:work",
        recipe="flowcodec.training.image_transformer.recipe:ImageTransformerRecipe",
        training="flowcodec.training.image_cnn.training:ImageTraining",
    ),
    System(
        name="video-mofnet",
        kind="inter",
        metrics=("mse", "ms-ssim"),
        code=2,
        config="flowcodec.models.video_mofnet.config:MofNetConfig",
        presets="flowcodec.models.video_mofnet.config:PRESETS",
        model="flowcodec.codecs.systems.video_mofnet:MofNetModel",
        network="flowcodec.models.video_mofnet.model:VideoMofNet",
        graphs="flowcodec.models.video_mofnet.graphs:graphs",
        work="flowcodec.models.video_mofnet.work:work",
        recipe="flowcodec.training.video_mofnet.recipe:VideoRecipe",
        training="flowcodec.training.video_mofnet.training:VideoTraining",
    ),
    System(
        name="flow-deeppynet",
        kind="flow",
        metrics=("epe",),
        code=0,
        config="flowcodec.models.flow_deeppynet.config:DeepPyNetConfig",
        presets="flowcodec.models.flow_deeppynet.config:PRESETS",
        model="flowcodec.codecs.systems.flow_deeppynet:DeepPyNetModel",
        network="flowcodec.models.flow_deeppynet.model:DeepPyNet",
        graphs="flowcodec.models.flow_deeppynet.graphs:graphs",
        work="flowcodec.models.flow_deeppynet.work:work",
        recipe="flowcodec.training.flow_deeppynet.recipe:FlowRecipe",
        training="flowcodec.training.flow_deeppynet.training:FlowTraining",
    ),
)
SYSTEMS = {row.name: row for row in ROWS}


def imported(place: str) -> Any:
    """What a row refers to."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def names_of(kind: Kind) -> list[str]:
    """The systems of a kind; the first is what is taken where nobody says which."""
    return [row.name for row in SYSTEMS.values() if row.kind == kind]


def system_called(name: str, *kinds: Kind) -> System:
    """A row by its name; UsageError where there is none, or none of those kinds."""
    known = [row.name for row in SYSTEMS.values() if not kinds or row.kind in kinds]
    if name not in known:
        there = ", ".join(known)
        if name in SYSTEMS:
            raise UsageError(f"{name} is a model of another kind; here there are: {there}")
        raise UsageError(f"no model called {name}; there are: {there}")
    return SYSTEMS[name]


def system_of(kind: Kind, code: int) -> System:
    """The row that a file names by a code; FormatError where there is none."""
    for row in SYSTEMS.values():
        if row.kind == kind and row.code == code:
            return row
    raise FormatError(f"{kind} model {code} is not known: a newer flowcodec may read the file")


def name_of(kind: Kind, code: int) -> str:
    """What a code in a file means, for people."""
    rows = (row.name for row in SYSTEMS.values() if row.kind == kind and row.code == code)
    return next(rows, f"{code}, not known")

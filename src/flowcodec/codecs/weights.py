"""Weight files: safetensors of 8 and 16 bits, found by hash.

A file holds the networks' tensors as float16 and the exact prior as integers (names that begin with
"prior."). Kernels of the corrections, two thirds of all numbers, are int8 with a float16 scale for
each output channel (the same name and ".scale"): what a correction adds is small, and its PSNR
changes by less than 0.01 dB. The metadata says which system and sizes they are for. `weights_hash`
is the SHA-256 of names, shapes, types and bytes of these tensors, in order of name.

Beside them stand the graphs by which coders run the networks ("graph." and a name), and large
constants of these ("constant."). They follow from system and sizes, so the hash leaves them out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save

import flowcodec
from flowcodec.codecs.systems import SYSTEMS, imported
from flowcodec.entropy.prior import ExactPrior, Layout
from flowcodec.errors import UsageError, WeightsError
from flowcodec.media.files import atomic_write

BUNDLED = Path(flowcodec.__file__).parent / "weights"
PRIOR = "prior."
GRAPH, CONSTANT = "graph.", "constant."
CORRECTION = ".correction."
SCALE = ".scale"
FORMER = {"groups": "slices", "motion_groups": "motion_slices"}  # what older files call fields


C = TypeVar("C")


@dataclass(frozen=True)
class Graphs:
    """How coders run networks: ONNX models without weights by name, the tensors and constants that
    each needs, and the constants."""

    skeletons: Mapping[str, bytes]
    needs: Mapping[str, Sequence[str]]
    constants: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Weights(Generic[C]):
    """A loaded file: `transforms` float32 by name, `prior` integers by name."""

    path: Path
    model: str
    metric: str
    config: C
    transforms: Mapping[str, NDArray[np.float32]]
    prior: Mapping[str, NDArray[np.integer]]
    graphs: Graphs
    hash: bytes

    def of(self, model: str) -> Weights[Any]:
        """These weights; WeightsError unless they are of that model."""
        if self.model != model:
            raise WeightsError(f"{self.path}: these are weights of {self.model}, not of {model}")
        return self


def built_prior(weights: Weights[Any], layout: Layout, part: str = "") -> ExactPrior:
    """The integer prior whose arrays' names begin with `part`; WeightsError if they do not fit."""
    arrays = {n.removeprefix(part): a for n, a in weights.prior.items() if n.startswith(part)}
    try:
        return ExactPrior(arrays, layout)
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(f"{weights.path}: the prior's arrays do not fit: {error!r}") from error


def hash_of(tensors: Mapping[str, NDArray[np.generic]]) -> bytes:
    """SHA-256 over all tensors but graphs, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith((GRAPH, CONSTANT)):
            continue
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.digest()


def save_weights(
    path: Path,
    model: str,
    metric: str,
    config: Any,
    transforms: Mapping[str, NDArray[np.generic]],
    prior: Mapping[str, NDArray[np.integer]],
    graphs: Graphs,
) -> bytes:
    """Write a weight file, whole or not at all, and return its hash.

    Integers are stored in 16 bits where they fit.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, value in transforms.items():
        if not np.isfinite(value.astype(np.float16)).all():
            raise WeightsError(f"{name} has values that 16-bit floats cannot hold")
        if CORRECTION in name and value.ndim == 4:
            tensors[name], tensors[name + SCALE] = _narrowed(value)
        else:
            tensors[name] = np.ascontiguousarray(value, np.float16)
    for name, integers in prior.items():
        narrow = np.abs(integers.astype(np.int64)).max(initial=0) < 2**15
        tensors[PRIOR + name] = np.ascontiguousarray(integers, np.int16 if narrow else np.int32)
    metadata = {"model": model, "metric": metric, "config": _described(config)}
    _write(path, tensors, metadata, graphs)
    return hash_of(tensors)


def replace_graphs(path: Path, graphs: Graphs) -> None:
    """Write a weight file again with these graphs, its config by today's names, and all else as it
    is."""
    config = load_weights(path).config
    with safetensors.safe_open(path, "numpy") as file:
        metadata = {**file.metadata(), "config": _described(config)}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    kept = {n: t for n, t in tensors.items() if not n.startswith((GRAPH, CONSTANT))}
    _write(path, kept, metadata, graphs)


def _write(
    path: Path,
    tensors: dict[str, NDArray[np.generic]],
    metadata: dict[str, str],
    graphs: Graphs,
) -> None:
    skeletons = {GRAPH + n: np.frombuffer(b, np.uint8) for n, b in graphs.skeletons.items()}
    constants = {CONSTANT + name: value for name, value in graphs.constants.items()}
    needs = msgspec.json.encode(graphs.needs).decode()
    with atomic_write(path) as file:
        file.write(save({**tensors, **skeletons, **constants}, {**metadata, "graphs": needs}))


def _narrowed(kernel: NDArray[np.generic]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """A kernel (O, I, k, k) in 8 bits, and the scale of each output channel (O, 1, 1, 1)."""
    values = kernel.astype(np.float32)
    largest = np.abs(values).max((1, 2, 3), keepdims=True)
    scale = np.maximum(largest / 127, np.finfo(np.float16).smallest_subnormal).astype(np.float16)
    steps = np.rint(values / scale.astype(np.float32))
    return np.clip(steps, -127, 127).astype(np.int8), scale


def _widened(tensor: NDArray[np.generic], scale: NDArray[np.generic] | None) -> NDArray[np.float32]:
    values = tensor.astype(np.float32)
    return values if scale is None else values * scale.astype(np.float32)


def load_weights(path: Path) -> Weights[Any]:
    """Read a weight file; WeightsError says what is wrong with it.

    A file of others is told by its metadata, before its tensors are read.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise WeightsError(f"{path} is no weight file: it is not even a plain file")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            model, metric, config = _read_metadata(path, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise WeightsError(f"cannot read weights {path}: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is no weight file: {error}") from error
    except (TypeError, AttributeError) as error:  # of what NumPy lacks, such as bfloat16
        raise WeightsError(f"{path} has tensors of a type that is none of ours: {error}") from error
    for name, tensor in tensors.items():
        if name.startswith(PRIOR) and tensor.dtype.kind != "i":
            raise WeightsError(f"{path}: {name} is {tensor.dtype}, where integers are needed")
        if tensor.dtype.kind not in "iuf":
            raise WeightsError(f"{path} has tensors of a type that is none of ours: {tensor.dtype}")
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{path} is broken: {name} has values that are not finite")
    try:
        needs = msgspec.json.decode(metadata.get("graphs", "{}"), type=dict[str, list[str]])
    except msgspec.DecodeError as error:
        raise WeightsError(f"{path} is broken: what its graphs need: {error}") from error
    return Weights(
        path=path,
        model=model,
        metric=metric,
        config=config,
        transforms={
            name: _widened(tensor, tensors.get(name + SCALE))
            for name, tensor in tensors.items()
            if not name.startswith((PRIOR, GRAPH, CONSTANT)) and not name.endswith(SCALE)
        },
        prior={n.removeprefix(PRIOR): t for n, t in tensors.items() if n.startswith(PRIOR)},
        graphs=Graphs(
            {n.removeprefix(GRAPH): t.tobytes() for n, t in tensors.items() if n.startswith(GRAPH)},
            needs,
            {n.removeprefix(CONSTANT): t for n, t in tensors.items() if n.startswith(CONSTANT)},
        ),
        hash=hash_of(tensors),
    )


def _described(config: Any) -> str:
    return msgspec.json.encode(dataclasses.asdict(config)).decode()


def _read_metadata(path: Path, metadata: Mapping[str, str]) -> tuple[str, str, Any]:
    """Model, metric and config of a weight file."""
    for name in ("model", "metric", "config"):
        if name not in metadata:
            raise WeightsError(f"{path} is no weight file of flowcodec: its metadata has no {name}")
    model = metadata["model"]
    if model not in SYSTEMS:
        raise WeightsError(f"{path} is for a model {model!r}; there are: {', '.join(SYSTEMS)}")
    try:
        form = imported(SYSTEMS[model].config)
        described = msgspec.json.decode(metadata["config"], type=dict[str, Any])
        own = {field.name for field in dataclasses.fields(form)}
        named = {n if n in own else FORMER.get(n, n): value for n, value in described.items()}
        config = msgspec.convert(named, form)
    except msgspec.DecodeError as error:
        raise WeightsError(f"{path} has a config that is not {model}'s: {error}") from error
    return model, metadata["metric"], config


def bundled_weights(model: str, metric: str) -> Weights[Any]:
    """The weights that come with the package; UsageError if there are none of that kind."""
    path = BUNDLED / f"{model}-{metric}.safetensors"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in BUNDLED.glob("*.safetensors")))
        raise UsageError(f"no bundled weights {model}-{metric}; there are: {known or 'none'}")
    return load_weights(path)


def weights_called(name: str) -> Weights[Any]:
    """The bundled weights of that name ("system-metric"), or those of a file."""
    bundled = BUNDLED / f"{name}.safetensors"
    return load_weights(bundled if bundled.exists() else Path(name))


def find_weights(wanted: bytes, own: Path | None) -> Weights[Any]:
    """The weights whose hash begins with `wanted`: in `own` (a file or a folder) or bundled.

    What a folder holds beside our weights is passed over. WeightsError names the hash and the
    places that were looked in, or what is wrong with `own` where that is a file.
    """
    passed: list[str] = []
    if own and os.path.isfile(own):
        weights = load_weights(own)
        if weights.hash.startswith(wanted):
            return weights
    elif own:
        for path in _weight_files(own):
            try:
                weights = load_weights(path)
            except WeightsError as error:
                passed.append(str(error))
                continue
            if weights.hash.startswith(wanted):
                return weights
    for path in sorted(BUNDLED.glob("*.safetensors")):
        if _is_said(path, wanted) and (weights := load_weights(path)).hash.startswith(wanted):
            return weights
    places = f"{own} and the bundled ones" if own else "the bundled ones"
    raise WeightsError(
        f"the file needs weights {wanted.hex()}, which are not among {places};"
        " give them with --weights FILE or FOLDER" + _told(passed)
    )


def _weight_files(folder: Path) -> list[Path]:
    """What may be weights in a folder; WeightsError unless it is one that can be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise WeightsError(f"cannot look for weights in {folder}: {error.strerror}") from error
    found = (folder / name for name in names if name.endswith(".safetensors"))
    return [path for path in found if os.path.isfile(path)]


def _told(passed: Sequence[str]) -> str:
    """What was passed over, for an error that says that nothing fits."""
    if not passed:
        return ""
    more = f", and {len(passed) - 1} more" if len(passed) > 1 else ""
    return f" (passed over: {passed[0]}{more})"


def _is_said(path: Path, wanted: bytes) -> bool:
    """Whether the card beside bundled weights gives them this hash: reading it takes no time."""
    card = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=dict[str, Any])
    return wanted.hex().startswith(card["weights_hash"])

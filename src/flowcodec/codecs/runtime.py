"""Networks at coding time: the graphs of a weight file in ONNX Runtime. No torch.

Everything here is floating point and may differ in the last bit between machines; nothing of it
decides a probability.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from flowcodec.codecs.finite import check_finite
from flowcodec.codecs.weights import Weights
from flowcodec.entropy.hyper import HYPER_RATIO
from flowcodec.errors import FlowcodecError, UsageError, WeightsError
from flowcodec.quality import ANCHORS

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "MIGraphXExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
AS_REQUESTED = 1  # of ONNX Runtime's ways to take more memory
FATAL = 4  # of ONNX Runtime's levels of logging: errors are raised, and told by us


def provider_of(device: str) -> tuple[str, dict[str, str]]:
    """ONNX Runtime's name of a device, "cpu", "cuda", "cuda:1", and its options; UsageError where
    this machine has none such."""
    kind, _, number = str(device).partition(":")
    there = onnxruntime.get_available_providers()
    offered = [name for name, provider in PROVIDERS.items() if provider in there]
    if kind not in PROVIDERS or (number and not number.isdecimal()):
        raise UsageError(f"there is no device {device!r}; here there are: {', '.join(offered)}")
    if kind not in offered:
        raise UsageError(
            f"this onnxruntime has no device {kind!r}, only {', '.join(offered)}: install the build"
            " that has it (onnxruntime-gpu, onnxruntime-directml, ...)"
        )
    return PROVIDERS[kind], {"device_id": number} if number else {}


class Network:
    """One graph of a weight file, ready to run.

    device: as `provider_of`; threads: of the CPU, ONNX Runtime's choice if None; small: bytes of
    inputs up to which a run keeps its memory for the next, None for all. Giving it back costs a
    tenth of the time, keeping it half a gigabyte more for large pictures. WeightsError where the
    file has no such graph, or its tensors do not fit it.
    """

    def __init__(
        self,
        weights: Weights[Any],
        name: str,
        device: str = "cpu",
        threads: int | None = None,
        small: int | None = None,
    ):
        provider = provider_of(device)
        graphs = weights.graphs
        if name not in graphs.skeletons:
            raise WeightsError(
                f"{weights.path} has no graph {name!r}: these weights were written before graphs"
                " came along; `python -m flowcodec.training.networks FILE` adds them"
            )
        tensors = {**weights.transforms, **graphs.constants}
        needs = list(graphs.needs.get(name, ()))
        if missing := set(needs).difference(tensors):
            raise WeightsError(f"{weights.path}: the tensors do not fit: {min(missing)} is missing")
        _share_memory()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        options.intra_op_num_threads = threads or 0
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensors[each]) for each in needs]
        options.add_external_initializers(needs, values)
        try:
            self._session = onnxruntime.InferenceSession(
                graphs.skeletons[name], options, providers=[provider], enable_fallback=False
            )
        except MemoryError:
            raise
        except Exception as error:  # of many kinds, none of which has a type that is public
            if device != "cpu":
                raise UsageError(f"the device {device!r} cannot be used: {error}") from error
            raise WeightsError(f"{weights.path}: the tensors do not fit: {error}") from error
        self._what = f"{name} of {weights.path}"
        self._small = math.inf if small is None else small
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, **inputs: NDArray[Any]) -> Any:
        """The output, or all outputs in order, for inputs by name; what the graph does not take,
        such as the quality where nothing depends on it, is left out. FlowcodecError where there is
        too little memory."""
        taken = {name: value for name, value in inputs.items() if name in self._inputs}
        large = sum(value.nbytes for value in taken.values()) > self._small
        try:
            found = self._session.run(self._outputs, taken, _giving_back() if large else None)
        except Exception as error:  # as above
            if "alloc" not in str(error).lower():
                raise
            raise FlowcodecError(
                f"there is too little memory for {self._what}: do fewer things at once"
                " (--threads 1, -j 1)"
            ) from error
        return found[0] if len(found) == 1 else found


@cache
def _giving_back() -> Any:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@cache
def _share_memory() -> None:
    """Let all networks of a process keep their memory together, as much as they ask for: each
    would else keep its own, up to twice as much."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"arena_extend_strategy": AS_REQUESTED})
    onnxruntime.create_and_register_allocator(memory, arena)


def at_quality(quality: int) -> NDArray[np.float32]:
    """A quality in thousandths as graphs take it."""
    return np.array([quality / 1000], np.float32)


def gain_at(table: NDArray[np.integer], quality: int) -> NDArray[np.float32]:
    """The gains (C, 1, 1) at a quality in thousandths, between two rows of a prior's table (8, C)
    in octaves of 2^-8."""
    low = min(quality // 1000, ANCHORS - 1) - 1
    fraction = np.float32(quality / 1000 - 1 - low)
    first, second = table[low].astype(np.float32), table[low + 1].astype(np.float32)
    octaves = (first * (1 - fraction) + second * fraction) * np.float32(2**-8)
    return np.exp2(octaves)[:, None, None]


def hyper_latents(
    analysis: Network,
    y: NDArray[np.float32],
    gain: NDArray[np.floating],
    stage: str,
    weights: Weights[Any],
) -> NDArray[np.int64]:
    """z (N, k, l) of latents before their gain (M, h, w), by a hyper-analysis that takes whole
    steps of its stride and is called so where it gives no numbers (WeightsError)."""
    below, beside = -y.shape[1] % HYPER_RATIO, -y.shape[2] % HYPER_RATIO
    z = analysis(y=np.pad(y, ((0, 0), (0, below), (0, beside)), "edge"))
    z = np.rint(z * gain)
    check_finite(z, stage, weights)
    return np.asarray(z, np.int64)

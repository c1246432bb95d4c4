"""Graphs of networks for weight files, so that coding needs no torch.

A graph holds no weights: its initializers are external, and are called as the tensors of the file
are. Large constants (bases, grids) stand in the file once, by the hash of what they are.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import onnx
import onnx_ir
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, RemoveUnusedNodesPass

from flowcodec.codecs.weights import Graphs
from flowcodec.nn.graph import Graph

OPSET = 19  # the first that has deformable convolutions
LARGE = 1024  # bytes of a constant that is kept outside of its graph
INSIDE = "network."  # what names of tensors begin with, in a part of a network


def drawn(graphs: Iterable[Graph], tensors: Collection[str]) -> Graphs:
    """Trace each part of a network, of which weight files hold these tensors.

    ValueError where a graph needs another one, such as gains, which files hold as integers.
    """
    skeletons: dict[str, bytes] = {}
    needs: dict[str, list[str]] = {}
    constants: dict[str, NDArray[np.generic]] = {}
    for graph in graphs:
        model = _traced(graph)
        _without_weights(model, constants)
        model = _simplified(model)
        needs[graph.name] = [tensor.name for tensor in model.graph.initializer]
        if strange := set(needs[graph.name]).difference(tensors, constants):
            raise ValueError(f"the graph {graph.name!r} needs {min(strange)}, which no file holds")
        skeletons[graph.name] = model.SerializeToString()
    return Graphs(skeletons, needs, constants)


def _traced(graph: Graph) -> onnx.ModelProto:
    torch.onnx.register_custom_op_symbolic(  # type: ignore[attr-defined]
        "aten::exp2", _exp2, OPSET
    )
    file: Any = io.BytesIO()
    part = graph.part.eval().cpu()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: it is this one that gives small graphs
        torch.onnx.export(
            part,
            tuple(graph.inputs.values()),
            file,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes={name: dict(axes) for name, axes in graph.varying.items()},
            opset_version=OPSET,
            do_constant_folding=False,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def _without_weights(model: onnx.ModelProto, constants: dict[str, NDArray[np.generic]]) -> None:
    """Make initializers external, and large constants such initializers."""
    for tensor in model.graph.initializer:
        name = tensor.name.removeprefix(INSIDE)
        _rename(model, tensor.name, name)
        tensor.CopyFrom(_external(name, tensor))
    kept = []
    for node in model.graph.node:
        value = next((a.t for a in node.attribute if a.HasField("t")), None)
        if node.op_type != "Constant" or value is None or len(value.raw_data) < LARGE:
            kept.append(node)
            continue
        array = numpy_helper.to_array(value)
        name = hashlib.sha256(value.raw_data).hexdigest()[:16]
        same = constants.get(name, array)
        if (same.dtype, same.shape) != (array.dtype, array.shape):  # such as zeros of two sizes
            name += f"-{array.dtype.name}-{'x'.join(map(str, array.shape))}"
        constants[name] = array
        _rename(model, node.output[0], name)
        if name not in {tensor.name for tensor in model.graph.initializer}:
            model.graph.initializer.append(_external(name, value))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.ClearField("producer_version")
    for node in model.graph.node:
        node.ClearField("doc_string")


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same, each thing computed once: a tracer writes constants and sizes again and again."""
    found = CommonSubexpressionEliminationPass()(onnx_ir.from_proto(model)).model
    return onnx_ir.to_proto(RemoveUnusedNodesPass()(found).model)


def _external(name: str, tensor: onnx.TensorProto) -> onnx.TensorProto:
    """The same, without its values; a number is a row of one, as weight files have it."""
    found = onnx.TensorProto(name=name, data_type=tensor.data_type, dims=tensor.dims or [1])
    found.data_location = onnx.TensorProto.EXTERNAL
    found.external_data.add(key="location", value=name)
    return found


def _rename(model: onnx.ModelProto, before: str, after: str) -> None:
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == before:
                node.input[place] = after


def _exp2(g: Any, x: Any) -> Any:
    """2^x, which ONNX has no operator for."""
    natural = g.op("Constant", value_t=torch.tensor(math.log(2)))
    return g.op("Exp", g.op("Mul", x, natural))

"""An ONNX file, read: nodes with plain settings, constants as arrays, dense layers put together, inputs' layouts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper, shape_inference, version_converter

from ....errors import XconvError, first_line
from ....onnx import files
from .digits import decimal, read_exactly
from .patterns import Node, put_together

OLDEST, NEWEST = 11, 26  # opsets; older files are converted first
NORMS = ("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization")
WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN", "Resize",
           "DepthToSpace", "SpaceToDepth", *NORMS[:2], "GroupNormalization", "PRelu")  # fmt: skip
# Operators whose second input and those behind it are the weights of a layer.
LAYERS = ("Conv", "ConvTranspose", "Dense", "PRelu", "Embedding", "LSTM", "GRU", "RNN", *NORMS)
_NAMED = re.compile(r"^(?P<path>.+)\.(weight|bias|kernel|running_mean|running_var|weight_(ih|hh)_l0)(\.T)?$")


@dataclass(frozen=True)
class Input:
    """What the graph is given; `channels` is the axis that holds channels, if its layers say so."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    channels: int | None = None

    @property
    def last(self) -> bool:
        return self.channels is not None and self.channels == len(self.shape) - 1


@dataclass(frozen=True)
class Graph:
    """A file's graph."""

    file: str
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    ranks: Mapping[str, int] = field(default_factory=dict)


def read(path: str | Path) -> Graph:
    """The graph of a file; nothing in it is executed.

    Raises:
        XconvError: if it is no valid ONNX file, keeps weights outside its folder, or holds control flow or operators
            of a domain that is not ONNX's own.
    """
    model = files.read(path)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset > NEWEST:
        raise XconvError(f"{path} is of opset {opset}; up to {NEWEST} are understood")
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        if opset < OLDEST:
            model, opset = version_converter.convert_version(model, 13), 13
        model = shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # the onnx library raises anything
        raise XconvError(f"{path} cannot be brought into a form that is understood: {first_line(error)}") from error
    graph = model.graph
    if graph.sparse_initializer:
        raise XconvError(f"{path} keeps sparse weights, which the verifier does not read")
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes: list[Node] = []
    for number, proto in enumerate(graph.node):
        if proto.domain not in ("", "ai.onnx"):
            raise XconvError(f"{path} uses {proto.op_type} of the domain {proto.domain}: only ONNX's own operators are "
                             "understood")  # fmt: skip
        settings = {a.name: _setting(a, path, proto) for a in proto.attribute}
        if proto.op_type == "Constant":
            constants[proto.output[0]] = _constant(settings)
            continue
        name = proto.name or f"{proto.op_type}_{number}"
        nodes.append(Node(proto.op_type, name.strip("/"), tuple(proto.input), tuple(proto.output), settings))
    ranks = {i.name: len(i.type.tensor_type.shape.dim) for i in (*graph.value_info, *graph.input, *graph.output)}
    ranks |= {name: array.ndim for name, array in constants.items()}
    ends = {o.name for o in graph.output}
    nodes = _named(put_together(nodes, constants, ranks, ends, model.producer_name), constants)
    weights = {name for n in nodes if n.op in LAYERS for name in n.inputs[1:]}
    for name, array in list(constants.items()):
        small = name not in weights and array.dtype == np.float32 and array.size <= 4
        if small and (true := read_exactly(array)) is not None:
            constants[name] = true
    inputs = tuple(
        Input(i.name, tuple(d.dim_value or None for d in i.type.tensor_type.shape.dim),
              helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type).name, _channels(nodes, i.name, ranks))
        for i in graph.input if i.name not in constants
    )  # fmt: skip
    if not inputs:
        raise XconvError(f"{path} takes no input: there is nothing to compare")
    outputs = tuple(o.name for o in graph.output)
    return Graph(str(path), opset, tuple(nodes), constants, inputs, outputs, ranks)


def _setting(a: onnx.AttributeProto, path: Any, node: onnx.NodeProto) -> Any:
    """An attribute as a plain value; a float as the decimal that was rounded to float32."""
    if a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        raise XconvError(f"{path} holds control flow ({node.op_type}); the verifier follows graphs without it")
    value = helper.get_attribute_value(a)
    if a.type == onnx.AttributeProto.FLOAT:
        return decimal(value)
    if a.type == onnx.AttributeProto.FLOATS:
        return [decimal(v) for v in value]
    if isinstance(value, bytes):
        return value.decode()
    if a.type == onnx.AttributeProto.STRINGS:
        return [v.decode() for v in value]
    return list(value) if a.type == onnx.AttributeProto.INTS else value


def _constant(settings: Mapping[str, Any]) -> np.ndarray:
    (kind, value), *_ = settings.items()
    if kind == "value":
        return numpy_helper.to_array(value)
    dtype = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}.get(kind)
    return np.asarray(value, dtype)


def _named(nodes: list[Node], constants: Mapping[str, np.ndarray]) -> list[Node]:
    """Layers by the paths of their weights, where the file keeps them, else by the node's name; each name once."""
    seen: dict[str, int] = {}
    found = []
    for node in nodes:
        name = node.name
        if node.op in LAYERS:
            paths = [m["path"] for n in node.inputs[1:] if (m := _NAMED.match(n.rstrip("#")))]
            name = paths[0] if paths else name
        count = seen[name] = seen.get(name, 0) + 1
        found.append(replace(node, name=name if count == 1 else f"{name}_{count}"))
    return found


_THROUGH = frozenset(
    "Relu LeakyRelu Sigmoid Tanh Clip Elu Selu Gelu Add Sub Mul Div Pad Identity Cast Dropout Abs Neg Sqrt Pow Exp"
    " Slice Concat Max Min HardSwish Softplus Erf Squeeze Unsqueeze".split()
)


def _channels(nodes: list[Node], name: str, ranks: Mapping[str, int]) -> int | None:
    """The axis of an input that the first convolution, pooling or normalisation behind it takes for channels."""
    rank = ranks.get(name, 0)
    if rank < 3:
        return None
    known: dict[str, tuple[int, ...]] = {name: tuple(range(rank))}
    for node in nodes:
        source = next((n for n in node.inputs if n in known), None)
        if source is None:
            continue
        axes = known[source]
        if node.op in WINDOWS and len(axes) == rank:
            return axes[1]
        if node.op == "Transpose":
            known[node.outputs[0]] = tuple(axes[p] for p in node.settings.get("perm", range(rank)[::-1]))
        elif node.op in _THROUGH and ranks.get(node.outputs[0], rank) == rank:
            known[node.outputs[0]] = axes
    return None

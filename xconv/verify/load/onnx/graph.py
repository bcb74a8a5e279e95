"""An ONNX file, read: nodes with plain settings, constants as arrays, dense layers put together, inputs' layouts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper, shape_inference, version_converter

from ....errors import XconvError, first_line
from ....onnx import files

OLDEST, NEWEST = 11, 26  # opsets; older files are converted first
NORMS = ("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization")
WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN", "Resize",
           "DepthToSpace", "SpaceToDepth", *NORMS[:2], "GroupNormalization", "PRelu")  # fmt: skip
# Operators whose second input and those behind it are the weights of a layer.
LAYERS = ("Conv", "ConvTranspose", "Dense", "PRelu", "Embedding", "LSTM", "GRU", "RNN", *NORMS)
_NAMED = re.compile(r"^(?P<path>.+)\.(weight|bias|kernel|running_mean|running_var|weight_(ih|hh)_l0)(\.T)?$")


@dataclass(frozen=True)
class Node:
    """One operator; absent inputs are ""."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Any]

    def input(self, index: int) -> str:
        return self.inputs[index] if index < len(self.inputs) else ""


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
    exact: frozenset[str] = frozenset()  # constants that were read as the number that float32 rounded


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
    nodes = _named(_group_norms(_dense(nodes, constants, ends), constants, ranks, ends), constants)
    exact, read_as = frozenset(), dict(constants)
    weights = {name for n in nodes if n.op in LAYERS for name in n.inputs[1:]}
    for name, array in constants.items():
        if (
            name not in weights
            and array.dtype == np.float32
            and array.size <= 4
            and (true := _exact(array)) is not None
        ):
            read_as[name] = true
            exact |= {name} if (true != array).any() else set()
    inputs = tuple(
        Input(i.name, tuple(d.dim_value or None for d in i.type.tensor_type.shape.dim),
              helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type).name, _channels(nodes, i.name, ranks))
        for i in graph.input if i.name not in constants
    )  # fmt: skip
    if not inputs:
        raise XconvError(f"{path} takes no input: there is nothing to compare")
    outputs = tuple(o.name for o in graph.output)
    return Graph(str(path), opset, tuple(nodes), read_as, inputs, outputs, ranks, exact)


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


def decimal(value: float) -> float:
    """The shortest decimal that float32 rounds to this: what the user wrote.

    >>> decimal(9.999999747378752e-06)
    1e-05
    """
    return float(str(np.float32(value)))


def _exact(array: np.ndarray) -> np.ndarray | None:
    """The numbers that float32 rounded, if each is a short decimal or a simple root."""
    found = [closed_form(float(v)) for v in array.ravel()]
    return None if None in found else np.array(found, np.float64).reshape(array.shape)


_FORMS = (np.pi, np.e, np.sqrt(2 / np.pi), np.sqrt(np.pi / 2), 2 / np.sqrt(np.pi), np.log(2), 1 / np.log(2), np.log(10),
          1 / np.log(10))  # fmt: skip


@lru_cache(maxsize=4096)
def closed_form(value: float) -> float | None:
    """The number of at most five digits, the root of a small fraction, or the known constant that float32 rounds to it.

    >>> closed_form(0.7071067690849304), closed_form(0.10000000149011612), closed_form(0.123456789)
    (0.7071067811865476, 0.1, None)
    """
    if not np.isfinite(value) or value == int(value):
        return value
    short = float(f"{value:.5g}")
    if np.float32(short) == value:
        return short
    size, sign = abs(value), 1 if value > 0 else -1
    for root in (1, 2, 4):
        power = size**root
        fractions = [Fraction(power).limit_denominator(64) if power < 64 else Fraction(0)]
        if power < 1:
            fractions.append(Fraction(1, min(round(1 / power), 4096)))
        if power > 1:
            fractions.append(Fraction(round(power) if power < 4096 else 0))
        for fraction in fractions:
            exact = float(fraction) ** (1 / root)
            if fraction and np.float32(exact) == np.float32(size):
                return sign * exact
    return next((sign * form for form in _FORMS if np.float32(form) == np.float32(size)), None)


def _dense(nodes: list[Node], constants: dict[str, np.ndarray], outputs: set[str]) -> list[Node]:
    """MatMul with a constant matrix, Gemm, and an Add of a constant vector behind it as one dense layer.

    The kernel comes to lie as (outputs, inputs), under the name that it had.
    """
    users: dict[str, int] = {}
    for node in nodes:
        for name in node.inputs:
            users[name] = users.get(name, 0) + 1
    found: list[Node] = []
    at: dict[str, int] = {}  # what a dense layer without bias gives, and where it stands
    for node in nodes:
        matrix = constants.get(node.input(1))
        if node.op in ("MatMul", "Gemm") and matrix is not None and matrix.ndim == 2 and matrix.dtype.kind == "f":
            s = node.settings
            if node.op == "Gemm" and (s.get("transA") or s.get("alpha", 1.0) != 1 or s.get("beta", 1.0) != 1):
                found.append(node)
                continue
            if node.op == "Gemm" and node.input(2) and getattr(constants.get(node.input(2)), "ndim", 0) != 1:
                found.append(node)
                continue
            turned = node.op == "Gemm" and s.get("transB")
            kernel = node.input(1) if turned else node.input(1).removesuffix(".T") + "#"
            constants[kernel] = matrix if turned else np.ascontiguousarray(matrix.T)
            bias = node.input(2)
            if bias and constants[bias].size != len(constants[kernel]):
                constants[bias + "#"] = np.broadcast_to(constants[bias], len(constants[kernel]))
                bias += "#"
            found.append(replace(node, op="Dense", inputs=(node.input(0), kernel, bias), settings={}))
            if not bias:
                at[node.outputs[0]] = len(found) - 1
            continue
        if node.op == "Add" and (one := next((n for n in node.inputs if n in at), "")):
            bias = node.inputs[1 - node.inputs.index(one)]
            layer = found[at[one]]
            array = constants.get(bias)
            fits = array is not None and array.size == len(constants[layer.inputs[1]]) == array.shape[-1:][0]
            if fits and users[one] == 1 and one not in outputs:
                constants[bias + "#"] = array.reshape(-1)
                found[at.pop(one)] = replace(layer, inputs=(*layer.inputs[:2], bias + "#"), outputs=node.outputs)
                continue
        if node.op == "Gather" and node.settings.get("axis", 0) == 0 and node.input(1) not in constants:
            table = constants.get(node.input(0))
            if table is not None and table.ndim == 2 and table.dtype.kind == "f":
                found.append(replace(node, op="Embedding", inputs=(node.inputs[1], node.inputs[0])))
                continue
        found.append(node)
    return found


def _group_norms(
    nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str]
) -> list[Node]:
    """Reshape, InstanceNormalization without scale, Reshape back, Mul and Add by channel as one group normalisation."""
    maker = {o: n for n in nodes for o in n.outputs}
    users: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)

    def after(name: str, op: str) -> Node | None:
        one = users.get(name, [])
        return one[0] if len(one) == 1 and one[0].op == op and name not in outputs else None

    gone: dict[int, Node | None] = {}
    for norm in (n for n in nodes if n.op == "InstanceNormalization"):
        before, back = maker.get(norm.inputs[0]), after(norm.outputs[0], "Reshape")
        scale = after(back.outputs[0], "Mul") if back else None
        shift = after(scale.outputs[0], "Add") if scale else None
        plain = all((constants[n] == v).all() for n, v in zip(norm.inputs[1:], (1, 0), strict=True) if n in constants)
        plain &= all(n in constants for n in norm.inputs[1:])
        if before is None or before.op != "Reshape" or back is None or scale is None or shift is None or not plain:
            continue
        whole = maker.get(back.inputs[1])  # Shape of what was taken apart, or sizes of its rank
        same = whole is not None and whole.op == "Shape" and whole.inputs[0] == before.inputs[0]
        same |= back.inputs[1] in constants and constants[back.inputs[1]].size == ranks.get(before.inputs[0])
        weights = [next((n for n in node.inputs if n in constants), "") for node in (scale, shift)]
        rank = ranks.get(before.inputs[0], 0)
        if not same or not all(_by_channel(constants.get(n), rank) for n in weights):
            continue
        flat = [f"{n}#" for n in weights]
        constants.update({f: constants[n].reshape(-1) for f, n in zip(flat, weights, strict=True)})
        settings = {"num_groups": len(constants[norm.inputs[1]]), "epsilon": norm.settings.get("epsilon", 1e-5),
                    "by_channel": True}  # fmt: skip
        gone |= {id(n): None for n in (before, norm, back, scale)}
        gone[id(shift)] = replace(norm, op="GroupNormalization", inputs=(before.inputs[0], *flat),
                                  outputs=shift.outputs, settings=settings)  # fmt: skip
    return [kept for n in nodes if (kept := gone.get(id(n), n)) is not None]


def _by_channel(array: np.ndarray | None, rank: int) -> bool:
    """Is it one number for each channel, axis 1 of `rank`?"""
    return array is not None and array.ndim in (rank - 1, rank) and array.size == array.shape[array.ndim - rank + 1]


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


def by_channel(slope: np.ndarray, rank: int) -> bool:
    """Does a PRelu's slope have one number, or one for each channel?"""
    return slope.size == 1 or (slope.ndim == rank - 1 and slope.size == slope.shape[0])


def recurrent_settings(graph: Graph, node: Node) -> dict[str, Any]:
    """What a recurrent node asks for, if both frameworks' layers can do it.

    Raises:
        XconvError: if they cannot.
    """
    s = node.settings
    acts = [a.lower() for a in s.get("activations", [])]
    usual = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}[node.op]
    relu = node.op == "RNN" and bool(acts) and set(acts) == {"relu"}
    odd = acts and not relu and acts != usual * (len(acts) // len(usual))
    states = [graph.constants[n] for n in node.inputs[5:7] if n in graph.constants]
    if odd or s.get("direction") == "reverse" or s.get("layout") or s.get("clip") or node.input(4) or node.input(7) or (
        node.op == "GRU" and not s.get("linear_before_reset")) or any(a.any() for a in states):  # fmt: skip
        raise XconvError(f"{graph.file}: {node.name} ({node.op}) has settings that torch's and Keras's layers have not")
    return {**s, "relu": relu}

"""An ONNX graph as a Keras layer with channels last: Keras's layers where an operator is one, keras.ops otherwise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import layers

from ....errors import XconvError
from ....frameworks.keras import from_numpy
from .graph import LAYERS, Graph, Input, Node, by_channel, recurrent_settings
from .walk import Walk


def ops(name: str) -> Callable[..., Any]:
    """A function of keras.ops, looked up when it is called, so that a tracer sees it."""
    return lambda *args, **kwargs: getattr(keras.ops, name)(*args, **kwargs)


@contextmanager
def plainly() -> Iterator[None]:
    """Our sentences pass through Keras's calls without what it adds to errors."""
    try:
        yield
    except XconvError as error:
        error._keras_call_info_injected = True  # type: ignore[attr-defined]
        raise


class Call(keras.layers.Layer):
    """One node that is no layer; its constants are variables that nothing trains."""

    def __init__(self, node: Node, graph: Graph, **kwargs: Any):
        super().__init__(name=said(node.name), **kwargs)
        for position, name in enumerate(node.inputs):
            array = graph.constants.get(name)
            if array is not None and array.dtype.kind == "f" and array.size > 1:
                variable = self.add_weight(shape=array.shape, name=f"constant{position}", trainable=False)
                variable.assign(array)
        self.names = list(node.inputs)
        self.built = True

    def call(self, *tensors: Any) -> Any:
        with plainly():
            return self.__dict__["job"](*tensors)

    def constant(self, name: str) -> Any:
        wanted = f"constant{self.names.index(name)}"
        return next((v for v in self.weights if v.name == wanted), None)


class Stretched(keras.layers.Layer):
    """A transposed convolution with groups or dilation, as a convolution of the stretched input."""

    def __init__(self, node: Node, weight: np.ndarray, bias: np.ndarray | None, **kwargs: Any):
        super().__init__(name=said(node.name), **kwargs)
        rank, s = weight.ndim - 2, node.settings
        self.strides, self.dilation = s.get("strides", [1] * rank), s.get("dilations", [1] * rank)
        self.groups = s.get("group", 1)
        parts = np.split(np.flip(weight, tuple(range(2, rank + 2))), self.groups)  # each (i/g, o/g, ...)
        kernel = np.concatenate([np.moveaxis(p, (0, 1), (-2, -1)) for p in parts], -1)
        self.kernel = self.add_weight(shape=kernel.shape, name="kernel")
        self.kernel.assign(kernel)
        self.bias = None
        if bias is not None:
            self.bias = self.add_weight(shape=bias.shape, name="bias")
            self.bias.assign(bias)
        self.built = True

    def call(self, x: Any) -> Any:
        o = keras.ops
        for axis, m in enumerate(self.strides, 1):
            shape = [int(n) for n in x.shape]
            wide = o.pad(o.expand_dims(x, axis + 1), [(0, m - 1) if a == axis + 1 else (0, 0)
                                                      for a in range(len(shape) + 1)])  # fmt: skip
            wide = o.reshape(wide, (*shape[:axis], shape[axis] * m, *shape[axis + 1 :]))
            x = wide[(slice(None),) * axis + (slice(0, (shape[axis] - 1) * m + 1),)]
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel.shape, strict=False)]
        x = o.pad(x, [(0, 0), *((r, r) for r in reach), (0, 0)])
        y = _grouped(x, self.kernel, [1] * len(reach), list(self.dilation), self.groups)
        return y if self.bias is None else y + self.bias


def _grouped(x: Any, kernel: Any, strides: list[int], dilation: list[int], groups: int) -> Any:
    xs = keras.ops.split(x, groups, -1) if groups > 1 else [x]
    ks = keras.ops.split(kernel, groups, -1) if groups > 1 else [kernel]
    ys = [keras.ops.conv(a, k, strides, "valid", "channels_last", dilation) for a, k in zip(xs, ks, strict=True)]
    return keras.ops.concatenate(ys, -1) if groups > 1 else ys[0]


class Net(keras.layers.Layer):
    """A graph; it takes its inputs with channels last."""

    def __init__(self, graph: Graph):
        dtype = next((i.dtype for i in graph.inputs if "float" in i.dtype), "float32")
        super().__init__(name="onnx", dtype=dtype)
        self.graph, self._xconv_file = graph, graph.file
        made: dict[tuple, Any] = {}  # what is called twice with the same weights is one layer
        rooms: dict[str, Any] = {}
        for node in graph.nodes:
            key = (node.op, node.inputs[1:], str(node.settings))
            layer = made.get(key) if node.op in LAYERS else None
            if layer is None and node.op in LAYER:
                made[key] = layer = LAYER[node.op](graph, node, dtype)
            rooms[node.name] = layer or Call(node, graph, dtype=dtype)
        self.rooms = rooms
        self.inputs = [_symbol(i, Walk(graph, Room(self)).seat(len(i.shape), i.channels)) for i in graph.inputs]
        self.built = True

    def call(self, *inputs: Any) -> Any:
        with plainly():
            found = Walk(self.graph, Room(self)).run(inputs)
        return found[0] if len(found) == 1 else tuple(found)


def _symbol(given: Input, at: Sequence[int]) -> Any:
    sizes = [given.shape[i] for i in np.argsort(at)]
    return keras.KerasTensor((None, *sizes[1:]) if sizes else (), given.dtype)


class Room:
    """What a walk asks for."""

    last = True

    def __init__(self, net: Net):
        self.net, self.functions = net, FUNCTIONS
        self.layers = {name: layer for name, layer in net.rooms.items() if not isinstance(layer, Call)}

    def call(self, node: Node, job: Callable[..., Any], *tensors: Any) -> Any:
        layer = self.net.rooms[node.name]
        layer.__dict__["job"] = job
        try:
            return layer(*tensors)
        finally:
            del layer.__dict__["job"]

    def turn(self, x: Any, order: Sequence[int]) -> Any:
        return keras.ops.transpose(x, tuple(order))

    def weight(self, node: Node, name: str) -> Any:
        held = self.net.rooms[node.name].constant(name)
        return held if held is not None else self.net.graph.constants[name]

    def is_float(self, x: Any) -> bool:
        return "float" in keras.backend.standardize_dtype(x.dtype)


def said(name: str) -> str:
    """A node's name as a layer may bear it.

    >>> said("/block/Conv")
    'block.Conv'
    """
    return name.strip("/").replace("/", ".")


# --- layers ---


def _array(graph: Graph, node: Node, index: int) -> np.ndarray | None:
    name = node.input(index)
    if name and name not in graph.constants:
        raise XconvError(f"{graph.file}: {node.name} ({node.op}) has weights that are computed while it runs")
    return graph.constants[name] if name else None


def filled(layer: Any, shape: Sequence[int | None], **weights: np.ndarray | None) -> Any:
    """A layer built for a shape, with these weights."""
    layer.build(tuple(shape))
    held = {v.name: v for v in layer.weights}
    for name, array in weights.items():
        if array is not None:
            held[name].assign(array)
    return layer


def _conv(graph: Graph, node: Node, dtype: str) -> Any:
    weight, bias, s = _array(graph, node, 1), _array(graph, node, 2), node.settings
    assert weight is not None
    rank, group = weight.ndim - 2, s.get("group", 1)
    same = s.get("auto_pad") == "SAME_UPPER"
    strides, dilation = tuple(s.get("strides", [1] * rank)), tuple(s.get("dilations", [1] * rank))
    both = any(m > 1 for m in strides) and any(d > 1 for d in dilation)  # Keras does not take both: some are left out
    every, strides = (strides, (1,) * rank) if both else (None, strides)
    same &= not both
    layer = getattr(layers, f"Conv{rank}D")(
        weight.shape[0], weight.shape[2:], strides, "same" if same else "valid", dilation_rate=dilation, groups=group,
        use_bias=bias is not None, name=said(node.name), dtype=dtype,
    )  # fmt: skip
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))
    filled(layer, (None, *[None] * rank, weight.shape[1] * group), kernel=kernel, bias=bias)
    layer.every = every
    layer.pads_itself = (lambda pads: True) if same else (lambda pads: not any(n for p in pads for n in p))
    return layer


def _conv_transpose(graph: Graph, node: Node, dtype: str) -> Any:
    weight, bias, s = _array(graph, node, 1), _array(graph, node, 2), node.settings
    assert weight is not None
    rank = weight.ndim - 2
    if s.get("group", 1) != 1 or any(d > 1 for d in s.get("dilations", [])):
        return Stretched(node, weight, bias, dtype=dtype)
    layer = getattr(layers, f"Conv{rank}DTranspose")(
        weight.shape[1], weight.shape[2:], tuple(s.get("strides", [1] * rank)), "valid", use_bias=bias is not None,
        name=said(node.name), dtype=dtype,
    )  # fmt: skip
    # A kernel shorter than its stride leaves a tail, which Keras keeps.
    layer.done = [(0, min(k - m, 0)) for k, m in zip(layer.kernel_size, layer.strides, strict=True)]
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))
    return filled(layer, (None, *[None] * rank, len(weight)), kernel=kernel, bias=bias)


def _dense(graph: Graph, node: Node, dtype: str) -> Any:
    weight, bias = _array(graph, node, 1), _array(graph, node, 2)
    assert weight is not None
    layer = layers.Dense(len(weight), use_bias=bias is not None, name=said(node.name), dtype=dtype)
    return filled(layer, (None, weight.shape[1]), kernel=weight.T, bias=bias)


def _rank(graph: Graph, node: Node) -> int:
    return graph.ranks.get(node.inputs[0], graph.ranks.get(node.outputs[0], 4))


def _norm(graph: Graph, node: Node, dtype: str) -> Any:
    scale, shift, *moments = (_array(graph, node, i) for i in range(1, len(node.inputs)))
    assert scale is not None
    common = {"epsilon": node.settings.get("epsilon", 1e-5), "name": said(node.name), "dtype": dtype}
    shape = (None, *[None] * (_rank(graph, node) - 2), len(scale))
    if node.op == "BatchNormalization":
        layer = filled(layers.BatchNormalization(axis=-1, **common), shape, gamma=scale, beta=shift,
                       moving_mean=moments[0], moving_variance=moments[1])  # fmt: skip
        layer.momentum = None  # a file says nothing of training
        return layer
    if node.op == "GroupNormalization" and graph.opset < 21 and not node.settings.get("by_channel"):
        raise XconvError(
            f"{graph.file}: {node.name} (GroupNormalization) is of an opset before 21, which scales groups"
        )
    groups = node.settings.get("num_groups", -1)
    return filled(layers.GroupNormalization(groups, axis=-1, **common), shape, gamma=scale, beta=shift)


def _layer_norm(graph: Graph, node: Node, dtype: str) -> Any:
    scale, shift = _array(graph, node, 1), _array(graph, node, 2)
    assert scale is not None
    axes = list(range(-scale.ndim, 0))
    common = {"epsilon": node.settings.get("epsilon", 1e-5), "name": said(node.name), "dtype": dtype}
    shape = (*[None] * (_rank(graph, node) - scale.ndim), *scale.shape)
    if node.op == "RMSNormalization":
        return filled(layers.RMSNormalization(axis=axes, **common), shape, scale=scale)
    layer = layers.LayerNormalization(axis=axes, center=shift is not None, **common)
    return filled(layer, shape, gamma=scale, beta=shift)


def _prelu(graph: Graph, node: Node, dtype: str) -> Any:
    slope, rank = graph.constants.get(node.input(1)), _rank(graph, node)
    if slope is None or not by_channel(slope, rank):
        return None
    shared = list(range(1, rank if slope.size == 1 else rank - 1))
    layer = layers.PReLU(shared_axes=shared or None, name=said(node.name), dtype=dtype)
    return filled(layer, (None, *[1] * (rank - 2), slope.size), alpha=slope.reshape((1,) * (rank - 2) + (-1,)))


def _embedding(graph: Graph, node: Node, dtype: str) -> Any:
    table = _array(graph, node, 1)
    assert table is not None
    return filled(layers.Embedding(*table.shape, name=said(node.name), dtype=dtype), (None,), embeddings=table)


class Recurrent(keras.layers.Layer):
    """Keras's recurrent layer as ONNX has it: (T, N, I) to (T, directions, N, H), and the last state."""

    def __init__(self, layer: Any, states: int):
        super().__init__(name=f"{layer.name}_sequence", dtype=layer.dtype_policy)
        self.layer, self.states, self.built = layer, states, True

    def call(self, x: Any, *given: Any) -> Any:
        o = keras.ops
        sides = 2 if isinstance(self.layer, layers.Bidirectional) else 1
        state = [o.squeeze(o.take(g, [i], 0), 0) for i in range(sides) for g in given]
        y, *last = self.layer(o.transpose(x, (1, 0, 2)), **({"initial_state": state} if given else {}))
        n, t, width = (int(a) for a in y.shape)
        y = o.transpose(o.reshape(y, (n, t, sides, width // sides)), (1, 2, 0, 3))
        return [y, *(o.stack(last[i :: self.states]) for i in range(self.states))]


_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}  # Keras's gates among ONNX's: i o f c; z r h


def _recurrent(graph: Graph, node: Node, dtype: str) -> Any:
    s = recurrent_settings(graph, node)
    kernel, recurrent, bias = (_array(graph, node, i) for i in (1, 2, 3))
    assert kernel is not None
    assert recurrent is not None
    hidden, gates = s["hidden_size"], list(_GATES[node.op])
    given: dict[str, Any] = {"reset_after": True} if node.op == "GRU" else {}
    given |= {"activation": "relu"} if s["relu"] else {}
    name = {"RNN": "SimpleRNN"}.get(node.op, node.op)
    one = getattr(layers, name)(hidden, return_sequences=True, return_state=True, use_bias=bias is not None,
                                name=said(node.name), dtype=dtype, **given)  # fmt: skip
    layer = layers.Bidirectional(one, name=said(node.name), dtype=dtype) if len(kernel) == 2 else one
    layer.build((None, None, kernel.shape[2]))

    def moved(array: np.ndarray) -> np.ndarray:
        return array.reshape(len(gates), hidden, *array.shape[1:])[gates].reshape(array.shape)

    for side, part in enumerate((layer.forward_layer, layer.backward_layer) if len(kernel) == 2 else (layer,)):
        held = {v.name: v for v in part.weights}
        held["kernel"].assign(moved(kernel[side]).T)
        held["recurrent_kernel"].assign(moved(recurrent[side]).T)
        if bias is not None:
            two = [moved(b) for b in np.split(bias[side], 2)]
            held["bias"].assign(np.stack(two) if node.op == "GRU" else two[0] + two[1])
    return Recurrent(layer, 2 if node.op == "LSTM" else 1)


LAYER: Mapping[str, Callable[[Graph, Node, str], Any]] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Dense": _dense, "BatchNormalization": _norm,
    "InstanceNormalization": _norm, "GroupNormalization": _norm, "LayerNormalization": _layer_norm,
    "RMSNormalization": _layer_norm, "PRelu": _prelu, "Embedding": _embedding, "LSTM": _recurrent, "GRU": _recurrent,
    "RNN": _recurrent,
}  # fmt: skip


# --- functions, by ONNX's names and settings ---


def _plain(name: str) -> Callable:
    """A function of two, taken along any number of operands."""

    def along(a: Any, b: Any = None, *more: Any, **_: Any) -> Any:
        for x in (b, *more):
            a = a if x is None else getattr(keras.ops, name)(a, x)
        return a

    return along


def _add(*xs: Any) -> Any:
    """By the operator: keras.ops.add takes (4, 1) for a bias of the last axis beside (4, 4) (3.15.1 on TensorFlow)."""
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return total


def _clip(x: Any, low: Any = None, high: Any = None, **older: Any) -> Any:
    low, high = older.get("min", low), older.get("max", high)
    if low == 0 and high == 6:
        return keras.ops.relu6(x)
    if None not in (low, high) and not hasattr(low, "shape"):
        return keras.ops.clip(x, low, high)
    x = x if low is None else keras.ops.maximum(x, low)
    return x if high is None else keras.ops.minimum(x, high)


def _pad(x: Any, widths: Sequence[tuple[int, int]], mode: str, value: float) -> Any:
    widths = tuple(tuple(p) for p in widths)
    if mode == "constant":
        return keras.ops.pad(x, widths, mode="constant", constant_values=value)
    if mode == "reflect":
        return keras.ops.pad(x, widths, mode="reflect")
    for axis, (a, b) in enumerate(widths):
        if a or b:
            n = int(x.shape[axis])
            at = np.arange(-a, n + b)
            x = keras.ops.take(x, at % n if mode == "wrap" else at.clip(0, n - 1), axis)
    return x


def _taps(x: Any, kernel, strides, dilations, outs) -> list[Any]:
    """What each place of a window sees, by plain slices: where the backend has no such pooling."""
    found = []
    for tap in np.ndindex(*kernel):
        at = zip(tap, dilations, outs, strides, strict=True)
        cuts = tuple(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in at)
        found.append(x[(slice(None), *cuts, slice(None))])
    return found


def _pool(kind: str) -> Callable:
    def pool(x: Any, kernel, strides, dilations, pads, ceil: bool, include: bool) -> Any:
        sizes, outs, far = [int(n) for n in x.shape[1:-1]], [], []
        for n, k, s, (a, b), d in zip(sizes, kernel, strides, pads, dilations, strict=True):
            span = n + a + b - d * (k - 1) - 1
            out = (-(-span // s) if ceil else span // s) + 1
            out -= bool(ceil and (out - 1) * s >= n + a)  # the last window begins inside the input or its near padding
            outs.append(out)
            far.append(max((out - 1) * s + d * (k - 1) + 1 - n - a, 0))
        ends = [(a, max(b, f)) for (a, b), f in zip(pads, far, strict=True)]
        if any(n for p in ends for n in p):
            x = keras.ops.pad(x, [(0, 0), *ends, (0, 0)], mode="constant",
                              constant_values=float("-inf") if kind == "max" else 0.0)  # fmt: skip
        plain = len(kernel) < 3 and all(d == 1 for d in dilations)
        if kind == "max":
            if plain:
                return keras.ops.max_pool(x, tuple(kernel), tuple(strides), "valid", "channels_last")
            total: Any = None
            for part in _taps(x, kernel, strides, dilations, outs):
                total = part if total is None else keras.ops.maximum(total, part)
            return total
        inside = np.zeros([n + a + b for n, (a, b) in zip(sizes, ends, strict=True)])
        real = pads if include else [(0, 0)] * len(sizes)
        inside[tuple(slice(a - c, a + n + d) for n, (a, _), (c, d) in zip(sizes, ends, real, strict=True))] = 1
        count = sum(_taps(inside[None, ..., None], kernel, strides, dilations, outs))
        whole = float(np.prod(kernel))
        if plain:
            y = keras.ops.average_pool(x, tuple(kernel), tuple(strides), "valid", "channels_last")
            return y if (count == whole).all() else y * from_numpy((whole / count).astype(_dtype(x)))
        return sum(_taps(x, kernel, strides, dilations, outs)) / from_numpy(count.astype(_dtype(x)))

    return pool


def _dtype(x: Any) -> str:
    return keras.backend.standardize_dtype(x.dtype)


def _over(name: str) -> Callable:
    return lambda x, axes, keepdims: getattr(keras.ops, name)(x, axis=tuple(axes), keepdims=keepdims)


def _concat(parts: Sequence[Any], axis: int, like: Any) -> Any:
    full = [from_numpy(np.ascontiguousarray(p.astype(_dtype(like)))) if isinstance(p, np.ndarray) else p for p in parts]
    return keras.ops.concatenate(full, axis)


def _split(x: Any, sizes: Sequence[int], axis: int) -> Any:
    return keras.ops.split(x, [int(n) for n in np.cumsum(sizes)[:-1]], axis)


def _slice(x: Any, cuts: Sequence[Any]) -> Any:
    for axis, cut in enumerate(cuts):
        if isinstance(cut, slice) and (cut.step or 1) < 0:
            x = keras.ops.flip(x, axis)
            n = int(x.shape[axis])
            start, stop, step = cut.indices(n)
            back = slice(n - 1 - start, n - 1 - stop, -step)
            cuts = (*cuts[:axis], back, *cuts[axis + 1 :])
    return x[tuple(cuts)]


def _gather(table: Any, at: Any, axis: int) -> Any:
    size = int(table.shape[axis])
    at = np.where(at < 0, at + size, at) if isinstance(at, np.ndarray) else keras.ops.where(at < 0, at + size, at)
    return keras.ops.take(table, at, axis)


def _resample(x: Any, matrix: Callable[[int], np.ndarray], axis: int) -> Any:
    weights = from_numpy(matrix(int(x.shape[axis])).astype(_dtype(x)))
    return keras.ops.moveaxis(keras.ops.tensordot(x, weights, axes=[[axis], [1]]), -1, axis)


def _hard_sigmoid(x: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return keras.ops.hard_sigmoid(x)
    return keras.ops.clip(alpha * x + beta, 0, 1)


def _where(condition: Any, a: Any, b: Any) -> Any:
    return keras.ops.where(condition, a, b)


def _div(a: Any, b: Any) -> Any:
    if all("int" in _dtype(x) if hasattr(x, "dtype") else isinstance(x, int) for x in (a, b)):
        return keras.ops.cast(keras.ops.trunc(keras.ops.divide(a, b)), "int64")
    return keras.ops.divide(a, b)


def _trilu(x: Any, k: Any = 0, upper: int = 1) -> Any:
    kept = np.tri(int(x.shape[-2]), int(x.shape[-1]), int(k) - 1 if upper else int(k), dtype=bool)
    return keras.ops.where(~kept if upper else kept, x, keras.ops.zeros_like(x))


def _selu(x: Any, alpha: float, gamma: float) -> Any:
    if abs(alpha - 1.67326) < 1e-5 and abs(gamma - 1.0507) < 1e-5:
        return keras.ops.selu(x)
    return gamma * keras.ops.elu(x, alpha=alpha)


def _topk(x: Any, k: np.ndarray, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    if not largest or axis not in (-1, len(x.shape) - 1):
        raise XconvError("it takes the smallest, or another axis than the last")
    return list(keras.ops.top_k(x, int(k.ravel()[0])))


def _cast(x: Any, dtype: str) -> Any:
    return keras.ops.cast(x, keras.config.floatx() if dtype == "f" else dtype)


_SAME = {  # ONNX's name to keras.ops's, where settings are none
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Abs": "abs",
    "Neg": "negative", "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Round": "round", "Erf": "erf", "Sin": "sin",
    "Cos": "cos", "Tan": "tan", "Asin": "arcsin", "Acos": "arccos", "Atan": "arctan", "Sinh": "sinh", "Cosh": "cosh",
    "Asinh": "arcsinh", "Acosh": "arccosh", "Atanh": "arctanh", "Reciprocal": "reciprocal", "Softplus": "softplus",
    "Softsign": "softsign", "HardSwish": "hard_silu", "Not": "logical_not", "IsNaN": "isnan", "MatMul": "matmul",
}  # fmt: skip
_BOTH = {
    "Sub": "subtract", "Mul": "multiply", "Pow": "power", "Max": "maximum", "Min": "minimum", "Mod": "mod",
    "Equal": "equal", "Greater": "greater", "Less": "less",
    "GreaterOrEqual": "greater_equal", "LessOrEqual": "less_equal", "And": "logical_and", "Or": "logical_or",
    "Xor": "logical_xor",
}  # fmt: skip

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{onnx: ops(name) for onnx, name in _SAME.items()}, **{onnx: _plain(name) for onnx, name in _BOTH.items()},
    "LeakyRelu": lambda x, alpha=0.01: keras.ops.leaky_relu(x, negative_slope=alpha),
    "Elu": lambda x, alpha=1.0: keras.ops.elu(x, alpha=alpha),
    "Celu": lambda x, alpha=1.0: keras.ops.celu(x, alpha=alpha),
    "Selu": lambda x, alpha=1.67326, gamma=1.0507: _selu(x, alpha, gamma),
    "ThresholdedRelu": lambda x, alpha=1.0: keras.ops.where(x > alpha, x, keras.ops.zeros_like(x)),
    "Gelu": lambda x, approximate="none": keras.ops.gelu(x, approximate=approximate == "tanh"),
    "Swish": lambda x, alpha=1.0: keras.ops.silu(x) if alpha == 1 else x * keras.ops.sigmoid(alpha * x),
    "Mish": lambda x: x * keras.ops.tanh(keras.ops.softplus(x)), "IsInf": lambda x: keras.ops.isinf(x),
    "HardSigmoid": _hard_sigmoid, "Clip": _clip, "Add": _add, "Sum": _add, "Div": _div, "Where": _where,
    "PRelu": lambda x, slope: keras.ops.where(x > 0, x, x * slope), "Mean": lambda *xs: sum(xs) / len(xs),
    "ReduceMean": _over("mean"), "ReduceSum": _over("sum"), "ReduceMax": _over("max"), "ReduceMin": _over("min"),
    "ReduceProd": _over("prod"), "ReduceLogSumExp": _over("logsumexp"),
    "ReduceL1": lambda x, axes, keepdims: keras.ops.sum(keras.ops.abs(x), axes, keepdims),
    "ReduceL2": lambda x, axes, keepdims: keras.ops.sqrt(keras.ops.sum(x * x, axes, keepdims)),
    "ReduceSumSquare": lambda x, axes, keepdims: keras.ops.sum(x * x, axes, keepdims),
    "ReduceLogSum": lambda x, axes, keepdims: keras.ops.log(keras.ops.sum(x, axes, keepdims)),
    "ArgMax": lambda x, axis, keepdims: keras.ops.argmax(x, axis, keepdims),
    "ArgMin": lambda x, axis, keepdims: keras.ops.argmin(x, axis, keepdims),
    "Softmax": lambda x, axis: keras.ops.softmax(x, axis), "LogSoftmax": lambda x, axis: keras.ops.log_softmax(x, axis),
    "CumSum": lambda x, axis, **_: keras.ops.cumsum(x, int(axis)),
    "Reshape": lambda x, shape: keras.ops.reshape(x, tuple(shape)),
    "Expand": lambda x, shape: keras.ops.broadcast_to(x, tuple(shape)),
    "Tile": lambda x, repeats: keras.ops.tile(x, tuple(repeats)), "Concat": _concat, "Split": _split, "Slice": _slice,
    "Gather": _gather, "GatherElements": lambda x, at, axis=0: keras.ops.take_along_axis(x, at, axis), "Cast": _cast,
    "Pad": _pad, "Trilu": _trilu, "Einsum": lambda *xs, equation: keras.ops.einsum(equation, *xs),
    "TopK": _topk, "MaxPool": _pool("max"),
    "AveragePool": _pool("mean"), "Resample": _resample,
}  # fmt: skip


def net(graph: Graph) -> Net:
    """The layer of a graph."""
    return Net(graph)


__all__ = ["Net", "net"]

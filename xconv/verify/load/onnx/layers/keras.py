"""The Keras layer with channels last that a node is, with the node's weights."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from ..graph import Graph, Node
from . import asked


def said(name: str) -> str:
    """A node's name as a layer may bear it.

    >>> said("/block/Conv")
    'block.Conv'
    """
    return name.strip("/").replace("/", ".")


def _filled(layer: Any, shape: Sequence[int | None], **weights: np.ndarray | None) -> Any:
    """A layer built for a shape, with these weights."""
    layer.build(tuple(shape))
    held = {v.name: v for v in layer.weights}
    for name, array in weights.items():
        if array is not None:
            held[name].assign(array)
    return layer


class Stretched(keras.layers.Layer):
    """A transposed convolution with groups or dilation, as a convolution of the stretched input."""

    def __init__(self, node: Node, weight: np.ndarray, bias: np.ndarray | None, **kwargs: Any):
        super().__init__(name=said(node.name), **kwargs)
        rank, self.groups = weight.ndim - 2, node.settings.get("group", 1)
        self.strides, self.dilation = node.each("strides", rank), node.each("dilations", rank)
        parts = np.split(np.flip(weight, tuple(range(2, rank + 2))), self.groups)  # each (i/g, o/g, ...)
        kernel = np.concatenate([np.moveaxis(p, (0, 1), (-2, -1)) for p in parts], -1)
        self.kernel = self.add_weight(shape=kernel.shape, name="kernel")
        self.kernel.assign(kernel)
        self.bias = None if bias is None else self.add_weight(shape=bias.shape, name="bias")
        if bias is not None:
            self.bias.assign(bias)
        self.built = True

    def call(self, x: Any) -> Any:
        o = keras.ops
        for axis, m in enumerate(self.strides, 1):
            shape = [int(n) for n in x.shape]
            wide = o.expand_dims(x, axis + 1)
            wide = o.pad(wide, [(0, m - 1) if a == axis + 1 else (0, 0) for a in range(len(shape) + 1)])
            wide = o.reshape(wide, (*shape[:axis], shape[axis] * m, *shape[axis + 1 :]))
            x = wide[(slice(None),) * axis + (slice(0, (shape[axis] - 1) * m + 1),)]
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel.shape, strict=False)]
        x = o.pad(x, [(0, 0), *((r, r) for r in reach), (0, 0)])

        def conv(x: Any, kernel: Any) -> Any:
            return o.conv(x, kernel, [1] * len(reach), "valid", "channels_last", list(self.dilation))

        if self.groups == 1:
            y = conv(x, self.kernel)
        else:
            y = o.concatenate(list(map(conv, *(o.split(a, self.groups, -1) for a in (x, self.kernel)))), -1)
        return y if self.bias is None else y + self.bias


def _conv(graph: Graph, node: Node, dtype: str) -> Any:
    weight, bias = asked.weights(graph, node, 2)
    rank, group = weight.ndim - 2, node.settings.get("group", 1)
    strides, dilation = node.each("strides", rank), node.each("dilations", rank)
    both = any(m > 1 for m in strides) and any(d > 1 for d in dilation)  # Keras does not take both: some are left out
    same = node.settings.get("auto_pad") == "SAME_UPPER" and not both
    layer = getattr(layers, f"Conv{rank}D")(
        weight.shape[0], weight.shape[2:], (1,) * rank if both else strides, "same" if same else "valid",
        dilation_rate=dilation, groups=group, use_bias=bias is not None, name=said(node.name), dtype=dtype,
    )  # fmt: skip
    layer.every, layer.pads_itself = strides if both else None, same
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))
    return _filled(layer, (None, *[None] * rank, weight.shape[1] * group), kernel=kernel, bias=bias)


def _conv_transpose(graph: Graph, node: Node, dtype: str) -> Any:
    weight, bias = asked.weights(graph, node, 2)
    rank = weight.ndim - 2
    if node.settings.get("group", 1) != 1 or any(d > 1 for d in node.each("dilations", rank)):
        return Stretched(node, weight, bias, dtype=dtype)
    layer = getattr(layers, f"Conv{rank}DTranspose")(
        weight.shape[1], weight.shape[2:], node.each("strides", rank), "valid", use_bias=bias is not None,
        name=said(node.name), dtype=dtype,
    )  # fmt: skip
    # A kernel shorter than its stride leaves a tail, which Keras keeps.
    layer.done = [(0, min(k - m, 0)) for k, m in zip(layer.kernel_size, layer.strides, strict=True)]
    kernel = np.moveaxis(weight, (0, 1), (-1, -2))
    return _filled(layer, (None, *[None] * rank, len(weight)), kernel=kernel, bias=bias)


def _dense(graph: Graph, node: Node, dtype: str) -> Any:
    weight, bias = asked.weights(graph, node, 2)
    layer = layers.Dense(len(weight), use_bias=bias is not None, name=said(node.name), dtype=dtype)
    return _filled(layer, (None, weight.shape[1]), kernel=weight.T, bias=bias)


def _norm(graph: Graph, node: Node, dtype: str) -> Any:
    (scale, shift, mean, var), epsilon = asked.norm(graph, node)
    common = {"epsilon": epsilon, "name": said(node.name), "dtype": dtype}
    shape = (*[None] * (asked.rank(graph, node) - scale.ndim), *scale.shape)
    over = list(range(-scale.ndim, 0))
    if node.op == "RMSNormalization":
        return _filled(layers.RMSNormalization(axis=over, **common), shape, scale=scale)
    if node.op == "LayerNormalization":
        layer = layers.LayerNormalization(axis=over, center=shift is not None, **common)
    elif node.op == "BatchNormalization":
        layer = layers.BatchNormalization(axis=-1, **common)
        layer.momentum = None  # a file says nothing of training
    else:
        layer = layers.GroupNormalization(node.settings.get("num_groups", -1), axis=-1, **common)
    return _filled(layer, shape, gamma=scale, beta=shift, moving_mean=mean, moving_variance=var)


def _prelu(graph: Graph, node: Node, dtype: str) -> Any:
    slope, rank = asked.slope(graph, node), asked.rank(graph, node)
    if slope is None:
        return None
    shared = list(range(1, rank if slope.size == 1 else rank - 1))
    layer = layers.PReLU(shared_axes=shared or None, name=said(node.name), dtype=dtype)
    return _filled(layer, (None, *[1] * (rank - 2), slope.size), alpha=slope.reshape((1,) * (rank - 2) + (-1,)))


def _embedding(graph: Graph, node: Node, dtype: str) -> Any:
    (table,) = asked.weights(graph, node, 1)
    return _filled(layers.Embedding(*table.shape, name=said(node.name), dtype=dtype), (None,), embeddings=table)


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


_GATES = {"LSTM": [0, 2, 3, 1], "GRU": [0, 1, 2], "RNN": [0]}  # Keras's gates among ONNX's: i o f c; z r h
_RECURRENT = {"LSTM": layers.LSTM, "GRU": layers.GRU, "RNN": layers.SimpleRNN}


def _recurrent(graph: Graph, node: Node, dtype: str) -> Any:
    a = asked.recurrent(graph, node, _GATES[node.op])
    common: dict[str, Any] = {"name": said(node.name), "dtype": dtype}
    given = {"reset_after": True} if node.op == "GRU" else {"activation": "relu"} if a.relu else {}
    layer = _RECURRENT[node.op](a.hidden, return_sequences=True, return_state=True, use_bias=a.bias, **given, **common)
    parts = [layer]
    if len(a.sides) == 2:
        layer = layers.Bidirectional(layer, **common)
        parts = [layer.forward_layer, layer.backward_layer]
    layer.build((None, None, a.inputs))
    for part, (kernel, recurrent, *biases) in zip(parts, a.sides, strict=True):
        held = {v.name: v for v in part.weights}
        held["kernel"].assign(kernel.T)
        held["recurrent_kernel"].assign(recurrent.T)
        if biases:
            held["bias"].assign(np.stack(biases) if node.op == "GRU" else sum(biases))
    return Recurrent(layer, 2 if node.op == "LSTM" else 1)


LAYER: Mapping[str, Callable[[Graph, Node, str], Any]] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Dense": _dense, "BatchNormalization": _norm,
    "InstanceNormalization": _norm, "GroupNormalization": _norm, "LayerNormalization": _norm,
    "RMSNormalization": _norm, "PRelu": _prelu, "Embedding": _embedding, "LSTM": _recurrent, "GRU": _recurrent,
    "RNN": _recurrent,
}  # fmt: skip

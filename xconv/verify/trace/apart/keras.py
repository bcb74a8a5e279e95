"""Keras's layers that are several steps each: separable convolutions, both directions, a layer at every time step."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from ..kinds.keras import kind, mask_of, settings

Layer = keras.layers.Layer
_MERGES: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "concat": ("concatenate", lambda a, b: keras.ops.concatenate([a, b], axis=-1)),
    "sum": ("add", lambda a, b: a + b),
    "ave": ("average", lambda a, b: (a + b) / 2),
    "mul": ("multiply", lambda a, b: a * b),
}


def flipped(x: Any) -> Any:
    return keras.ops.flip(x, axis=1)


def turns(layer: Any, args: tuple) -> bool:
    """Is a layer that reads backwards the same as one that reads a flipped sequence forwards?"""
    known = isinstance(layer, keras.layers.LSTM | keras.layers.GRU | keras.layers.SimpleRNN)
    return known and not layer.stateful and mask_of(args[0]) is None


def together(x: Any) -> Any:
    """(batch, time, ...) to (batch * time, ...)."""
    return keras.ops.reshape(x, (-1, *x.shape[2:]))


def divided(x: Any, count: int) -> Any:
    """(batch * time, ...) to (batch, time, ...)."""
    return keras.ops.reshape(x, (-1, count, *x.shape[1:]))


def apart(layer: Any, args: tuple, kwargs: dict) -> bool:
    """Can the two directions be run one by one?"""
    parts = (layer.forward_layer, layer.backward_layer)
    plain = all(isinstance(p, keras.layers.LSTM | keras.layers.GRU | keras.layers.SimpleRNN) for p in parts)
    given = [v for n, v in kwargs.items() if n != "training" and v is not None]
    return plain and len(args) == 1 and not given and not layer.return_state and not layer.stateful


def stacked(layer: Any, args: tuple, kwargs: dict) -> list[Any]:
    """A keras.layers.RNN of several cells as a layer for each, or nothing if it is none or is given more than input."""
    given = [v for n, v in kwargs.items() if n != "training" and v is not None]
    odd = layer.return_state or layer.stateful or layer.go_backwards or given or len(args) > 1
    if not isinstance(layer.cell, keras.layers.StackedRNNCells) or odd or mask_of(args[0]) is not None:
        return []
    if "_xconv_cells" not in vars(layer):  # kept, since a layer is known by its identity
        cells = layer.cell.cells
        vars(layer)["_xconv_cells"] = [
            keras.layers.RNN(cell, return_sequences=cell is not cells[-1] or layer.return_sequences,
                             name=cell.name, dtype=layer.dtype_policy)
            for cell in cells
        ]  # fmt: skip
    return vars(layer)["_xconv_cells"]


def merge(layer: Any) -> tuple[str, Callable[[Any, Any], Any]] | None:
    """What joins the directions, and what a step that does so is called; None if both are given."""
    return _MERGES[layer.merge_mode] if layer.merge_mode else None


class Part:
    """A piece of a layer that is a step with weights of its own."""

    def __init__(self, layer: Layer, kind: str, weights: dict[str, Any], call: Callable):
        self.layer, self.kind, self.weights, self.call, self.name = layer, kind, weights, call, layer.name

    def __call__(self, *args):
        return self.call(*args)


def separable(tracer: Any, layer: Any, path: str, args: tuple, kwargs: dict) -> Any:
    rank = kind(layer)[-2:]
    shared = {
        "strides": layer.strides if len(set(layer.strides)) > 1 else layer.strides[0],
        "padding": layer.padding,
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
    }

    def depthwise(x):
        return keras.ops.depthwise_conv(x, layer.depthwise_kernel, **shared)

    def pointwise(x):
        y = keras.ops.conv(x, layer.pointwise_kernel, strides=1, padding="valid", data_format=layer.data_format)
        return y if layer.bias is None else y + keras.ops.reshape(layer.bias, (1,) * (len(y.shape) - 1) + (-1,))

    given = settings(layer)
    first = Part(layer, "DepthwiseConv" + rank, {"kernel": layer.depthwise_kernel}, depthwise)
    second = Part(layer, "Conv" + rank, {"kernel": layer.pointwise_kernel}, pointwise)
    if layer.bias is not None:
        second.weights["bias"] = layer.bias
    plainly = {"strides": 1, "padding": "valid", "dilation_rate": 1, "kernel_size": (1,) * len(layer.kernel_size),
               "groups": 1, "use_bias": layer.use_bias, "data_format": layer.data_format,
               "activation": "linear"}  # fmt: skip
    x = tracer.part(first, f"{path}", (args[0],), {**given, "use_bias": False, "activation": "linear"})
    x = tracer.part(second, f"{path}", (x,), plainly)
    if layer.activation in (None, keras.activations.linear):
        return x
    return tracer.function(layer.activation, (x,), {}, path, f"{kind(layer)}'s activation", own_layer=layer)


def bidirectional(tracer: Any, layer: Any, path: str, args: tuple, kwargs: dict) -> Any:
    tracer.tape.paths.append(path)
    tracer.within = path
    try:
        there = tracer.layer(layer.forward_layer, args, kwargs)
        back = tracer.layer(layer.backward_layer, args, kwargs)
        if layer.return_sequences:
            back = tracer.part(Part(layer, "flip", {}, flipped), path, (back,), {"axis": 1})
        joined = merge(layer)
        if joined is None:
            return [there, back]
        result = tracer.part(Part(layer, joined[0], {}, joined[1]), path, (there, back), {"axis": -1, "merge": True})
        if layer.return_sequences and (mask := mask_of(args[0])) is not None:
            result._keras_mask = mask
        return result
    finally:
        tracer.tape.paths.pop()
        tracer.within = ""


def each_step(tracer: Any, layer: Any, path: str, args: tuple, kwargs: dict) -> Any:
    """A layer at every time step: it works on all of them at once."""
    tracer.tape.paths.append(path)
    tracer.within = path
    try:
        x = args[0]
        kwargs = {
            n: v for n, v in kwargs.items() if n == "training" and v is not None and layer.layer._call_has_training_arg
        }
        if kind(layer.layer) in ("Dense", "Activation", "Dropout"):
            return tracer.layer(layer.layer, (x,), kwargs)
        given = {"axis": (0, 1)}
        y = tracer.part(Part(layer, "reshape", {}, together), path, (x,), given)
        y = tracer.layer(layer.layer, (y,), kwargs)
        return tracer.part(Part(layer, "reshape", {}, partial(divided, count=int(x.shape[1]))), path, (y,), given)
    finally:
        tracer.tape.paths.pop()
        tracer.within = ""

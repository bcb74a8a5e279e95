"""Keras's Bidirectional taken apart: both directions, the flip of the second, and how they are merged."""

from collections.abc import Callable
from typing import Any

import keras

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
    return known and not layer.stateful and getattr(args[0], "_keras_mask", None) is None


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
    if (
        not isinstance(layer.cell, keras.layers.StackedRNNCells)
        or odd
        or getattr(args[0], "_keras_mask", None) is not None
    ):
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

"""The shape steps before Keras's layers, seen in the graph that a model's `call` makes of symbolic tensors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional  # keras.Model of tensors makes one; it has no public name

from ..frameworks.keras import from_numpy, layers, to_numpy
from . import NORMS, WHOLE, Seen, joins, numbers

SHAPING = frozenset("Flatten Reshape Permute Ravel Transpose Moveaxis Swapaxes Squeeze ExpandDims".split())
BATCH = 2


def look(model: keras.Layer, paths: Sequence[str]) -> tuple[dict[str, Seen | None], list[np.ndarray]]:
    """Where the features of the layers at these paths come from (None where that cannot be seen), and an input.

    The model and the layers in it are left as they were. There are no inputs where a size of theirs is not known.
    """
    at = {path: layer for path, layer in layers(model) if path in paths}
    inputs = _inputs(model)
    before = {layer: (len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()}
    try:
        if inputs:
            with _opened():
                _called(model, inputs)
        found = {}
        for path, layer in at.items():
            nodes = layer._inbound_nodes[before[layer][0] :]
            found[path] = _seen(nodes[0].input_tensors[0]) if nodes and nodes[0].input_tensors else None
    finally:
        for layer, (inbound, outbound) in before.items():
            del layer._inbound_nodes[inbound:], layer._outbound_nodes[outbound:]
    known = inputs and not any(None in x.shape for x in inputs)
    return found, [np.zeros(x.shape, x.dtype) for x in inputs] if known else []


def _inputs(model: keras.Layer) -> list[Any]:
    """Symbolic inputs: those that the model declares, else of the shapes that it was built with."""

    def tensor(shape: Any, dtype: str) -> Any:
        return keras.KerasTensor((shape[0] or BATCH, *shape[1:]), dtype=dtype)

    if getattr(model, "inputs", None):
        return [tensor(x.shape, x.dtype) for x in model.inputs]
    shapes = list((model._build_shapes_dict or {}).values())
    if not all(isinstance(s, list | tuple) and s and not isinstance(s[0], list | tuple) for s in shapes):
        return []
    return [tensor(s, model.variable_dtype) for s in shapes]


def _called(model: keras.Layer, inputs: list[Any]) -> None:
    try:
        if isinstance(model, keras.Sequential | Functional):
            model.call(inputs[0] if len(inputs) == 1 else inputs)
        elif _own(model):
            model.call(*inputs)
    except Exception:  # whatever the user's own `call` raises on symbolic tensors: what lies behind stays unseen
        return


def _own(layer: keras.Layer) -> bool:
    """Does a layer do what its user wrote: is it not one of Keras's own, whose inside is of no interest?"""
    call = type(layer).call
    return call in (Functional.call, keras.Sequential.call) or not call.__module__.startswith("keras.")


@contextmanager
def _opened() -> Iterator[None]:
    """Models, and layers that users wrote, make the graph of what is in them when they are called."""
    before = keras.Layer.__call__

    def call(layer, *args, **kwargs):
        if _own(layer):
            try:
                return layer.call(*args, **kwargs)
            except Exception:  # it takes no symbolic tensors: it stays one step
                pass
        return before(layer, *args, **kwargs)

    keras.Layer.__call__ = call
    try:
        yield
    finally:
        keras.Layer.__call__ = before


def _seen(tensor: Any) -> Seen | None:
    if len(tensor.shape) != 2:
        return WHOLE
    steps: list[Any] = []
    while (made := tensor._keras_history).operation is not None:
        node = made.operation._inbound_nodes[made.node_index]
        kind, parts = type(made.operation).__name__, node.input_tensors
        if kind == "Concatenate" and not steps and joins([part.shape for part in parts], tensor.shape):
            return Seen.joined([_seen(part) for part in parts])
        if len(parts) != 1:
            break
        source = parts[0]
        if kind in SHAPING and not _own_operation(made.operation):
            steps.append((made.operation, node.arguments, source))
        elif not _keeps(made.operation, source, tensor):
            break
        tensor = source
    if None in tensor.shape:
        return None
    played = from_numpy(numbers(tensor.shape))
    for operation, arguments, source in reversed(steps):
        args, kwargs = arguments.fill_in({id(source): played})
        played = operation.call(*args, **kwargs)
    return Seen.of(tensor.shape[1:], to_numpy(played), tensor._keras_history.operation is None)


def _own_operation(operation: Any) -> bool:
    return isinstance(operation, keras.Layer) and _own(operation)


def _keeps(operation: Any, source: Any, result: Any) -> bool:
    """Is it a function of each value alone, or, between features and a dense layer, a normalisation?"""
    if source.shape != result.shape:
        return False
    norm = len(result.shape) == 2 and type(operation).__name__.startswith(NORMS)
    return norm or not getattr(operation, "weights", None)

"""Operators that are layers with weights, but for convolutions."""

from collections.abc import Sequence
from typing import Any

from .....errors import XconvError
from ..graph import Node
from ..operands import Room, Value, handles, ordered


@handles("Dense", "LayerNormalization", "RMSNormalization", "Embedding", "LSTM", "GRU", "RNN")
def _layer(room: Room, node: Node, values: Sequence[Any]) -> Any:
    layer, x = room.layers[node.name], values[0]
    axis = node.settings.get("axis", -1)
    if node.op == "LayerNormalization" and axis not in (-1, x.ndim - 1) and (
        room.graph.constants[node.inputs[1]].ndim == 1
    ):  # fmt: skip
        order = [a for a in range(x.ndim) if a != axis % x.ndim] + [axis % x.ndim]  # its one axis goes last, and back
        y = layer(room.tensor(Value(x.tensor, tuple(x.at[a] for a in order))))
        return Value(y, tuple(order.index(a) for a in range(x.ndim)))
    return ordered(layer(*(room.tensor(v) for v in values if isinstance(v, Value))))


@handles("BatchNormalization", "InstanceNormalization", "GroupNormalization", "PRelu")
def _norm(room: Room, node: Node, values: Sequence[Any]) -> Value:
    if node.settings.get("training_mode"):
        raise XconvError("is in training mode: export the model for inference")
    if node.name not in room.layers:
        return room.elementwise(node, values)
    x = values[0]
    last = node.settings.get("axis", 1) != 1  # channels are its last axis
    x = Value(x.tensor, (x.at[0], x.at[-1], *x.at[1:-1])) if last else x
    y = room.seen(room.layers[node.name](room.windowed(x).tensor))
    return Value(y.tensor, (y.at[0], *y.at[2:], y.at[1])) if last and x.ndim > 2 else y

"""Running a graph node by node: what is known is NumPy's, what is fed goes through a framework.

Arithmetic on sizes stays NumPy's, by the onnx package's own rules.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ....errors import XconvError, first_line
from .graph import Node
from .known import evaluated
from .operands import Axes, Known, Room, Value, identity
from .operators import HANDLERS


def run(room: Room, tensors: Sequence[Any]) -> list[Any]:
    """The outputs of a graph, channels where the seat has them."""
    graph = room.graph
    if len(tensors) != len(graph.inputs):
        names = ", ".join(i.name for i in graph.inputs)
        raise XconvError(f"{graph.file} takes {len(graph.inputs)} inputs ({names}), not {len(tensors)}")
    known: dict[str, Known] = dict(graph.constants)
    for given, tensor in zip(graph.inputs, tensors, strict=True):
        rank = len(given.shape)
        if len(tensor.shape) != rank:
            raise XconvError(f"{graph.file} takes {given.name} with {rank} axes, not {len(tensor.shape)}")
        known[given.name] = Value(tensor, seat(rank, given.channels, room.last))
    for node in graph.nodes:
        found = _write(room, node, [known[n] if n else None for n in node.inputs])
        known.update(zip(node.outputs, found if isinstance(found, list) else [found], strict=False))
    if lost := [name for name in graph.outputs if name not in known]:
        raise XconvError(f"{graph.file} gives {', '.join(lost)}, a second result that the verifier does not know")
    return [_output(room, known[name]) for name in graph.outputs]


def seat(rank: int, channels: int | None, last: bool) -> Axes:
    """Where a value's axes lie in the seat's tensor.

    >>> seat(4, 1, last=True), seat(4, 3, last=False), seat(4, None, last=True)
    ((0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 2, 3))
    """
    if channels is None or rank < 3:
        return identity(rank)
    order = [a for a in range(rank) if a != channels]
    order.insert(rank - 1 if last else 1, channels)
    return tuple(order.index(a) for a in range(rank))


def _output(room: Room, value: Known) -> Any:
    if isinstance(value, np.ndarray):
        raise XconvError(f"an output of {room.graph.file} is a constant")
    rank, first = value.ndim, room.graph.inputs[0]
    alike = first.channels is not None and (rank > 3 or rank == len(first.shape))
    return room.laid(value, seat(rank, (rank - 1 if first.last else 1) if alike else None, room.last)).tensor


def _write(room: Room, node: Node, values: list[Known | None]) -> Known | list[Known]:
    graph, first = room.graph, values[0] if values else None
    try:
        if node.op in ("Shape", "Size") and isinstance(first, Value):
            if node.op == "Size":
                return np.array(prod(first.shape), np.int64)
            return np.array(first.shape, np.int64)[node.settings.get("start", 0) : node.settings.get("end")]
        constants = [v for v in values if not isinstance(v, Value)]
        if len(constants) == len(values) and node.op not in ("Dense", "Embedding"):
            return [*evaluated(node, constants, graph.opset)]
        if node.op in HANDLERS:
            return HANDLERS[node.op](room, node, values)
        if node.op in room.functions:
            return room.elementwise(node, values)
    except (XconvError, KeyError, NotImplementedError) as error:
        raise XconvError(f"{graph.file}: {node.name} ({node.op}): {first_line(error)}") from error
    raise XconvError(f"{graph.file} uses the operator {node.op} (at {node.name}), which the verifier does not know")

"""What an operator is made of: tensors that remember where ONNX's axes lie, and the framework's functions and layers.

A Transpose costs nothing so: in the torch seat a graph that Keras wrote runs with channels first, in the Keras seat one
that torch wrote with channels last. Where an operator needs the axes in order, the tensor is turned first.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ....errors import XconvError
from .graph import Graph, Node

Axes = tuple[int, ...]


def identity(rank: int) -> Axes:
    return tuple(range(rank))


class Value(NamedTuple):
    """A tensor, and for each ONNX axis the axis of the tensor that it is."""

    tensor: Any
    at: Axes

    @property
    def shape(self) -> tuple[int, ...]:
        """In the order of ONNX's axes."""
        return tuple(int(self.tensor.shape[a]) for a in self.at)

    @property
    def ndim(self) -> int:
        return len(self.at)

    def without(self, gone: Collection[int]) -> Axes:
        """Where the other axes lie once these are gone."""
        left = [a for i, a in enumerate(self.at) if i not in gone]
        return tuple(sorted(left).index(a) for a in left)


Known = np.ndarray | Value


def ordered(found: Any) -> Any:
    """A function's tensor, or tensors, with ONNX's axes in order."""
    if isinstance(found, list | tuple):
        return [ordered(y) for y in found]
    return Value(found, identity(len(found.shape)))


@dataclass
class Room:
    """What a framework offers; functions take and give tensors as they lie."""

    graph: Graph
    functions: Mapping[str, Callable[..., Any]]
    last: bool  # do windows have channels last?
    layers: Mapping[str, Any]  # by a node's name
    calls: Mapping[str, Any] = field(default_factory=dict)  # nodes that are no layer, for tracers to see them

    def call(self, node: Node, job: Callable[..., Any], *tensors: Any) -> Any:
        """Run `job` as the node's own work; a node that is a layer has what it needs beside it done in the open."""
        if node.name in self.layers:
            return job(*tensors)
        layer = self.calls[node.name]
        layer.__dict__["job"] = job
        try:
            return layer(*tensors)
        finally:
            del layer.__dict__["job"]

    def constant(self, node: Node, name: str) -> Any:
        held = getattr(self.calls.get(node.name), f"constant{node.inputs.index(name)}", None)
        return held if held is not None else self.functions["Constant"](self.graph.constants[name])

    def function(self, node: Node, name: str, *tensors: Any, **settings: Any) -> Any:
        return self.call(node, partial(self.functions[name], **settings), *tensors)

    def mixed(self, node: Node, function: Callable[..., Any], operands: Sequence[Any], **settings: Any) -> Any:
        """`function` of operands: values, constants that are looked up when it runs, and what is known."""

        def job(*xs: Any) -> Any:
            rest = iter(xs)
            full = [next(rest) if isinstance(o, Value) else o() if callable(o) else o for o in operands]
            return function(*full, **settings)

        return self.call(node, job, *(o.tensor for o in operands if isinstance(o, Value)))

    def turn(self, x: Any, order: Iterable[int]) -> Any:
        return self.functions["Turn"](x, tuple(int(a) for a in order))

    def laid(self, value: Value, at: Axes | None = None) -> Value:
        """A value with its axes where they are wanted, in ONNX's order unless told."""
        at = identity(value.ndim) if at is None else at
        if value.at == at:
            return value
        order = [value.at[i] for i in np.argsort(at)]
        sizes = value.tensor.shape
        long = [a for a in order if sizes[a] != 1]
        if long == sorted(long):
            return Value(self.functions["Reshape"](value.tensor, tuple(int(sizes[a]) for a in order)), at)
        return Value(self.turn(value.tensor, order), at)

    def tensor(self, value: Value) -> Any:
        """With the axes in ONNX's order."""
        return self.laid(value).tensor

    def window(self, rank: int) -> Axes:
        """Where the axes lie in a tensor that a window moves over."""
        return (0, rank - 1, *range(1, rank - 1)) if self.last and rank > 2 else identity(rank)

    def windowed(self, value: Value) -> Value:
        return self.laid(value, self.window(value.ndim))

    def seen(self, tensor: Any) -> Value:
        """What a window has made."""
        return Value(tensor, self.window(len(tensor.shape)))

    def broadcast(self, value: Value, rank: int, at: Axes) -> Value:
        if value.ndim == rank:
            return self.laid(value, at)
        if not value.at:
            return value
        shape = (1,) * (rank - value.ndim) + value.shape
        return self.laid(Value(self.functions["Reshape"](self.tensor(value), shape), identity(rank)), at)

    def elementwise(self, node: Node, values: Sequence[Known | None]) -> Value:
        """Any operator that broadcasts: everything is brought to the axes of the largest fed value."""
        rank = max(v.ndim for v in values if v is not None)
        full = [v for v in values if isinstance(v, Value) and v.ndim == rank]
        at = max(full, key=lambda v: prod(v.shape)).at if full else identity(rank)

        def operand(name: str, v: Known | None) -> Any:
            if isinstance(v, Value):
                return self.broadcast(v, rank, at)
            if v is None or v.size == 1:  # a number takes the dtype of what it meets
                return v if v is None else v.reshape(()).item()
            return partial(self._laid_constant, node, name, rank, at)

        operands = [operand(name, v) for name, v in zip(node.inputs, values, strict=True)]
        return Value(self.mixed(node, self.functions[node.op], operands, **node.settings), at)

    def _laid_constant(self, node: Node, name: str, rank: int, at: Axes) -> Any:
        w, order = self.constant(node, name), np.argsort(at)
        shape = tuple(int(n) for n in w.shape)
        full = (1,) * (rank - len(shape)) + shape
        if isinstance(w, np.ndarray):
            return w.reshape(full).transpose(order)
        wanted = tuple(full[a] for a in order)
        if at != identity(rank) and sum(n > 1 for n in full) > 1:
            return self.turn(self.functions["Reshape"](w, full), order)
        alike = wanted[rank - len(shape) :] == shape and prod(wanted[: rank - len(shape)]) == 1
        return w if alike else self.functions["Reshape"](w, wanted)


def ints(values: Sequence[Known | None], index: int, node: Node, setting: str = "") -> list[int] | None:
    """Integers from an input, or from an attribute of older opsets."""
    v = values[index] if index < len(values) else None
    if v is None:
        return list(node.settings[setting]) if setting in node.settings else None
    if isinstance(v, Value):
        raise XconvError(f"its {setting or f'input {index}'} is computed from the values that are fed")
    return [int(i) for i in v.ravel()]


Handler = Callable[[Room, Node, Sequence[Any]], Any]
HANDLERS: dict[str, Handler] = {}


def handles(*ops: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(ops, handler))
        return handler

    return register

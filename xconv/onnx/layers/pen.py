"""The pen that the writers of Keras's layers share, and the table in which they stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kit
from ..graph import Graph
from ..layout import first, last

LAYERS: dict[str, Callable[..., Any]] = {}
OPS: dict[str, Callable[..., Any]] = {}
ANY = 1 << 20  # a size for windows whose pads do not depend on it
END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Value:
    """A Keras tensor in the graph."""

    name: str
    shape: tuple[int | None, ...]  # as Keras has it
    turned: bool = False  # (N, ..., C) is held as (N, C, ...)
    array: np.ndarray | None = None  # of a constant
    flat: "Value | None" = None  # it is this value flattened, not yet written

    @property
    def rank(self) -> int:
        return len(self.shape)


def layer(*names: str):
    def register(function):
        LAYERS.update(dict.fromkeys(names, function))
        return function

    return register


def operation(*names: str):
    def register(function):
        OPS.update(dict.fromkeys(names, function))
        return function

    return register


class Pen:
    """Writes values, in one order of axes or the other, and knows the paths of variables."""

    def __init__(self, g: Graph, names: dict[int, str], to_numpy: Callable[[Any], np.ndarray]):
        self.g, self._names, self._to_numpy = g, names, to_numpy

    def array(self, variable: Any) -> np.ndarray:
        return self._to_numpy(variable).astype(self.g.dtype)

    def weight(self, layer: Any, variable: str, axes: Sequence[int] | None, name: str, part: str = "") -> str:
        """The initializer of a layer's variable, its axes in ONNX's order, under torch's name for it."""
        held = getattr(layer, variable)
        array = self.array(held)
        path = self._names.get(id(held), layer.name)
        full = ".".join(p for p in (path, part, name) if p)
        return self.g.constant(full, array.transpose(axes) if axes is not None else array)

    def path(self, layer: Any, variable: str) -> str:
        """The path of a layer that holds a variable."""
        return self._names.get(id(getattr(layer, variable)), layer.name)

    def named(self, layer: Any, variable: str, array: np.ndarray, name: str) -> str:
        """An initializer that holds a variable's numbers in an order that ONNX's name for it does not promise."""
        path = self._names.get(id(getattr(layer, variable)), layer.name)
        return self.g.constant(f"{path}.{name}" if path else name, array)

    def first(self, v: Value) -> str:
        """The value held as (N, C, ...)."""
        v = self.solid(v)
        if v.rank < 3 or v.turned:
            return v.name
        return self.g.Transpose(v.name, perm=first(v.rank))

    def plain(self, v: Value) -> str:
        """The value held as Keras has it."""
        v = self.solid(v)
        return self.g.Transpose(v.name, perm=last(v.rank)) if v.turned else v.name

    def solid(self, v: Value) -> Value:
        """The value, written if it was put off."""
        if v.flat is None:
            return v
        return Value(self.g.Flatten(self.plain(v.flat)), v.shape)

    def like(self, v: Value, name: str, shape: Sequence[int | None]) -> Value:
        """A result held as `v` is."""
        return Value(name, tuple(shape), v.turned)

    def axis(self, v: Value, axis: int) -> int:
        """Where an axis of Keras is held."""
        axis %= v.rank
        return axis if not v.turned or axis == 0 else 1 if axis == v.rank - 1 else axis + 1

    def alike(self, values: Sequence[Value]) -> tuple[list[str], bool]:
        """Values held so that they broadcast as Keras's do, and whether they are turned."""
        values = [self.solid(v) for v in values]
        rank = max(v.rank for v in values)
        turned = rank > 2 and any(v.turned for v in values)
        names = []
        for v in values:
            if not turned or v.rank == 0 or (v.array is not None and v.array.size == 1):
                names.append(self.plain(v))
            elif v.rank == rank:
                names.append(self.first(v))
            elif v.rank == 1:
                names.append(self.g.Reshape(v.name, kit.ints(self.g, [-1] + [1] * (rank - 2)))
                             if v.array is None else self._column(v, rank))  # fmt: skip
            else:
                return [self.plain(v) for v in values], False
        return names, turned

    def _column(self, v: Value, rank: int) -> str:
        assert v.array is not None
        return self.g.constant(f"{v.name}.column", v.array.reshape([-1] + [1] * (rank - 2)))

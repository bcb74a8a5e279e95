"""Layers of Keras that join several values."""

from collections.abc import Sequence
from typing import Any

from .. import kit
from .pen import Pen, Value, layer, operation


def _merge(op: str):
    def write(w: Pen, c: Any, values: Sequence[Value]) -> Value:
        return variadic(w, op, values, _broadcast([v.shape for v in values]))

    return write


def variadic(w: Pen, op: str, values: Sequence[Value], shape) -> Value:
    """A chain of binary operators: not every runtime takes more than two operands."""
    names, turned = w.alike(values)
    total = names[0]
    for name in names[1:]:
        total = getattr(w.g, op)(total, name)
    return Value(total, tuple(shape), turned)


def _broadcast(shapes: Sequence[Sequence[int | None]]) -> tuple[int | None, ...]:
    rank = max(map(len, shapes))
    out: list[int | None] = []
    for axis in range(rank):
        sizes = {s[axis - rank + len(s)] for s in shapes if axis - rank + len(s) >= 0} - {1}
        out.append(next(iter(sizes)) if len(sizes) == 1 else None if sizes else 1)
    return tuple(out)


for keras_name, onnx_name in (("Add", "Add"), ("Subtract", "Sub"), ("Multiply", "Mul"), ("Maximum", "Max"),
                              ("Minimum", "Min")):  # fmt: skip
    layer(keras_name)(_merge(onnx_name))


@layer("Average")
def _average(w: Pen, c: Any, values: Sequence[Value]) -> Value:
    y = variadic(w, "Add", values, _broadcast([v.shape for v in values]))
    return w.like(y, w.g.Mul(y.name, kit.scalar(w.g, 1 / len(values))), y.shape)


@layer("Concatenate")
@operation("Concatenate")
def _concatenate(w: Pen, c: Any, values: Sequence[Value]) -> Value:
    values = [w.solid(v) for v in values]
    turned = any(v.turned for v in values)
    names = [w.first(v) if turned else v.name for v in values]
    axis = c.axis % values[0].rank
    one = Value(names[0], values[0].shape, turned)
    sizes = [v.shape[axis] for v in values]
    total = None if None in sizes else sum(s for s in sizes if s is not None)
    shape = tuple(total if a == axis else s for a, s in enumerate(values[0].shape))
    return Value(w.g.Concat(*names, axis=w.axis(one, axis)), shape, turned)

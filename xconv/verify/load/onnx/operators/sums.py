"""Operators that add up over axes: reductions, softmax, matrix products, response normalisation."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from .....errors import XconvError
from ..graph import Node
from ..operands import Room, Value, handles, ints, ordered


@handles("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
         "ReduceLogSumExp", "ReduceLogSum")  # fmt: skip
def _reduce(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, axes = values[0], ints(values, 1, node, "axes")
    if not axes and node.settings.get("noop_with_empty_axes"):
        return x
    return _over(room, node, node.op, x, axes or range(x.ndim), bool(node.settings.get("keepdims", 1)))


@handles("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(room: Room, node: Node, values: Sequence[Any]) -> Value:
    name = "ReduceMean" if node.op == "GlobalAveragePool" else "ReduceMax"
    return _over(room, node, name, values[0], range(2, values[0].ndim), True)


def _over(room: Room, node: Node, name: str, x: Value, axes: Sequence[int], keep: bool) -> Value:
    gone = {a % x.ndim for a in axes}
    y = room.function(node, name, x.tensor, axes=tuple(sorted(x.at[a] for a in gone)), keepdims=keep)
    return Value(y, x.at if keep else x.without(gone))


@handles("ArgMax", "ArgMin")
def _arg(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, s = values[0], node.settings
    if s.get("select_last_index"):
        raise XconvError("takes the last of equal values, which the frameworks do not")
    axis, keep = s.get("axis", 0) % x.ndim, bool(s.get("keepdims", 1))
    return ordered(room.function(node, node.op, room.tensor(x), axis=axis, keepdims=keep))


@handles("Softmax", "LogSoftmax")
def _softmax(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, opset = values[0], room.graph.opset
    axis = node.settings.get("axis", -1 if opset >= 13 else 1) % x.ndim
    if opset < 13 and axis != x.ndim - 1:
        raise XconvError(f"of opset {opset} flattens its input: convert the file to opset 13 or newer")
    return Value(room.function(node, node.op, x.tensor, axis=x.at[axis]), x.at)


@handles("MatMul", "Gemm")
def _matmul(room: Room, node: Node, values: Sequence[Any]) -> Value:
    s, f = node.settings, room.functions

    def product(a: Any, b: Any, c: Any = None) -> Any:
        a = room.turn(a, (1, 0)) if s.get("transA") else a
        b = room.turn(b, (1, 0)) if s.get("transB") else b
        y = f["MatMul"](a, b)
        y = y if s.get("alpha", 1.0) == 1 else y * s["alpha"]
        return y if c is None else f["Add"](y, c if s.get("beta", 1.0) == 1 else c * s["beta"])

    operands = [room.laid(v) if isinstance(v, Value) else v if v is None else partial(room.constant, node, name)
                for name, v in zip(node.inputs, values, strict=True)]  # fmt: skip
    return ordered(room.mixed(node, product, operands))


@handles("LRN")
def _lrn(room: Room, node: Node, values: Sequence[Any]) -> Value:
    """x / (k + alpha/n sum of squares over n channels) ^ beta."""
    x, s = values[0], node.settings
    n, channel, rank = s["size"], x.at[1], x.ndim

    def job(x: Any) -> Any:
        widths = tuple(((n - 1) // 2, n // 2) if a == channel else (0, 0) for a in range(rank))
        squares = room.functions["Pad"](x * x, widths=widths, mode="constant", value=0.0)
        size = int(x.shape[channel])
        first, *rest = (squares[(slice(None),) * channel + (slice(i, i + size),)] for i in range(n))
        return x / (s.get("bias", 1.0) + s.get("alpha", 1e-4) / n * sum(rest, first)) ** s.get("beta", 0.75)

    return Value(room.call(node, job, x.tensor), x.at)

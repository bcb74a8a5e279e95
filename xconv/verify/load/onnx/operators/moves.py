"""Operators that move numbers and change none: shapes, axes, slices, pads, casts."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from onnx import helper

from .....errors import XconvError
from ..graph import Node
from ..operands import Known, Room, Value, handles, identity, ints, ordered


@handles("Identity", "Dropout")
def _rest(room: Room, node: Node, values: Sequence[Any]) -> Known:
    return values[0]


@handles("Transpose")
def _transpose(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    return Value(x.tensor, tuple(x.at[p] for p in node.settings.get("perm", range(x.ndim)[::-1])))


@handles("Cast")
def _cast(room: Room, node: Node, values: Sequence[Any]) -> Known:
    dtype = helper.tensor_dtype_to_np_dtype(node.settings["to"])
    return _as(room, node, values[0], "f" if dtype.kind == "f" or dtype.name == "bfloat16" else dtype.name)


@handles("CastLike")
def _cast_like(room: Room, node: Node, values: Sequence[Any]) -> Known:
    x, like = values
    if not _floats(room, like):
        raise XconvError("casts to an integer type that is known only when it runs")
    return _as(room, node, x, "f")


def _floats(room: Room, value: Known) -> bool:
    return value.dtype.kind == "f" if isinstance(value, np.ndarray) else room.functions["IsFloat"](value.tensor)


def _as(room: Room, node: Node, x: Known, dtype: str) -> Known:
    if isinstance(x, np.ndarray) or (dtype == "f" and _floats(room, x)):  # the run has a precision of its own
        return x
    return Value(room.function(node, "Cast", x.tensor, dtype=dtype), x.at)


@handles("Reshape")
def _reshape(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, sizes = values[0], ints(values, 1, node, "shape")
    assert sizes is not None
    if not node.settings.get("allowzero"):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return _reshaped(room, node, x, sizes)


def _reshaped(room: Room, node: Node, x: Value, sizes: Sequence[int]) -> Value:
    if -1 in sizes:
        known = prod(n for n in sizes if n != -1)
        sizes = [prod(x.shape) // known if n == -1 else n for n in sizes]
    if tuple(sizes) == x.shape:
        return x
    return ordered(room.function(node, "Reshape", room.tensor(x), shape=tuple(sizes)))


@handles("Flatten")
def _flatten(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, axis = values[0], node.settings.get("axis", 1)
    axis = axis % x.ndim if axis < 0 else axis
    return _reshaped(room, node, x, [prod(x.shape[:axis]), prod(x.shape[axis:])])


@handles("Squeeze")
def _squeeze(room: Room, node: Node, values: Sequence[Any]) -> Value:
    """The axes that are left stay where they lie."""
    x, axes = values[0], ints(values, 1, node, "axes")
    gone = {a % x.ndim for a in axes} if axes is not None else {i for i, n in enumerate(x.shape) if n == 1}
    if not gone:
        return x
    lost = {x.at[a] for a in gone}
    shape = tuple(int(n) for i, n in enumerate(x.tensor.shape) if i not in lost)
    return Value(room.function(node, "Reshape", x.tensor, shape=shape), x.without(gone))


@handles("Unsqueeze")
def _unsqueeze(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, axes = values[0], ints(values, 1, node, "axes") or []
    rank = x.ndim + len(axes)
    new, sizes = {a % rank for a in axes}, iter(x.shape)
    return _reshaped(room, node, x, [1 if a in new else next(sizes) for a in range(rank)])


@handles("Expand")
def _expand(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, sizes = values[0], ints(values, 1, node) or []
    shape = np.broadcast_shapes(x.shape, tuple(sizes))
    if shape == x.shape:
        return x
    whole = room.broadcast(x, len(shape), identity(len(shape)))
    return ordered(room.function(node, "Expand", whole.tensor, shape=shape))


@handles("Tile")
def _tile(room: Room, node: Node, values: Sequence[Any]) -> Value:
    repeats = tuple(ints(values, 1, node) or [])
    return ordered(room.function(node, "Tile", room.tensor(values[0]), repeats=repeats))


@handles("Concat")
def _concat(room: Room, node: Node, values: Sequence[Any]) -> Value:
    lead = next(v for v in values if isinstance(v, Value))
    ready = [room.broadcast(v, lead.ndim, lead.at) if isinstance(v, Value) else v.transpose(np.argsort(lead.at))
             for v in values]  # fmt: skip
    axis = lead.at[node.settings["axis"] % lead.ndim]
    return Value(room.mixed(node, lambda *parts: room.functions["Concat"](parts, axis=axis), ready), lead.at)


@handles("Split")
def _split(room: Room, node: Node, values: Sequence[Any]) -> list[Value]:
    x, sizes = values[0], ints(values, 1, node, "split")
    axis = node.settings.get("axis", 0) % x.ndim
    if sizes is None:
        count = node.settings.get("num_outputs", len(node.outputs))
        each = -(-x.shape[axis] // count)
        sizes = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    parts = room.function(node, "Split", x.tensor, sizes=tuple(sizes), axis=x.at[axis])
    return [Value(p, x.at) for p in parts]


@handles("Slice")
def _slice(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    starts, ends, axes, steps = (ints(values, i, node) for i in range(1, 5))
    assert starts is not None
    assert ends is not None
    axes = axes or list(range(len(starts)))
    cuts = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(axes), strict=True):
        size = x.shape[axis]
        start, end = (n + size if n < 0 else n for n in (start, end))
        if step > 0:
            cut = slice(min(max(start, 0), size), min(max(end, 0), size), step)
        else:
            cut = slice(min(max(start, 0), size - 1), None if end < 0 else min(end, size - 1), step)
        cuts[x.at[axis % x.ndim]] = cut
    return Value(room.function(node, "Slice", x.tensor, cuts=tuple(cuts)), x.at)


@handles("Gather")
def _gather(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, at = values
    axis = node.settings.get("axis", 0) % x.ndim
    if isinstance(x, Value) and isinstance(at, np.ndarray) and at.ndim == 0:
        cuts: list[Any] = [slice(None)] * x.ndim
        cuts[x.at[axis]] = int(at)
        return Value(room.function(node, "Slice", x.tensor, cuts=tuple(cuts)), x.without({axis}))
    table = room.laid(x) if isinstance(x, Value) else lambda: room.constant(node, node.inputs[0])
    index = room.laid(at) if isinstance(at, Value) else at
    return ordered(room.mixed(node, room.functions["Gather"], [table, index], axis=axis))


@handles("GatherElements", "Trilu", "CumSum", "Einsum", "TopK")
def _plain(room: Room, node: Node, values: Sequence[Any]) -> Any:
    """Operators that want the axes in order."""
    operands = [room.laid(v) if isinstance(v, Value) else v for v in values]
    return ordered(room.mixed(node, room.functions[node.op], operands, **node.settings))


@handles("Pad")
def _pad(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, pads, axes = values[0], ints(values, 1, node, "pads"), ints(values, 3, node)
    assert pads is not None
    value = values[2] if len(values) > 2 else None
    number = float(value.ravel()[0]) if isinstance(value, np.ndarray) and value.size else 0.0
    widths, half = [(0, 0)] * x.ndim, len(pads) // 2
    for i, axis in enumerate(axes if axes is not None else range(x.ndim)):
        widths[x.at[axis % x.ndim]] = (pads[i], pads[half + i])
    return padded(room, node, x, widths, node.settings.get("mode", "constant"), number)


def padded(
    room: Room, node: Node, x: Value, widths: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0
) -> Value:
    """Pad, and crop where a width is negative."""
    tensor = x.tensor
    if any(n < 0 for pair in widths for n in pair):
        cuts = tuple(slice(max(-a, 0), int(n) - max(-b, 0)) for n, (a, b) in zip(tensor.shape, widths, strict=True))
        tensor = room.function(node, "Slice", tensor, cuts=cuts)
        widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if any(n for pair in widths for n in pair):
        tensor = room.function(node, "Pad", tensor, widths=tuple(widths), mode=mode, value=value)
    return Value(tensor, x.at)


@handles("DepthToSpace", "SpaceToDepth")
def _depth(room: Room, node: Node, values: Sequence[Any]) -> Value:
    b, x = node.settings["blocksize"], values[0]
    n, c, h, wide = x.shape
    steps: tuple[tuple[int, ...], ...]
    if node.op == "SpaceToDepth":
        steps = ((n, c, h // b, b, wide // b, b), (0, 3, 5, 1, 2, 4), (n, c * b * b, h // b, wide // b))
    elif node.settings.get("mode", "DCR") == "DCR":
        steps = ((n, b, b, c // b**2, h, wide), (0, 3, 4, 1, 5, 2), (n, c // b**2, h * b, wide * b))
    else:
        steps = ((n, c // b**2, b, b, h, wide), (0, 1, 4, 2, 5, 3), (n, c // b**2, h * b, wide * b))

    def job(x: Any) -> Any:
        reshape = room.functions["Reshape"]
        return reshape(room.turn(reshape(x, shape=steps[0]), steps[1]), shape=steps[2])

    return ordered(room.call(node, job, room.tensor(x)))

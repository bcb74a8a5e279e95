"""Running a graph node by node: what is known is NumPy's, what is fed goes through a framework.

A value remembers which axis of its tensor each ONNX axis is, so a Transpose costs nothing: in the torch seat a graph
that Keras wrote runs with channels first, in the Keras seat one that torch wrote with channels last. Where an operator
needs the axes in order, the tensor is turned first. Arithmetic on sizes stays NumPy's, by the onnx package's own rules.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ....errors import XconvError, first_line
from ....geometry import same_pads
from .graph import Graph, Node

Axes = tuple[int, ...]


class Value(NamedTuple):
    """A tensor, and for each ONNX axis the axis of the tensor that it is."""

    tensor: Any
    at: Axes

    @property
    def shape(self) -> tuple[int, ...]:
        """In the order of ONNX's axes."""
        return tuple(int(self.tensor.shape[a]) for a in self.at)


class Number(NamedTuple):
    """A constant of no axes, which takes the dtype of what it meets."""

    value: Any


Known = np.ndarray | Value


class Room(Protocol):
    """What a framework must offer. Functions take and give tensors as they lie."""

    functions: Mapping[str, Callable[..., Any]]
    layers: dict[str, Any]  # by a node's name
    last: bool  # do windows have channels last?

    def call(self, node: Node, job: Callable[..., Any], *tensors: Any) -> Any: ...
    def turn(self, x: Any, order: Axes) -> Any: ...
    def weight(self, node: Node, name: str) -> Any: ...
    def is_float(self, x: Any) -> bool: ...


def identity(rank: int) -> Axes:
    return tuple(range(rank))


def channels_last(rank: int) -> Axes:
    """Where ONNX's axes lie in a tensor with channels last."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 2 else identity(rank)


class Walk:
    """One run."""

    def __init__(self, graph: Graph, room: Room):
        self.graph, self.room = graph, room
        self.known: dict[str, Known] = dict(graph.constants)

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """The outputs, channels where the seat has them."""
        if len(tensors) != len(self.graph.inputs):
            names = ", ".join(i.name for i in self.graph.inputs)
            raise XconvError(f"{self.graph.file} takes {len(self.graph.inputs)} inputs ({names}), not {len(tensors)}")
        for given, tensor in zip(self.graph.inputs, tensors, strict=True):
            rank = len(given.shape)
            if len(tensor.shape) != rank:
                raise XconvError(f"{self.graph.file} takes {given.name} with {rank} axes, not {len(tensor.shape)}")
            self.known[given.name] = Value(tensor, self.seat(rank, given.channels))
        for node in self.graph.nodes:
            found = self.write(node)
            self.known.update(zip(node.outputs, found if isinstance(found, list) else [found], strict=False))
        if lost := [name for name in self.graph.outputs if name not in self.known]:
            raise XconvError(
                f"{self.graph.file} gives {', '.join(lost)}, a second result that the verifier does not know"
            )
        return [self.output(self.known[name]) for name in self.graph.outputs]

    def seat(self, rank: int, channels: int | None) -> Axes:
        """Where an input's axes lie in the tensor that the seat is given."""
        if channels is None or rank < 3:
            return identity(rank)
        wanted = rank - 1 if self.room.last else 1
        order = [a for a in range(rank) if a != channels]
        order.insert(wanted, channels)
        return tuple(order.index(a) for a in range(rank))

    def output(self, value: Known) -> Any:
        if isinstance(value, np.ndarray):
            raise XconvError(f"an output of {self.graph.file} is a constant")
        rank = len(value.at)
        first = self.graph.inputs[0]
        alike = first.channels is not None and (rank > 3 or rank == len(first.shape)) and rank > 2
        axis = rank - 1 if first.last else 1
        return self.tensor(value, self.seat(rank, axis) if alike else identity(rank))

    def tensor(self, value: Known, at: Axes | None = None) -> Any:
        """A value's tensor with its axes where they are wanted, in ONNX's order unless told."""
        if isinstance(value, np.ndarray):
            return value if at is None else value.transpose(np.argsort(at))
        at = identity(len(value.at)) if at is None else at
        if value.at == at:
            return value.tensor
        order = [0] * len(at)
        for here, there in zip(value.at, at, strict=True):
            order[there] = here
        sizes = value.tensor.shape
        if [a for a in order if sizes[a] != 1] == [a for a in range(len(order)) if sizes[a] != 1]:
            shape = tuple(int(sizes[a]) for a in order)
            return self.room.functions["Reshape"](value.tensor, shape)
        return self.room.turn(value.tensor, tuple(order))

    def write(self, node: Node) -> Known | list[Known]:
        values = [self.known[n] if n else None for n in node.inputs]
        try:
            if node.op in ("Shape", "Size") and isinstance(values[0], Value):
                s = node.settings
                sizes = np.array(values[0].shape, np.int64)[s.get("start", 0) : s.get("end")]
                return sizes if node.op == "Shape" else np.array(prod(values[0].shape), np.int64)
            if all(v is None or isinstance(v, np.ndarray) for v in values) and node.op not in ("Dense", "Embedding"):
                return [*evaluated(node, values, self.graph.opset)]  # type: ignore[arg-type]
            handler = HANDLERS.get(node.op)
            if handler is not None:
                return handler(self, node, values)
            if node.op in self.room.functions:
                return self.elementwise(node, values)
        except (XconvError, KeyError, NotImplementedError) as error:
            raise XconvError(f"{self.graph.file}: {node.name} ({node.op}): {first_line(error)}") from error
        raise XconvError(f"{self.graph.file} uses the operator {node.op} (at {node.name}), which the verifier does not "
                         "know")  # fmt: skip

    # What handlers are made of

    def call(self, node: Node, job: Callable[..., Any], *tensors: Any) -> Any:
        """Run `job` as the node's own work; a node that is a layer has what it needs beside it done in the open."""
        return job(*tensors) if node.name in self.room.layers else self.room.call(node, job, *tensors)

    def function(self, node: Node, name: str, *tensors: Any, **settings: Any) -> Any:
        function = self.room.functions[name]
        return self.call(node, lambda *xs: function(*xs, **settings), *tensors)

    def layer(self, node: Node, *tensors: Any) -> Any:
        return self.room.layers[node.name](*tensors)

    def elementwise(self, node: Node, values: Sequence[Known | None]) -> Value:
        """Any operator that broadcasts: everything is brought to the axes of the largest fed value."""
        fed = [v for v in values if isinstance(v, Value)]
        rank = max(len(v.at) if isinstance(v, Value) else v.ndim for v in values if v is not None)
        lead = max((v for v in fed if len(v.at) == rank), key=lambda v: prod(v.shape), default=None)
        at = lead.at if lead is not None else identity(rank)
        ready: list[Any] = []
        for position, v in enumerate(values):
            if isinstance(v, Value):
                ready.append(self.broadcast(v, rank, at))
            elif v is None:
                ready.append(None)
            elif v.size == 1 and rank >= v.ndim:
                ready.append(Number(v.reshape(()).item()))
            else:
                ready.append((node.inputs[position], v.shape, at))
        function, room = self.room.functions[node.op], self.room

        def job(*xs: Any) -> Any:
            rest, full = iter(xs), []
            for r in ready:
                known = r is None or isinstance(r, Number)
                full.append((r and r.value) if known else constant(r) if isinstance(r, tuple) else next(rest))
            return function(*full, **node.settings)

        def constant(described: tuple) -> Any:
            name, shape, at = described
            w = room.weight(node, name)
            if isinstance(w, np.ndarray):
                return w.reshape((1,) * (rank - w.ndim) + w.shape).transpose(np.argsort(at))
            full = (1,) * (rank - len(shape)) + tuple(shape)
            order = np.argsort(at)
            if at != identity(rank) and sum(n > 1 for n in full) > 1:
                w = room.turn(room.functions["Reshape"](w, full), tuple(int(a) for a in order))
                return w
            wanted = tuple(full[a] for a in order)
            return w if wanted[-len(shape) :] == tuple(shape) and prod(wanted[: -len(shape)]) == 1 else \
                room.functions["Reshape"](w, wanted)  # fmt: skip

        tensors = [r for r in ready if r is not None and not isinstance(r, Number | tuple)]
        return Value(self.call(node, job, *tensors), at)

    def broadcast(self, value: Value, rank: int, at: Axes) -> Any:
        if len(value.at) == rank:
            return self.tensor(value, at)
        if not value.at:
            return value.tensor
        shape = (1,) * (rank - len(value.at)) + value.shape
        full = Value(self.room.functions["Reshape"](self.tensor(value), shape), identity(rank))
        return self.tensor(full, at)

    def axes(self, value: Known, axes: Sequence[int]) -> Axes:
        """ONNX axes as the tensor's."""
        rank = len(value.at) if isinstance(value, Value) else value.ndim
        at = value.at if isinstance(value, Value) else identity(rank)
        return tuple(at[a % rank] for a in axes)

    def ints(self, values: Sequence[Known | None], index: int, node: Node, setting: str = "") -> list[int] | None:
        """Integers from an input, or from an attribute of older opsets."""
        v = values[index] if index < len(values) else None
        if v is None:
            return list(node.settings[setting]) if setting and setting in node.settings else None
        if not isinstance(v, np.ndarray):
            raise XconvError(f"its {setting or f'input {index}'} is computed from the values that are fed")
        return [int(i) for i in v.ravel()]

    def window_value(self, value: Known) -> Any:
        rank = len(value.at)  # type: ignore[union-attr]
        return self.tensor(value, channels_last(rank) if self.room.last else identity(rank))

    def windowed(self, tensor: Any) -> Value:
        rank = len(tensor.shape)
        return Value(tensor, channels_last(rank) if self.room.last else identity(rank))


def evaluated(node: Node, values: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """A node of constants, by the onnx package's own evaluator."""
    op = {"Dense": "Gemm", "Embedding": "Gather"}.get(node.op, node.op)
    if op == "ConstantOfShape":
        fill = numpy_helper.to_array(node.settings["value"]) if "value" in node.settings else np.zeros(1, np.float32)
        return [np.full([int(n) for n in values[0]], fill.ravel()[0])]  # type: ignore[union-attr]
    if op not in ("Resize", "Upsample"):  # numbers are worked out in float64, as everything is
        values = [v.astype(np.float64) if v is not None and v.dtype.kind == "f" else v for v in values]
    proto = helper.make_node(op, node.inputs, node.outputs, **node.settings)
    names = [n for n in node.inputs if n]
    infos = [helper.make_value_info(n, helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(v.dtype), None))
             for n, v in zip(node.inputs, values, strict=True) if v is not None]  # fmt: skip
    outs = [helper.make_value_info(n, onnx_any()) for n in node.outputs if n]
    model = helper.make_model(helper.make_graph([proto], "one", list({i.name: i for i in infos}.values()), outs),
                              opset_imports=[helper.make_opsetid("", opset)])  # fmt: skip
    feeds = dict(zip(names, [v for v in values if v is not None], strict=True))
    found = iter(map(np.asarray, ReferenceEvaluator(model).run(None, feeds)))
    ys = [next(found) if n else np.zeros(0) for n in node.outputs]
    return [y.astype(np.float64) if y.dtype == np.float32 else y for y in ys]


def onnx_any() -> Any:
    from onnx import TypeProto

    return TypeProto()


# --- what moves no number ---

Handler = Callable[[Walk, Node, Sequence[Any]], Any]
HANDLERS: dict[str, Handler] = {}


def handles(*ops: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(ops, handler))
        return handler

    return register


@handles("Identity", "Dropout")
def _rest(w: Walk, node: Node, values: Sequence[Any]) -> Known:
    return values[0]


@handles("Transpose")
def _transpose(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    order = node.settings.get("perm", tuple(range(len(x.at)))[::-1])
    return Value(x.tensor, tuple(x.at[p] for p in order))


@handles("Cast")
def _cast(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    dtype = helper.tensor_dtype_to_np_dtype(node.settings["to"])
    kind = "f" if dtype.kind == "f" or dtype.name == "bfloat16" else dtype.name
    x = values[0]
    if kind == "f" and w.room.is_float(x.tensor):  # from one precision to another: the run has its own
        return x
    return Value(w.function(node, "Cast", x.tensor, dtype=kind), x.at)


@handles("CastLike")
def _cast_like(w: Walk, node: Node, values: Sequence[Any]) -> Known:
    x, like = values
    floats = like.dtype.kind == "f" if isinstance(like, np.ndarray) else w.room.is_float(like.tensor)
    if not floats:
        raise XconvError("casts to an integer type that is known only when it runs")
    if isinstance(x, np.ndarray) or w.room.is_float(x.tensor):
        return x
    return Value(w.function(node, "Cast", x.tensor, dtype="f"), x.at)


@handles("Reshape")
def _reshape(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, sizes = values[0], w.ints(values, 1, node, "shape")
    assert sizes is not None
    if not node.settings.get("allowzero"):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return _reshaped(w, node, x, sizes)


def _reshaped(w: Walk, node: Node, x: Value, sizes: Sequence[int]) -> Value:
    if -1 in sizes:
        known = prod(n for n in sizes if n != -1)
        sizes = [prod(x.shape) // known if n == -1 else n for n in sizes]
    if tuple(sizes) == x.shape:
        return x
    return Value(w.function(node, "Reshape", w.tensor(x), shape=tuple(sizes)), identity(len(sizes)))


@handles("Flatten")
def _flatten(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, axis = values[0], node.settings.get("axis", 1)
    axis = axis % len(x.at) if axis < 0 else axis
    return _reshaped(w, node, x, [prod(x.shape[:axis]), prod(x.shape[axis:])])


@handles("Squeeze")
def _squeeze(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, axes = values[0], w.ints(values, 1, node, "axes")
    rank = len(x.at)
    gone = {a % rank for a in axes} if axes is not None else {i for i, n in enumerate(x.shape) if n == 1}
    return _without(w, node, x, gone)


def _without(w: Walk, node: Node, x: Value, gone: set[int]) -> Value:
    """Drop axes of size one; the others stay where they lie."""
    if not gone:
        return x
    lost = {x.at[a] for a in gone}
    left = [x.at[a] for a in range(len(x.at)) if a not in gone]
    shape = tuple(int(n) for i, n in enumerate(x.tensor.shape) if i not in lost)
    return Value(w.function(node, "Reshape", x.tensor, shape=shape), tuple(sorted(left).index(a) for a in left))


@handles("Unsqueeze")
def _unsqueeze(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, axes = values[0], w.ints(values, 1, node, "axes") or []
    rank = len(x.at) + len(axes)
    new = {a % rank for a in axes}
    sizes = iter(x.shape)
    return _reshaped(w, node, x, [1 if a in new else next(sizes) for a in range(rank)])


@handles("Expand")
def _expand(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, sizes = values[0], w.ints(values, 1, node) or []
    shape = np.broadcast_shapes(x.shape, tuple(sizes))
    if shape == x.shape:
        return x
    tensor = w.broadcast(x, len(shape), identity(len(shape)))
    return Value(w.function(node, "Expand", tensor, shape=shape), identity(len(shape)))


@handles("Tile")
def _tile(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, repeats = values[0], w.ints(values, 1, node) or []
    return Value(w.function(node, "Tile", w.tensor(x), repeats=tuple(repeats)), identity(len(x.at)))


@handles("Concat")
def _concat(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    lead = next(v for v in values if isinstance(v, Value))
    ready = [w.broadcast(v, len(lead.at), lead.at) if isinstance(v, Value) else v for v in values]
    axis = lead.at[node.settings["axis"] % len(lead.at)]
    fed = [r for r in ready if not isinstance(r, np.ndarray)]

    def job(*xs: Any) -> Any:
        rest = iter(xs)
        parts = [r.transpose(np.argsort(lead.at)) if isinstance(r, np.ndarray) else next(rest) for r in ready]
        return w.room.functions["Concat"](parts, axis=axis, like=xs[0])

    return Value(w.call(node, job, *fed), lead.at)


@handles("Split")
def _split(w: Walk, node: Node, values: Sequence[Any]) -> list[Value]:
    x, sizes = values[0], w.ints(values, 1, node, "split")
    axis = node.settings.get("axis", 0) % len(x.at)
    if sizes is None:
        count = node.settings.get("num_outputs", len(node.outputs))
        each = -(-x.shape[axis] // count)
        sizes = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    parts = w.function(node, "Split", x.tensor, sizes=tuple(sizes), axis=x.at[axis])
    return [Value(p, x.at) for p in parts]


@handles("Slice")
def _slice(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    starts, ends, axes, steps = (w.ints(values, i, node) for i in range(1, 5))
    assert starts is not None
    assert ends is not None
    axes = axes or list(range(len(starts)))
    cuts = [slice(None)] * len(x.at)
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(axes), strict=True):
        size = x.shape[axis]
        low, high = (0, size) if step > 0 else (0, size - 1)
        start = min(max(start + size if start < 0 else start, low), high)
        stop: int | None = end + size if end < 0 else end
        stop = min(max(stop, 0), size) if step > 0 else (None if stop < 0 else min(stop, size - 1))  # type: ignore[operator, type-var]
        cuts[x.at[axis % len(x.at)]] = slice(start, stop, step)
    return Value(w.function(node, "Slice", x.tensor, cuts=tuple(cuts)), x.at)


@handles("Gather")
def _gather(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, at, axis = *values, node.settings.get("axis", 0)
    if isinstance(x, Value) and isinstance(at, np.ndarray) and at.ndim == 0:
        axis %= len(x.at)
        lost, index = x.at[axis], int(at)
        cuts = tuple(index if i == lost else slice(None) for i in range(len(x.at)))
        left = [a for i, a in enumerate(x.at) if i != axis]
        y = w.function(node, "Slice", x.tensor, cuts=cuts)
        return Value(y, tuple(sorted(left).index(a) for a in left))
    rank = (len(x.at) if isinstance(x, Value) else x.ndim) - 1 + (len(at.at) if isinstance(at, Value) else at.ndim)
    tensors = [w.tensor(v) for v in (x, at) if isinstance(v, Value)]

    def job(*xs: Any) -> Any:
        rest = iter(xs)
        table = next(rest) if isinstance(x, Value) else w.room.weight(node, node.inputs[0])
        return w.room.functions["Gather"](table, next(rest) if isinstance(at, Value) else at, axis=axis)

    return Value(w.call(node, job, *tensors), identity(rank))


@handles("GatherElements", "Trilu", "CumSum", "OneHot", "GatherND", "ScatterND", "Einsum", "TopK")
def _plain(w: Walk, node: Node, values: Sequence[Any]) -> Any:
    """Operators that want the axes in order."""
    if node.op not in w.room.functions:
        raise XconvError("is not known to the verifier")
    ready = [w.tensor(v) if isinstance(v, Value) else v for v in values]
    fed = [r for r, v in zip(ready, values, strict=True) if isinstance(v, Value)]

    def job(*xs: Any) -> Any:
        rest = iter(xs)
        full = [next(rest) if isinstance(v, Value) else v for v in values]
        return w.room.functions[node.op](*full, **node.settings)

    y = w.call(node, job, *fed)
    return [Value(p, identity(len(p.shape))) for p in y] if isinstance(y, list | tuple) else \
        Value(y, identity(len(y.shape)))  # fmt: skip


@handles("Pad")
def _pad(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, pads = values[0], w.ints(values, 1, node, "pads")
    assert pads is not None
    axes = w.ints(values, 3, node)
    rank = len(x.at)
    value = values[2] if len(values) > 2 else None
    number = float(value.ravel()[0]) if isinstance(value, np.ndarray) and value.size else 0.0
    widths = [(0, 0)] * rank
    half = len(pads) // 2
    for i, axis in enumerate(axes if axes is not None else range(rank)):
        widths[x.at[axis % rank]] = (pads[i], pads[half + i])
    return _padded(w, node, x, widths, node.settings.get("mode", "constant"), number)


def _padded(w: Walk, node: Node, x: Value, widths: list[tuple[int, int]], mode: str, value: float) -> Value:
    """Pad, and crop where a width is negative."""
    tensor = x.tensor
    if any(n < 0 for pair in widths for n in pair):
        cuts = tuple(slice(max(-a, 0), int(n) - max(-b, 0)) for n, (a, b) in zip(tensor.shape, widths, strict=True))
        tensor = w.function(node, "Slice", tensor, cuts=cuts)
        widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if any(n for pair in widths for n in pair):
        tensor = w.function(node, "Pad", tensor, widths=tuple(widths), mode=mode, value=value)
    return Value(tensor, x.at)


@handles("DepthToSpace", "SpaceToDepth")
def _depth(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    b, x = node.settings["blocksize"], values[0]
    n, c, h, wide = x.shape
    tensor = w.tensor(x)
    if node.op == "SpaceToDepth":
        steps = ((n, c, h // b, b, wide // b, b), (0, 3, 5, 1, 2, 4), (n, c * b * b, h // b, wide // b))
    elif node.settings.get("mode", "DCR") == "DCR":
        steps = ((n, b, b, c // b**2, h, wide), (0, 3, 4, 1, 5, 2), (n, c // b**2, h * b, wide * b))
    else:
        steps = ((n, c // b**2, b, b, h, wide), (0, 1, 4, 2, 5, 3), (n, c // b**2, h * b, wide * b))

    def job(x: Any) -> Any:
        f = w.room.functions["Reshape"]
        return f(w.room.turn(f(x, shape=steps[0]), steps[1]), shape=steps[2])

    return Value(w.call(node, job, tensor), identity(4))


# --- sums over axes ---


@handles("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
         "ReduceLogSumExp", "ReduceLogSum")  # fmt: skip
def _reduce(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x, axes = values[0], w.ints(values, 1, node, "axes")
    rank = len(x.at)
    if not axes:
        if node.settings.get("noop_with_empty_axes"):
            return x
        axes = list(range(rank))
    keep = bool(node.settings.get("keepdims", 1))
    y = w.function(node, node.op, x.tensor, axes=tuple(sorted(w.axes(x, axes))), keepdims=keep)
    if keep:
        return Value(y, x.at)
    gone = {a % rank for a in axes}
    left = [x.at[a] for a in range(rank) if a not in gone]
    return Value(y, tuple(sorted(left).index(a) for a in left))


@handles("ArgMax", "ArgMin")
def _arg(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    if node.settings.get("select_last_index"):
        raise XconvError("takes the last of equal values, which the frameworks do not")
    axis = node.settings.get("axis", 0) % len(x.at)
    keep = bool(node.settings.get("keepdims", 1))
    y = w.function(node, node.op, w.tensor(x), axis=axis, keepdims=keep)
    return Value(y, identity(len(y.shape)))


@handles("Softmax", "LogSoftmax", "Hardmax")
def _softmax(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    axis = node.settings.get("axis", -1 if w.graph.opset >= 13 else 1)
    if w.graph.opset < 13 and axis % len(x.at) != len(x.at) - 1:
        raise XconvError(f"of opset {w.graph.opset} flattens its input: convert the file to opset 13 or newer")
    return Value(w.function(node, node.op, x.tensor, axis=x.at[axis % len(x.at)]), x.at)


@handles("MatMul", "Gemm")
def _matmul(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    fed = [w.tensor(v) for v in values if isinstance(v, Value)]
    s = node.settings

    def job(*xs: Any) -> Any:
        rest = iter(xs)
        full = [None if v is None else next(rest) if isinstance(v, Value) else w.room.weight(node, node.inputs[i])
                for i, v in enumerate(values)]  # fmt: skip
        a, b = full[:2]
        f = w.room.functions
        if node.op == "Gemm":
            a = w.room.turn(a, (1, 0)) if s.get("transA") else a
            b = w.room.turn(b, (1, 0)) if s.get("transB") else b
        y = f["MatMul"](a, b)
        if s.get("alpha", 1.0) != 1:
            y = y * s["alpha"]
        if len(full) > 2 and full[2] is not None:
            y = f["Add"](y, full[2] if s.get("beta", 1.0) == 1 else full[2] * s["beta"])
        return y

    y = w.call(node, job, *fed)
    return Value(y, identity(len(y.shape)))


# --- layers ---


@handles("Dense", "LayerNormalization", "RMSNormalization", "Embedding", "LSTM", "GRU", "RNN")
def _layer(w: Walk, node: Node, values: Sequence[Any]) -> Any:
    if node.op == "LayerNormalization" and node.settings.get("axis", -1) not in (-1, len(values[0].at) - 1) and (
        len(w.graph.constants[node.inputs[1]].shape) == 1
    ):  # fmt: skip
        x, axis = values[0], node.settings["axis"] % len(values[0].at)  # its one axis goes last, and back
        order = [a for a in range(len(x.at)) if a != axis] + [axis]
        y = w.layer(node, w.tensor(Value(x.tensor, tuple(x.at[a] for a in order))))
        return Value(y, tuple(order.index(a) for a in range(len(order))))
    y = w.layer(node, *(w.tensor(v) for v in values if isinstance(v, Value)))
    if isinstance(y, list | tuple):
        return [Value(p, identity(len(p.shape))) for p in y]
    return Value(y, identity(len(y.shape)))


@handles("BatchNormalization", "InstanceNormalization", "GroupNormalization", "PRelu")
def _norm(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    if node.settings.get("training_mode"):
        raise XconvError("is in training mode: export the model for inference")
    if node.name not in w.room.layers:
        return w.elementwise(node, values)
    x = values[0]
    rank = len(x.at)
    if node.settings.get("axis", 1) == 1:
        return w.windowed(w.layer(node, w.window_value(x)))
    first = Value(x.tensor, (x.at[0], x.at[-1], *x.at[1:-1]))  # channels are its last axis
    y = w.windowed(w.layer(node, w.window_value(first)))
    return Value(y.tensor, (y.at[0], *y.at[2:], y.at[1])) if rank > 2 else y


def explicit(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[tuple[int, int]]:
    """The pads of a window by axis, from `pads` or `auto_pad`."""
    rank, s = len(kernel), node.settings
    auto = s.get("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = s.get("pads", [0] * (2 * rank))
        return list(zip(pads[:rank], pads[rank:], strict=True))
    if auto == "VALID":
        return [(0, 0)] * rank
    strides, dilations = s.get("strides", [1] * rank), s.get("dilations", [1] * rank)
    pairs = [same_pads(n, k, m, d) for n, k, m, d in zip(sizes, kernel, strides, dilations, strict=True)]
    return pairs if auto == "SAME_UPPER" else [(b, a) for a, b in pairs]


def spread(pads: Sequence[tuple[int, int]], last: bool) -> list[tuple[int, int]]:
    """Spatial pads as those of a whole tensor."""
    return [(0, 0), *pads, (0, 0)] if last else [(0, 0), (0, 0), *pads]


@handles("Conv")
def _conv(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x = w.windowed(w.window_value(values[0]))
    pads = explicit(node, x.shape[2:], w.graph.constants[node.inputs[1]].shape[2:])
    layer = w.room.layers[node.name]
    if not getattr(layer, "pads_itself", lambda p: False)(pads):
        x = _padded(w, node, x, spread(pads, w.room.last), "constant", 0.0)
    y = layer(x.tensor)
    if every := getattr(layer, "every", None):
        cuts = [slice(None, None, m) for m in every]
        y = w.room.functions["Slice"](y, cuts=(slice(None), *cuts, slice(None)))
    return w.windowed(y)


@handles("ConvTranspose")
def _conv_transpose(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    """The full answer, cropped to what the node asks for, as far as its layer has not done that."""
    x, s = w.window_value(values[0]), node.settings
    sizes = values[0].shape[2:]
    kernel = w.graph.constants[node.inputs[1]].shape[2:]
    rank = len(kernel)
    strides, dilations = s.get("strides", [1] * rank), s.get("dilations", [1] * rank)
    extra = list(s.get("output_padding", [0] * rank))
    full = [(n - 1) * m + d * (k - 1) + 1 for n, m, d, k in zip(sizes, strides, dilations, kernel, strict=True)]
    auto = s.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in s:
        wanted = s.get("output_shape", [n * m for n, m in zip(sizes, strides, strict=True)])[-rank:]
        total = [f + e - n for f, e, n in zip(full, extra, wanted, strict=True)]
        pairs = [(t // 2, t - t // 2) if auto == "SAME_UPPER" else (t - t // 2, t // 2) for t in total]
    else:
        pairs = explicit(node, sizes, kernel)
    layer, last = w.room.layers[node.name], w.room.last
    y, done = layer(x), getattr(layer, "done", [(0, 0)] * rank)
    rest = [(a - c, b - e - d) for (a, b), e, (c, d) in zip(pairs, extra, done, strict=True)]  # to be cut at either end
    if any(n < 0 for pair in rest for n in pair):  # beyond the full answer there is nothing but the bias
        beyond = tuple(spread([(max(-a, 0), max(-b, 0)) for a, b in rest], last))
        f, bias = w.room.functions, getattr(layer, "bias", None)
        there = None if bias is None else f["Reshape"](bias, shape=(-1, *[1] * (0 if last else rank)))
        y = f["Pad"](y if there is None else y - there, widths=beyond, mode="constant", value=0.0)
        y = y if there is None else y + there
    if any(n > 0 for pair in rest for n in pair):
        shape = y.shape[1:-1] if last else y.shape[2:]
        cuts = [slice(max(a, 0), int(n) - max(b, 0)) for n, (a, b) in zip(shape, rest, strict=True)]
        whole = [slice(None)]
        y = w.room.functions["Slice"](y, cuts=(*whole, *cuts, *whole) if last else (*whole, *whole, *cuts))
    return w.windowed(y)


@handles("MaxPool", "AveragePool", "LpPool")
def _pool(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    if node.op == "LpPool" or len([n for n in node.outputs if n]) > 1:
        raise XconvError("is not known to the verifier in this form")
    x, s = w.window_value(values[0]), node.settings
    kernel, sizes = s["kernel_shape"], values[0].shape[2:]
    rank = len(kernel)
    y = w.function(
        node, node.op, x, kernel=tuple(kernel), strides=tuple(s.get("strides", [1] * rank)),
        dilations=tuple(s.get("dilations", [1] * rank)), pads=tuple(explicit(node, sizes, kernel)),
        ceil=bool(s.get("ceil_mode")), include=bool(s.get("count_include_pad")),
    )  # fmt: skip
    return w.windowed(y)


@handles("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    x = values[0]
    axes = tuple(sorted(x.at[2:]))
    name = "ReduceMean" if node.op == "GlobalAveragePool" else "ReduceMax"
    return Value(w.function(node, name, x.tensor, axes=axes, keepdims=True), x.at)


@handles("LRN")
def _lrn(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    """x / (k + alpha/n sum of squares over n channels) ^ beta."""
    x, s = values[0], node.settings
    n, channel = s["size"], x.at[1]
    f = w.room.functions

    def job(x: Any) -> Any:
        widths = tuple(((n - 1) // 2, n // 2) if i == channel else (0, 0) for i in range(len(x.shape)))
        squares = f["Pad"](x * x, widths=widths, mode="constant", value=0.0)
        size = int(x.shape[channel])
        total: Any = None
        for i in range(n):
            cut = tuple(slice(i, i + size) if a == channel else slice(None) for a in range(len(x.shape)))
            part = squares[cut]
            total = part if total is None else total + part
        return x / (s.get("bias", 1.0) + s.get("alpha", 1e-4) / n * total) ** s.get("beta", 0.75)

    return Value(w.call(node, job, x.tensor), x.at)


@handles("Resize", "Upsample")
def _resize(w: Walk, node: Node, values: Sequence[Any]) -> Value:
    """One matrix for each axis, as the onnx package resizes unit vectors; torch's own function where it is the same."""
    x, s = values[0], dict(node.settings)
    rank = len(x.at)
    at = 2 if node.op == "Resize" else 1
    scales = values[at] if at < len(values) and values[at] is not None and values[at].size else None
    sizes = w.ints(values, 3, node)
    axes = s.pop("axes", None) or list(range(rank))
    if s.get("coordinate_transformation_mode") == "tf_crop_and_resize" or s.pop("keep_aspect_ratio_policy", "stretch") \
            != "stretch":  # fmt: skip
        raise XconvError("crops or keeps an aspect ratio, which the verifier does not know")
    if node.op == "Upsample":
        s["coordinate_transformation_mode"], s["nearest_mode"] = "asymmetric", "floor"
    matrices: dict[int, Callable[[int], np.ndarray]] = {}  # by the size that an axis has when it runs
    for i, axis in enumerate(axes):
        n = x.shape[axis]
        if (sizes is not None and sizes[i] == n) or (scales is not None and float(scales[i]) == 1):
            continue
        scale, size = None if scales is None else float(scales[i]), sizes[i] if sizes is not None else None
        matrices[axis % rank] = partial(_matrix, settings=s, scale=scale, size=size, opset=w.graph.opset)
    same = w.room.functions.get("Interpolate")
    if same is not None and matrices and min(matrices) > 1:
        built = {a: matrix(x.shape[a]) for a, matrix in matrices.items()}
        done = same(w, node, x, tuple(len(built[a]) if a in built else x.shape[a] for a in range(2, rank)), s, built)
        if done is not None:
            return done
    tensor = x.tensor
    for axis, matrix in matrices.items():
        tensor = w.function(node, "Resample", tensor, matrix=matrix, axis=x.at[axis])
    return Value(tensor, x.at)


def _matrix(n: int, settings: Mapping[str, Any], scale: float | None, size: int | None, opset: int) -> np.ndarray:
    """Unit vectors resized: one row for each place of the result."""
    s = {k: v for k, v in settings.items() if k != "axes"}
    given = [np.eye(n), np.zeros(0), None if scale is None else np.array([1, scale], np.float32),
             None if size is None else np.array([n, size], np.int64)]  # fmt: skip
    names = ["x", "", "" if given[2] is None else "scales", "" if given[3] is None else "sizes"]
    proto = Node("Resize", "matrix", tuple(names), ("y",), s)
    values = [given[0], None, given[2], given[3]]
    return evaluated(proto, values, max(opset, 13))[0].astype(np.float64).T

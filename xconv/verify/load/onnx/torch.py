"""An ONNX graph as a torch module: real layers of torch.nn where an operator is one, functions for the others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ....errors import XconvError
from ....frameworks.torch import from_numpy
from .graph import LAYERS, Graph, Node, by_channel, recurrent_settings
from .walk import Value, Walk, identity


class Call(nn.Module):
    """One node that is no layer; its constants are buffers."""

    def forward(self, *tensors: Any) -> Any:
        return self.__dict__["job"](*tensors)


class Net(nn.Module):
    """A graph; `forward` takes its inputs with channels first. Nothing but nodes bears a name that a path may hold."""

    def __init__(self, graph: Graph):
        super().__init__()
        self._xconv_file = graph.file
        self._room = Room(graph)
        made: dict[tuple, Any] = {}  # what is called twice with the same weights is one layer
        for node in graph.nodes:
            key = (node.op, node.inputs[1:], str(node.settings))
            module = made.get(key) if node.op in LAYERS else None
            if module is None:
                module = LAYER[node.op](graph, node) if node.op in LAYER else None
                if module is not None:
                    made[key] = self._room.layers[node.name] = module
                place(self, node.name, module or _call(graph, node))
            else:
                self._room.layers[node.name] = module
        self._room.modules = [dict(self.named_modules())]

    def forward(self, *inputs: torch.Tensor) -> Any:
        found = Walk(self._room.graph, self._room).run(inputs)
        return found[0] if len(found) == 1 else tuple(found)


def _call(graph: Graph, node: Node) -> Call:
    call = Call()
    for position, name in enumerate(node.inputs):
        array = graph.constants.get(name)
        if array is not None and array.dtype.kind == "f" and array.size > 1:
            call.register_buffer(f"constant{position}", tensor(array))
    return call


class Room:
    """What a walk asks for."""

    last = False

    def __init__(self, graph: Graph):
        self.graph, self.functions = graph, FUNCTIONS
        self.layers: dict[str, Any] = {}
        self.modules: list[dict[str, nn.Module]] = []

    def call(self, node: Node, job: Callable[..., Any], *tensors: Any) -> Any:
        module = self.modules[0][path(node.name)]
        module.__dict__["job"] = job
        try:
            return module(*tensors)
        finally:
            del module.__dict__["job"]

    def turn(self, x: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
        return x.permute(tuple(order))

    def weight(self, node: Node, name: str) -> Any:
        module = self.modules[0][path(node.name)]
        held = getattr(module, f"constant{node.inputs.index(name)}", None)
        return held if held is not None else tensor(self.graph.constants[name])

    def is_float(self, x: torch.Tensor) -> bool:
        return x.is_floating_point()


def path(name: str) -> str:
    """A node's name as a module's: dots part, so that a layer has the path that its weights are named by.

    >>> path("/block/Conv"), path("stem.0"), path("type")
    ('block.Conv', 'stem.0', 'type_')
    """
    parts = [part for part in name.replace("/", ".").split(".") if part]
    return ".".join(part + "_" if hasattr(nn.Module, part) or part in _OWN else part for part in parts)


_OWN = frozenset(vars(nn.Module()))


def place(root: nn.Module, name: str, module: nn.Module) -> None:
    *above, last = path(name).split(".")
    for part in above:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part]  # type: ignore[assignment]
    root.add_module(last, module)


def tensor(array: np.ndarray) -> torch.Tensor:
    return from_numpy(np.ascontiguousarray(array.astype(np.float64) if _narrow(array) else array))


def _narrow(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def filled(module: nn.Module, **weights: np.ndarray | None) -> nn.Module:
    """A layer in float64 with these weights."""
    module = module.double().eval()
    with torch.no_grad():
        for name, array in weights.items():
            if array is not None:
                getattr(module, name).copy_(tensor(array))
    return module


def _array(graph: Graph, node: Node, index: int) -> np.ndarray | None:
    name = node.input(index)
    if not name:
        return None
    if name not in graph.constants:
        raise XconvError(f"{graph.file}: {node.name} ({node.op}) has weights that are computed while it runs")
    return graph.constants[name]


def _conv(graph: Graph, node: Node) -> nn.Module:
    weight, bias, s = _array(graph, node, 1), _array(graph, node, 2), node.settings
    assert weight is not None
    rank, group = weight.ndim - 2, s.get("group", 1)
    pads = s.get("pads", [0] * (2 * rank))
    own = (
        tuple(pads[:rank]) if list(pads[:rank]) == list(pads[rank:]) and s.get("auto_pad", "NOTSET") == "NOTSET" else 0
    )
    layer = getattr(nn, f"Conv{rank}d")(
        weight.shape[1] * group, weight.shape[0], weight.shape[2:], tuple(s.get("strides", [1] * rank)), own,
        tuple(s.get("dilations", [1] * rank)), group, bias is not None,
    )  # fmt: skip
    layer.pads_itself = (lambda pads: True) if own else (lambda pads: not any(n for p in pads for n in p))
    return filled(layer, weight=weight, bias=bias)


def _conv_transpose(graph: Graph, node: Node) -> nn.Module:
    weight, bias, s = _array(graph, node, 1), _array(graph, node, 2), node.settings
    assert weight is not None
    rank, group = weight.ndim - 2, s.get("group", 1)
    pads, extra = s.get("pads", [0] * (2 * rank)), s.get("output_padding", [0] * rank)
    even = (
        list(pads[:rank]) == list(pads[rank:]) and s.get("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in s
    )
    layer = getattr(nn, f"ConvTranspose{rank}d")(
        weight.shape[0], weight.shape[1] * group, weight.shape[2:], tuple(s.get("strides", [1] * rank)),
        tuple(pads[:rank]) if even else 0, tuple(extra) if even else 0, group, bias is not None,
        tuple(s.get("dilations", [1] * rank)),
    )  # fmt: skip
    layer.done = [(p, p - e) for p, e in zip(layer.padding, layer.output_padding, strict=True)]
    return filled(layer, weight=weight, bias=bias)


def _dense(graph: Graph, node: Node) -> nn.Module:
    weight, bias = _array(graph, node, 1), _array(graph, node, 2)
    assert weight is not None
    return filled(nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight=weight, bias=bias)


def _rank(graph: Graph, node: Node) -> int:
    """Axes of what a node is fed."""
    return graph.ranks.get(node.inputs[0], graph.ranks.get(node.outputs[0], 4))


def _batch_norm(graph: Graph, node: Node) -> nn.Module:
    scale, shift, mean, var = (_array(graph, node, i) for i in range(1, 5))
    assert scale is not None
    kind = {2: "1", 3: "1", 4: "2", 5: "3"}[_rank(graph, node)]
    layer = getattr(nn, f"BatchNorm{kind}d")(len(scale), node.settings.get("epsilon", 1e-5))
    layer.momentum = None  # a file says nothing of training
    return filled(layer, weight=scale, bias=shift, running_mean=mean, running_var=var)


def _instance_norm(graph: Graph, node: Node) -> nn.Module:
    scale, shift = _array(graph, node, 1), _array(graph, node, 2)
    assert scale is not None
    layer = getattr(nn, f"InstanceNorm{_rank(graph, node) - 2}d")
    return filled(layer(len(scale), node.settings.get("epsilon", 1e-5), affine=True), weight=scale, bias=shift)


def _group_norm(graph: Graph, node: Node) -> nn.Module:
    scale, shift, groups = _array(graph, node, 1), _array(graph, node, 2), node.settings["num_groups"]
    assert scale is not None
    assert shift is not None
    if graph.opset < 21 and not node.settings.get("by_channel"):
        raise XconvError(
            f"{graph.file}: {node.name} (GroupNormalization) is of an opset before 21, which scales groups"
        )
    return filled(nn.GroupNorm(groups, len(scale), node.settings.get("epsilon", 1e-5)), weight=scale, bias=shift)


def _layer_norm(graph: Graph, node: Node) -> nn.Module:
    scale, shift = _array(graph, node, 1), _array(graph, node, 2)
    assert scale is not None
    layer = nn.LayerNorm(scale.shape, node.settings.get("epsilon", 1e-5), bias=shift is not None)
    return filled(layer, weight=scale, bias=shift)


def _rms_norm(graph: Graph, node: Node) -> nn.Module:
    scale = _array(graph, node, 1)
    assert scale is not None
    return filled(nn.RMSNorm(scale.shape, node.settings.get("epsilon", 1e-5)), weight=scale)


def _prelu(graph: Graph, node: Node) -> nn.Module | None:
    slope = graph.constants.get(node.input(1))
    if slope is None or not by_channel(slope, _rank(graph, node)):
        return None
    return filled(nn.PReLU(slope.size), weight=slope.reshape(-1))


def _embedding(graph: Graph, node: Node) -> nn.Module:
    table = _array(graph, node, 1)
    assert table is not None
    return filled(nn.Embedding(*table.shape), weight=table)


class Recurrent(nn.Module):
    """torch's recurrent layer as ONNX has it: (T, N, I) to (T, directions, N, H), and the last state."""

    def __init__(self, layer: Any, kind: str):
        super().__init__()
        self.layer, self.kind = layer, kind

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> Any:
        given = (state if self.kind == "LSTM" else state[0]) if state else None
        y, last = self.layer(x, given)
        t, n, width = y.shape
        sides = 2 if self.layer.bidirectional else 1
        y = y.reshape(t, n, sides, width // sides).permute(0, 2, 1, 3)
        return [y, *(last if self.kind == "LSTM" else (last,))]


_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}  # torch's gates among ONNX's: i o f c; z r h


def _recurrent(graph: Graph, node: Node) -> nn.Module:
    s = recurrent_settings(graph, node)
    kernel, recurrent, bias = (_array(graph, node, i) for i in (1, 2, 3))
    assert kernel is not None
    assert recurrent is not None
    hidden, sides = s["hidden_size"], len(kernel)
    given: dict[str, Any] = {"nonlinearity": "relu"} if s["relu"] else {}
    layer = getattr(nn, node.op)(kernel.shape[2], hidden, bias=bias is not None, bidirectional=sides == 2, **given)
    weights: dict[str, np.ndarray] = {}
    for side in range(sides):
        end = "_reverse" if side else ""

        def torchs(array: np.ndarray) -> np.ndarray:
            gates = array.reshape(len(_GATES[node.op]), hidden, *array.shape[1:])
            return gates[list(_GATES[node.op])].reshape(array.shape)

        weights[f"weight_ih_l0{end}"] = torchs(kernel[side])
        weights[f"weight_hh_l0{end}"] = torchs(recurrent[side])
        if bias is not None:
            weights[f"bias_ih_l0{end}"], weights[f"bias_hh_l0{end}"] = map(torchs, np.split(bias[side], 2))
    return Recurrent(filled(layer, **weights), node.op)


LAYER: Mapping[str, Callable[[Graph, Node], Any]] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Dense": _dense,
    "BatchNormalization": _batch_norm, "InstanceNormalization": _instance_norm, "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm, "PRelu": _prelu, "Embedding": _embedding,
    "LSTM": _recurrent, "GRU": _recurrent, "RNN": _recurrent,
}  # fmt: skip


# --- functions, by ONNX's names and settings ---


def _like(value: Any, x: torch.Tensor) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=x.dtype, device=x.device)


def _pair(function: Callable) -> Callable:
    def both(*xs: Any) -> Any:
        lead = next(x for x in xs if isinstance(x, torch.Tensor))
        total = _like(xs[0], lead)
        for x in xs[1:]:
            total = function(total, _like(x, lead))
        return total

    return both


def _plain(function: Callable) -> Callable:
    """An operator that takes a tensor and a number as well."""

    def both(a: Any, b: Any = None, *more: Any) -> Any:
        for x in (b, *more):
            a = a if x is None else function(a, x)
        return a

    return both


def _clip(x: torch.Tensor, low: Any = None, high: Any = None, **older: Any) -> torch.Tensor:
    low, high = older.get("min", low), older.get("max", high)
    if low == 0 and high == 6:
        return F.relu6(x)
    return x if low is None and high is None else torch.clamp(x, low, high)


def _pad(x: torch.Tensor, widths: Sequence[tuple[int, int]], mode: str, value: float) -> torch.Tensor:
    lead = next(i for i, p in enumerate(widths) if any(p))
    flat = [n for p in reversed(widths[lead if mode == "constant" else min(lead, 2) :]) for n in p]
    name = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}[mode]
    if name != "constant":
        flat = [n for p in reversed(widths[2:]) for n in p]
        if any(n for p in widths[:2] for n in p):
            raise XconvError(f"it pads batch or channels by {mode!r}")
        return F.pad(x, flat, name)
    return F.pad(x, flat, "constant", value)


def _pool(kind: str) -> Callable:
    def pool(x: torch.Tensor, kernel, strides, dilations, pads, ceil: bool, include: bool) -> torch.Tensor:
        rank = len(kernel)
        even = all(a == b and 2 * a <= k for (a, b), k in zip(pads, kernel, strict=True))
        if kind == "max":
            if not even:
                x = F.pad(x, [n for p in reversed(pads) for n in p], value=float("-inf"))
                pads = [(0, 0)] * rank
            return getattr(F, f"max_pool{rank}d")(x, kernel, strides, tuple(a for a, _ in pads), dilations, ceil)
        if any(d > 1 for d in dilations):
            raise XconvError("it takes a mean over a dilated window")
        average = getattr(F, f"avg_pool{rank}d")
        if even:
            return average(x, kernel, strides, tuple(a for a, _ in pads), ceil, include)
        flat = [n for p in reversed(pads) for n in p]
        total = average(F.pad(x, flat), kernel, strides, 0, ceil, True)
        if include:
            return total
        return total / average(F.pad(torch.ones_like(x[:1, :1]), flat), kernel, strides, 0, ceil, True)

    return pool


def _reduce(function: Callable) -> Callable:
    return lambda x, axes, keepdims: function(x, axes, keepdims)


def _stepwise(function: Callable) -> Callable:
    """A reduction that torch does over one axis at a time."""

    def reduce(x: torch.Tensor, axes: Sequence[int], keepdims: bool) -> torch.Tensor:
        for axis in sorted(axes, reverse=True):
            x = function(x, axis, keepdims)
        return x

    return reduce


def _cast(x: torch.Tensor, dtype: str) -> torch.Tensor:
    return x.to(torch.get_default_dtype() if dtype == "f" else getattr(torch, dtype))


def _concat(parts: Sequence[Any], axis: int, like: torch.Tensor) -> torch.Tensor:
    full = [
        p if isinstance(p, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(p)).to(like.dtype) for p in parts
    ]
    return torch.cat(full, axis)


def _slice(x: torch.Tensor, cuts: Sequence[Any]) -> torch.Tensor:
    back = [i for i, c in enumerate(cuts) if isinstance(c, slice) and (c.step or 1) < 0]
    if back:
        for axis in back:
            c = cuts[axis]
            index = torch.arange(*c.indices(x.shape[axis]))
            x = torch.index_select(x, axis, index)
        cuts = [slice(None) if i in back else c for i, c in enumerate(cuts)]
    return x[tuple(cuts)]


def _gather(table: Any, at: Any, axis: int) -> torch.Tensor:
    at = torch.from_numpy(np.ascontiguousarray(at)) if isinstance(at, np.ndarray) else at
    size = table.shape[axis]
    index = torch.where(at < 0, at + size, at).long()
    shape = (*table.shape[:axis], *index.shape, *table.shape[axis + 1 :])
    return torch.index_select(table, axis, index.reshape(-1)).reshape(shape)


def _resample(x: torch.Tensor, matrix: Callable[[int], np.ndarray], axis: int) -> torch.Tensor:
    weights = torch.from_numpy(matrix(x.shape[axis])).to(x.dtype)
    return torch.movedim(torch.tensordot(x, weights, ([axis], [1])), -1, axis)


def _interpolate(w: Walk, node: Node, x: Value, sizes: tuple[int, ...], s: Mapping[str, Any], matrices: Any) -> Any:
    """torch's own resize, where its matrices are the same."""
    corner = s.get("coordinate_transformation_mode", "half_pixel") == "align_corners"
    rank = len(sizes)
    mode = {"nearest": "nearest", "linear": ("linear", "bilinear", "trilinear")[rank - 1],
            "cubic": "bicubic"}[s.get("mode", "nearest")]  # fmt: skip
    if mode == "bicubic" and rank != 2:
        return None
    given = {} if mode == "nearest" else {"align_corners": corner}
    if s.get("antialias") and mode in ("bilinear", "bicubic"):
        given["antialias"] = True
    tensor = w.tensor(x)
    try:
        for axis, matrix in matrices.items():
            eye = torch.eye(matrix.shape[1], dtype=torch.float64)
            one = eye.reshape(matrix.shape[1], 1, *(-1 if a == axis else 1 for a in range(2, rank + 2)))
            to = [len(matrix) if a == axis else 1 for a in range(2, rank + 2)]
            got = F.interpolate(one, size=to, mode=mode, **given).reshape(matrix.shape[1], -1).numpy().T
            if np.abs(got - matrix).max() > 1e-12:
                return None
    except (NotImplementedError, RuntimeError, ValueError):
        return None
    y = w.call(node, lambda t: F.interpolate(t, size=sizes, mode=mode, **given), tensor)
    return Value(y, identity(rank + 2))


def _where(condition: Any, a: Any, b: Any) -> torch.Tensor:
    lead = next((x for x in (a, b) if isinstance(x, torch.Tensor)), torch.empty(0))
    condition = condition if isinstance(condition, torch.Tensor) else torch.tensor(condition)
    return torch.where(condition, _like(a, lead), _like(b, lead))


def _topk(x: torch.Tensor, k: np.ndarray, axis: int = -1, largest: int = 1, sorted: int = 1) -> list[torch.Tensor]:
    return list(torch.topk(x, int(k.ravel()[0]), axis, bool(largest)))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Relu": F.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Exp": torch.exp, "Log": torch.log,
    "Sqrt": torch.sqrt, "Abs": torch.abs, "Neg": torch.neg, "Sign": torch.sign, "Floor": torch.floor,
    "Ceil": torch.ceil, "Round": torch.round, "Erf": torch.erf, "Sin": torch.sin, "Cos": torch.cos, "Tan": torch.tan,
    "Asin": torch.asin, "Acos": torch.acos, "Atan": torch.atan, "Sinh": torch.sinh, "Cosh": torch.cosh,
    "Asinh": torch.asinh, "Acosh": torch.acosh, "Atanh": torch.atanh, "Reciprocal": torch.reciprocal,
    "Softplus": lambda x: F.softplus(x, 1, 40), "Softsign": F.softsign, "HardSwish": F.hardswish, "Mish": F.mish,
    "Not": torch.logical_not, "IsNaN": torch.isnan, "IsInf": lambda x: torch.isinf(x),
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha), "Elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "Celu": lambda x, alpha=1.0: F.celu(x, alpha),
    "Selu": lambda x, alpha=1.67326, gamma=1.0507: _selu(x, alpha, gamma),
    "ThresholdedRelu": lambda x, alpha=1.0: torch.where(x > alpha, x, torch.zeros_like(x)),
    "Gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate),
    "Swish": lambda x, alpha=1.0: F.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: F.hardsigmoid(x) if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5
    else torch.clamp(alpha * x + beta, 0, 1),
    "Clip": _clip, "PRelu": lambda x, slope: torch.where(x > 0, x, x * slope),
    "Add": _plain(torch.add), "Sub": lambda a, b: torch.sub(a, b) if isinstance(a, torch.Tensor) else a - b,
    "Mul": _plain(torch.mul), "Div": lambda a, b: _div(a, b), "Pow": lambda a, b: torch.pow(a, b),
    "Max": _pair(torch.maximum), "Min": _pair(torch.minimum), "Sum": _pair(torch.add),
    "Mean": lambda *xs: _pair(torch.add)(*xs) / len(xs),
    "Mod": lambda a, b, fmod=0: (torch.fmod if fmod else torch.remainder)(a, b),
    "Equal": _pair(torch.eq), "Greater": _pair(torch.gt), "Less": _pair(torch.lt), "GreaterOrEqual": _pair(torch.ge),
    "LessOrEqual": _pair(torch.le), "And": _pair(torch.logical_and), "Or": _pair(torch.logical_or),
    "Xor": _pair(torch.logical_xor), "Where": _where,
    "ReduceMean": _reduce(torch.mean), "ReduceSum": _reduce(torch.sum), "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin), "ReduceProd": _stepwise(torch.prod),
    "ReduceL1": lambda x, axes, keepdims: torch.sum(torch.abs(x), axes, keepdims),
    "ReduceL2": lambda x, axes, keepdims: torch.sqrt(torch.sum(x * x, axes, keepdims)),
    "ReduceSumSquare": lambda x, axes, keepdims: torch.sum(x * x, axes, keepdims),
    "ReduceLogSumExp": lambda x, axes, keepdims: torch.logsumexp(x, axes, keepdims),
    "ReduceLogSum": lambda x, axes, keepdims: torch.log(torch.sum(x, axes, keepdims)),
    "ArgMax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdims),
    "ArgMin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdims),
    "Softmax": lambda x, axis: F.softmax(x, axis), "LogSoftmax": lambda x, axis: F.log_softmax(x, axis),
    "CumSum": lambda x, axis, **_: torch.cumsum(x, int(axis)),
    "Reshape": lambda x, shape: x.reshape(tuple(shape)), "Expand": lambda x, shape: x.expand(tuple(shape)),
    "Tile": lambda x, repeats: x.repeat(tuple(repeats)), "Concat": _concat,
    "Split": lambda x, sizes, axis: torch.split(x, list(sizes), axis), "Slice": _slice, "Gather": _gather,
    "GatherElements": lambda x, at, axis=0: torch.gather(x, axis, _indices(at, x, axis)), "Cast": _cast, "Pad": _pad,
    "Trilu": lambda x, k=0, upper=1: (torch.triu if upper else torch.tril)(x, int(k)), "MatMul": torch.matmul,
    "Einsum": lambda *xs, equation: torch.einsum(equation, *xs), "TopK": _topk, "MaxPool": _pool("max"),
    "AveragePool": _pool("mean"), "Resample": _resample, "Interpolate": _interpolate,
}  # fmt: skip


def _div(a: Any, b: Any) -> Any:
    whole = all(not isinstance(x, torch.Tensor) or not x.is_floating_point() for x in (a, b))
    return torch.div(a, b, rounding_mode="trunc") if whole else a / b


def _indices(at: Any, x: torch.Tensor, axis: int) -> torch.Tensor:
    at = torch.from_numpy(np.ascontiguousarray(at)) if isinstance(at, np.ndarray) else at
    at = at.long()
    return torch.where(at < 0, at + x.shape[axis], at)


def _selu(x: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    if abs(alpha - 1.67326) < 1e-5 and abs(gamma - 1.0507) < 1e-5:
        return F.selu(x)
    return gamma * F.elu(x, alpha)


def net(graph: Graph) -> Net:
    """The module of a graph, in float64."""
    return Net(graph).eval()


__all__ = ["Net", "net"]

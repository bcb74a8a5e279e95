"""torch's calls, as torch.export records them, written as ONNX: one function for each.

Nothing here imports torch: a call is known by the name of its operator, its arguments by torch's own words for them.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from onnx import helper

from ..geometry import same_pads
from . import kit
from .graph import Graph
from .kit import NotKnown

HANDLERS: dict[str, Callable[..., Any]] = {}
# Their results share memory with their argument, so that a later call in place would be seen there.
VIEWS = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "slice", "select",
     "narrow", "expand", "chunk", "split", "split_with_sizes", "unbind", "getitem", "alias", "detach", "contiguous",
     "swapaxes", "movedim", "view_as"}
)  # fmt: skip
END = np.iinfo(np.int64).max


def aten(*names: str):
    """Register the writer of some operators; a trailing underscore is the same in place."""

    def register(function):
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


class Walk:
    """The state of a walk: what each call gave, as the name of an ONNX value, a number or a list of these."""

    def __init__(self, pen: Graph, held: dict[str, str]):
        self.g, self.held = pen, held
        self.values: dict[Any, Any] = {}
        self.symbols: dict[Any, tuple[str, int]] = {}  # a size that varies: the input and axis that have it
        self.emitted: dict[Any, str] = {}
        self.node: Any = None

    def sizes(self, node: Any, name: str) -> None:
        """Learn where the varying sizes of an input are to be read."""
        for axis, size in enumerate(node.meta["val"].shape):
            if not isinstance(size, int):
                self.symbols.setdefault(expression(size), (name, axis))

    def write(self, node: Any) -> None:
        """Write one call.

        Raises:
            NotKnown: if its operator, or a setting of it, has no writer.
        """
        name = operator(node)
        if name in SILENT:
            return
        if "val" in node.meta and _is_size(node.meta["val"]):
            self.values[node] = node.meta["val"]
            return
        if name == "getitem":
            self.values[node] = self.values[node.args[0]][node.args[1]]
            return
        plain = name.removesuffix("_")
        if plain not in HANDLERS:
            raise NotKnown(f"{name}, called at {_place(node)}")
        self.node = node
        given = {k: self.value(v) for k, v in bound(node).items()}
        try:
            found = HANDLERS[plain](self, **given)
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise NotKnown(f"{name} with {', '.join(given)}, called at {_place(node)}") from error
        self.values[node] = found
        if name.endswith("_") and plain not in ("detach",):
            target = node.args[0]
            users = [u for u in target.users if u is not node and operator(u) in VIEWS]
            if users or operator(target) in VIEWS:
                raise NotKnown(f"{name} in place on a view, called at {_place(node)}")
            self.values[target] = found

    def value(self, given: Any) -> Any:
        """An argument: nodes as what they gave, weights as initializers."""
        if isinstance(given, list | tuple):
            return [self.value(v) for v in given]
        if not hasattr(given, "op"):
            return given
        if given.name in self.held and given not in self.values:
            return self.g.weight(self.held[given.name])
        return self.values[given]

    def array(self, name: str) -> np.ndarray:
        """The numbers of a weight.

        Raises:
            NotKnown: if they are computed.
        """
        if name not in self.g._given:
            raise NotKnown(f"weights that are computed, at {_place(self.node)}")
        return self.g._given[name]

    def meta(self, argument: int = 0) -> Any:
        """The fake tensor of an argument: its rank and sizes."""
        return self.node.args[argument].meta["val"]

    @property
    def rank(self) -> int:
        return len(self.meta().shape)

    def spatial(self) -> list[int | None]:
        return [s if isinstance(s, int) else None for s in self.meta().shape[2:]]

    def size(self, value: Any) -> str:
        """A size that varies, as a vector of one int64."""
        return self.emit(expression(value))

    def emit(self, e: Any) -> str:
        """Arithmetic on sizes, as ONNX does it on vectors of one."""
        if e not in self.emitted:
            self.emitted[e] = self._emit(e)
        return self.emitted[e]

    def _emit(self, e: Any) -> str:
        g, kind = self.g, type(e).__name__
        if isinstance(e, int) or getattr(e, "is_Integer", False):
            return kit.ints(g, [int(e)])
        if e in self.symbols:
            name, axis = self.symbols[e]
            if g.opset >= 15:
                return g.Shape(name, start=axis, end=axis + 1)
            return g.Slice(g.Shape(name), kit.ints(g, [axis]), kit.ints(g, [axis + 1]))
        parts = [self.emit(a) for a in getattr(e, "args", ())]
        if kind in ("Add", "Mul", "Max", "Min", "PythonMod", "Mod") and len(parts) > 1:
            write = getattr(g, {"PythonMod": "Mod"}.get(kind, kind))
            total = parts[0]
            for part in parts[1:]:
                total = write(total, part)
            return total
        if kind in ("FloorDiv", "CleanDiv"):  # Python rounds down, ONNX towards zero
            return g.Div(g.Sub(parts[0], g.Mod(*parts)), parts[1])
        raise NotKnown(f"arithmetic on sizes with {kind}")

    def shape(self, sizes: Sequence[Any], like: Sequence[Any] = ()) -> str:
        """A shape for Reshape: 0 where a size stays, one -1, computed sizes otherwise."""
        found: list[Any] = []
        for axis, size in enumerate(sizes):
            stays = axis < len(like) and not isinstance(like[axis], int) and not isinstance(size, int)
            found.append(0 if stays and expression(size) == expression(like[axis]) else size)
        open_axes = [a for a, s in enumerate(found) if not isinstance(s, int)]
        if len(open_axes) == 1:
            found[open_axes[0]] = -1
        if all(isinstance(s, int) for s in found):
            return kit.ints(self.g, found)
        # A computed size may not stand beside 0, which means "as before" only in Reshape; that is what this is for.
        parts = [kit.ints(self.g, [s]) if isinstance(s, int) else self.size(s) for s in found]
        return self.g.Concat(*parts, axis=0)

    def tensor(self, value: Any) -> str:
        """A value, or a number as a scalar of the graph's dtype."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return kit.scalar(self.g, value)
        return self.g.Cast(self.size(value), to=helper.np_dtype_to_tensor_dtype(np.dtype(self.g.dtype)))


SILENT = frozenset({"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "assert_async"})


def operator(node: Any) -> str:
    """conv2d for aten.conv2d.default."""
    if node.op != "call_function":
        return node.op
    target = node.target
    return str(getattr(target, "_opname", "") or getattr(target, "__name__", target))


def bound(node: Any) -> dict[str, Any]:
    """The arguments of a call by name, with torch's own defaults."""
    schema = node.target._schema
    given = dict(zip([a.name for a in schema.arguments], node.args, strict=False)) | dict(node.kwargs)
    return {("x" if a.name in ("self", "input") else a.name): given.get(a.name, a.default_value)
            for a in schema.arguments if a.name in given or a.has_default_value()}  # fmt: skip


def expression(value: Any) -> Any:
    """A size as an integer or a formula."""
    return value if isinstance(value, int) else value.node.expr


def _is_size(value: Any) -> bool:
    return type(value).__name__ in ("SymInt", "int") and not isinstance(value, bool)


def _place(node: Any) -> str:
    trace = node.meta.get("stack_trace") or ""
    files = [line.strip() for line in trace.splitlines() if line.strip().startswith("File ")]
    return files[-1].split(", in ")[0].removeprefix("File ") if files else node.name


# --- convolutions and dense layers ---


def _conv(w: Walk, x, weight, bias, stride, padding, dilation, groups) -> str:
    kernel = w.array(weight).shape[2:]
    rank = len(kernel)
    if rank != w.rank - 2:
        raise NotKnown(f"a convolution without batch, at {_place(w.node)}")
    stride, dilation = _each(stride, rank), _each(dilation, rank)
    settings: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "group": groups}
    if any(d > 1 for d in dilation):
        settings["dilations"] = dilation
    if isinstance(padding, str):
        if padding == "same":
            pairs = [same_pads(1 << 20, k, 1, d) for k, d in zip(kernel, dilation, strict=True)]
        else:
            pairs = [(0, 0)] * rank
    else:
        pairs = [(p, p) for p in _each(padding, rank)]
        if not all(isinstance(p, int) for pair in pairs for p in pair):
            # Even pads that follow the size: this forward asked whether both sides are alike, and pads other sizes
            # otherwise. "same" is the only such rule; the checks at other sizes decide whether it is this model's.
            if not _is_same(w.node, [(p,) for p, _ in pairs], kernel, stride, dilation):
                raise NotKnown(f"a convolution whose padding varies with the size, at {_place(w.node)}")
            return w.g.Conv(x, weight, *_some(bias), auto_pad="SAME_UPPER", **settings)
    before = w.node.args[0]
    if operator(before) == "pad" and (folded := _foldable(before, rank)):
        inner = w.value(before.args[0])
        if all(isinstance(p, int) for pair in folded for p in pair):
            x = inner
            pairs = [(a + c, b + d) for (a, b), (c, d) in zip(pairs, folded, strict=True)]
        elif not any(p for pair in pairs for p in pair) and _is_same(before, folded, kernel, stride, dilation):
            return w.g.Conv(inner, weight, *_some(bias), auto_pad="SAME_UPPER", **settings)
    if any(p for pair in pairs for p in pair):
        settings["pads"] = [p for p, _ in pairs] + [p for _, p in pairs]
    return w.g.Conv(x, weight, *_some(bias), **settings)


def _some(*values: Any) -> list[Any]:
    return [v for v in values if v is not None]


def _each(value: Any, rank: int) -> list[Any]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * rank if len(values) == 1 else values


def _foldable(node: Any, rank: int) -> list[tuple[Any, Any]] | None:
    """The pairs by which a call pads spatial axes with zeros; sizes stay formulas."""
    given = bound(node)
    pads = [p if isinstance(p, int) else getattr(p, "meta", {}).get("val") for p in given["pad"]]
    if given["mode"] != "constant" or given["value"] or len(pads) > 2 * rank or any(p is None for p in pads):
        return None
    if any(isinstance(p, int) and p < 0 for p in pads):
        return None
    pairs = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)]
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


def _is_same(node: Any, pairs, kernel, stride, dilation) -> bool:
    """Do the formulas for the pads give TensorFlow's "same" at every size? Runtimes take it for undilated windows."""
    if any(d > 1 for d in dilation):
        return False
    sizes = node.args[0].meta["val"].shape[2:]
    for size, pair, k, s in zip(sizes, pairs, kernel, stride, strict=True):
        size, pair = expression(size), [expression(p) for p in pair]
        free = set().union(*(getattr(e, "free_symbols", set()) for e in [size, *pair]))
        if len(free) > 1:
            return False
        for n in range(2, 2 + 4 * max(k, s) ** 2):
            there = [at(e, dict.fromkeys(free, n)) for e in [size, *pair]]
            if there[0] >= 1 and tuple(there[1:]) != same_pads(there[0], k, s)[: len(pair)]:
                return False
    return True


def at(e: Any, sizes: dict[Any, int]) -> int:
    """A formula's value."""
    if not hasattr(e, "xreplace"):
        return e
    from sympy import Integer

    return int(e.xreplace({symbol: Integer(n) for symbol, n in sizes.items()}))


aten("conv1d", "conv2d", "conv3d")(
    lambda w, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1: _conv(
        w, x, weight, bias, stride, padding, dilation, groups
    )
)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(w: Walk, x, weight, bias, stride, padding, output_padding, groups, dilation) -> str:
    kernel = w.array(weight).shape[2:]
    rank = len(kernel)
    pads, extra = _each(padding, rank), _each(output_padding, rank)
    return w.g.ConvTranspose(
        x, weight, *_some(bias), kernel_shape=kernel, strides=_each(stride, rank), group=groups,
        pads=[*pads, *pads] if any(pads) else None, output_padding=extra if any(extra) else None,
        dilations=_each(dilation, rank) if any(d > 1 for d in _each(dilation, rank)) else None,
    )  # fmt: skip


@aten("linear")
def _linear(w: Walk, x, weight, bias=None) -> str:
    if w.rank == 2:
        return w.g.Gemm(x, weight, *_some(bias), transB=1)
    # Named .T, so that a reader of the file knows which way it lies.
    turned = w.g.constant(f"{weight}.T", np.ascontiguousarray(w.array(weight).T))
    y = w.g.MatMul(x, turned)
    return w.g.Add(y, bias) if bias else y


@aten("addmm")
def _addmm(w: Walk, x, mat1, mat2, beta=1, alpha=1) -> str:
    return w.g.Gemm(mat1, mat2, x, alpha=float(alpha), beta=float(beta))


@aten("embedding")
def _embedding(w: Walk, weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False) -> str:
    return w.g.Gather(weight, indices)


# --- normalisations ---


@aten("batch_norm")
def _batch_norm(w: Walk, x, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled) -> str:
    if training or running_mean is None:
        raise NotKnown(f"a batch normalisation that uses the batch's own statistics, at {_place(w.node)}")
    channels = len(w.array(running_mean))
    weight = weight or kit.const(w.g, np.ones(channels), "ones")
    bias = bias or kit.const(w.g, np.zeros(channels), "zeros")
    return w.g.BatchNormalization(x, weight, bias, running_mean, running_var, epsilon=eps)


@aten("layer_norm")
def _layer_norm(w: Walk, x, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True) -> str:
    scale = weight or kit.const(w.g, np.ones(normalized_shape), "ones")
    return kit.layer_norm(w.g, x, -len(normalized_shape), scale, bias or "", eps)


@aten("group_norm")
def _group_norm(w: Walk, x, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True) -> str:
    return kit.group_norm(w.g, x, num_groups, w.rank, w.meta().shape[1], weight or "", bias or "", eps)


@aten("instance_norm")
def _instance_norm(w: Walk, x, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    channels = w.meta().shape[1]
    if not use_input_stats:
        return _batch_norm(w, x, weight, bias, running_mean, running_var, False, momentum, eps, cudnn_enabled)
    return kit.group_norm(w.g, x, channels, w.rank, channels, weight or "", bias or "", eps)


@aten("rms_norm")
def _rms_norm(w: Walk, x, normalized_shape, weight=None, eps=None) -> str:
    axes = kit.ints(w.g, range(-len(normalized_shape), 0))
    mean = w.g.ReduceMean(kit.square(w.g, x), axes, keepdims=1)
    y = w.g.Div(x, w.g.Sqrt(w.g.Add(mean, kit.scalar(w.g, 2.0**-23 if eps is None else eps))))
    return w.g.Mul(y, weight) if weight else y


# --- activations ---

for torch_name, onnx_name in {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs",
    "neg": "Neg", "erf": "Erf", "floor": "Floor", "ceil": "Ceil", "sin": "Sin", "cos": "Cos",
    "reciprocal": "Reciprocal", "round": "Round", "sign": "Sign",
}.items():  # fmt: skip
    aten(torch_name)(lambda w, x, _op=onnx_name, **_: getattr(w.g, _op)(x))

aten("rsqrt")(lambda w, x: w.g.Reciprocal(w.g.Sqrt(x)))
aten("square")(lambda w, x: kit.square(w.g, x))
aten("silu")(lambda w, x: kit.silu(w.g, x))
aten("mish")(lambda w, x: kit.mish(w.g, x))
aten("hardswish")(lambda w, x: kit.hard_swish(w.g, x))
aten("hardsigmoid")(lambda w, x: kit.hard_sigmoid(w.g, x))
aten("relu6")(lambda w, x: kit.clip(w.g, x, 0, 6))
aten("hardtanh")(lambda w, x, min_val=-1, max_val=1: kit.clip(w.g, x, min_val, max_val))
aten("clamp")(lambda w, x, min=None, max=None: kit.clip(w.g, x, min, max))
aten("clamp_min")(lambda w, x, min: kit.clip(w.g, x, min, None))
aten("clamp_max")(lambda w, x, max: kit.clip(w.g, x, None, max))
aten("leaky_relu")(lambda w, x, negative_slope=0.01: kit.leaky_relu(w.g, x, negative_slope))
aten("celu")(lambda w, x, alpha=1.0: w.g.Celu(x, alpha=float(alpha)))
aten("selu")(lambda w, x: w.g.Selu(x))
aten("gelu")(lambda w, x, approximate="none": kit.gelu(w.g, x, approximate == "tanh"))
aten("log_sigmoid")(lambda w, x: w.g.Neg(w.g.Softplus(w.g.Neg(x))))
aten("softsign")(lambda w, x: w.g.Softsign(x))
aten("softmax")(lambda w, x, dim, dtype=None: w.g.Softmax(x, axis=dim))
aten("log_softmax")(lambda w, x, dim, dtype=None: w.g.LogSoftmax(x, axis=dim))


@aten("elu")
def _elu(w: Walk, x, alpha=1, scale=1, input_scale=1) -> str:
    if scale != 1 or input_scale != 1:
        raise NotKnown("elu with scales")
    return w.g.Elu(x, alpha=float(alpha))


@aten("softplus")
def _softplus(w: Walk, x, beta=1, threshold=20) -> str:
    if beta == 1:
        return w.g.Softplus(x)
    return w.g.Div(w.g.Softplus(w.g.Mul(x, kit.scalar(w.g, beta))), kit.scalar(w.g, beta))


@aten("prelu")
def _prelu(w: Walk, x, weight) -> str:
    slope = w.array(weight)
    if slope.size == 1 or w.rank == 2:
        return w.g.PRelu(x, weight)
    # ONNX aligns shapes at the end, torch at the channels.
    return w.g.PRelu(x, w.g.Reshape(weight, kit.ints(w.g, [slope.size] + [1] * (w.rank - 2))))


# --- arithmetic ---


def _binary(op: str):
    def write(w: Walk, x, other, alpha=1, rounding_mode=None) -> str:
        if rounding_mode is not None:
            raise NotKnown(f"division that rounds, at {_place(w.node)}")
        if not isinstance(x, str) and not isinstance(other, str):
            raise NotKnown(f"arithmetic on numbers, at {_place(w.node)}")
        a, b = w.tensor(x), w.tensor(other)
        if alpha != 1:
            b = w.g.Mul(b, kit.scalar(w.g, alpha))
        return getattr(w.g, op)(a, b)

    return write


for names, op in (("add", "Add"), ("sub", "Sub"), ("mul", "Mul"), ("div", "Div"), ("maximum", "Max"),
                  ("minimum", "Min"), ("true_divide", "Div")):  # fmt: skip
    aten(names)(_binary(op))
aten("rsub")(lambda w, x, other, alpha=1: w.g.Sub(w.tensor(other), w.tensor(x)))
aten("matmul", "bmm", "mm")(lambda w, x, other=None, mat2=None: w.g.MatMul(x, other or mat2))
aten("einsum")(lambda w, equation, tensors, path=None: w.g.Einsum(*tensors, equation=equation.replace(" ", "")))


@aten("pow")
def _pow(w: Walk, x, exponent) -> str:
    return kit.square(w.g, x) if exponent == 2 else w.g.Pow(w.tensor(x), w.tensor(exponent))


@aten("scaled_dot_product_attention")
def _attention(
    w: Walk, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    if attn_mask is not None or is_causal or enable_gqa or dropout_p:
        raise NotKnown("attention with a mask")
    shape = w.meta().shape
    scores = w.g.MatMul(query, w.g.Transpose(key, perm=[*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]))
    scores = w.g.Mul(scores, kit.scalar(w.g, shape[-1] ** -0.5 if scale is None else scale))
    return w.g.MatMul(w.g.Softmax(scores, axis=-1), value)


# --- pooling and reductions ---


@aten("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(w: Walk, x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False) -> str:
    rank = w.rank - 2
    kernel = _each(kernel_size, rank)
    stride = _each(stride, rank) if stride else kernel
    return w.g.MaxPool(
        x, **kit.pool_pads(w.spatial(), kernel, stride, _each(padding, rank), _each(dilation, rank), ceil_mode)
    )


@aten("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(w: Walk, x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True,
              divisor_override=None) -> str:  # fmt: skip
    rank = w.rank - 2
    kernel = _each(kernel_size, rank)
    stride, pads = (_each(stride, rank) if stride else kernel), _each(padding, rank)
    settings = kit.pool_pads(w.spatial(), kernel, stride, pads, [1] * rank, ceil_mode)
    if "ceil_mode" in settings:
        raise NotKnown("average pooling with ceil_mode, whose divisors ONNX versions disagree about")
    counted = count_include_pad or divisor_override is not None
    y = w.g.AveragePool(x, **settings, count_include_pad=int(counted) if any(pads) else None)
    return w.g.Mul(y, kit.scalar(w.g, prod(kernel) / divisor_override)) if divisor_override else y


@aten("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def _adaptive(w: Walk, x, output_size) -> str:
    return kit.adaptive_average(w.g, x, w.spatial(), _each(output_size, w.rank - 2))


@aten("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max(w: Walk, x, output_size) -> list[str]:
    out, sizes = _each(output_size, w.rank - 2), w.spatial()
    if all(o == 1 for o in out):
        return [w.g.GlobalMaxPool(x)]
    if any(s is None or s % o for s, o in zip(sizes, out, strict=True)):
        raise NotKnown(f"adaptive max pooling to {out} of {sizes}")
    window = [s // o for s, o in zip(sizes, out, strict=True)]  # type: ignore[operator]
    return [w.g.MaxPool(x, kernel_shape=window, strides=window)]


def _reduce(op: str):
    def write(w: Walk, x, dim=None, keepdim=False, dtype=None) -> str:
        axes = list(range(w.rank)) if dim is None or dim == [] else _each(dim, 1)
        spatial = sorted(a % w.rank for a in axes) == list(range(2, w.rank))
        if keepdim and spatial and w.rank > 2 and op in ("ReduceMean", "ReduceMax"):
            return w.g.GlobalAveragePool(x) if op == "ReduceMean" else w.g.GlobalMaxPool(x)
        return getattr(w.g, op)(x, kit.ints(w.g, axes), keepdims=int(keepdim))

    return write


for names, op in (("mean", "ReduceMean"), ("sum", "ReduceSum"), ("amax", "ReduceMax"), ("amin", "ReduceMin"),
                  ("prod", "ReduceProd")):  # fmt: skip
    aten(names)(_reduce(op))


@aten("max", "min")
def _extreme(w: Walk, x, dim=None, keepdim=False, other=None) -> Any:
    op = "Max" if operator(w.node) == "max" else "Min"
    if other is not None:
        return getattr(w.g, op)(x, w.tensor(other))
    if dim is None:
        return _reduce(f"Reduce{op}")(w, x)
    return [_reduce(f"Reduce{op}")(w, x, dim, keepdim)]


# --- shapes ---


def _same(w: Walk, x, *_, **__):
    return x


aten("contiguous", "clone", "detach", "alias", "lift_fresh_copy", "view_as_real_copy", "positive")(_same)


@aten("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def _dropout(w: Walk, x, p, train) -> str:
    if train:
        raise NotKnown(f"dropout that is always on, at {_place(w.node)}")
    return x


@aten("to", "_to_copy")
def _to(w: Walk, x, dtype=None, **_) -> str:
    mine, wanted = w.meta().dtype, w.node.meta["val"].dtype
    if mine != wanted:
        raise NotKnown(f"a change of dtype to {wanted}, at {_place(w.node)}")
    return x


@aten("view", "reshape", "unflatten", "view_as", "_unsafe_view")
def _reshape(w: Walk, x, **_) -> str:
    out = w.node.meta["val"].shape
    if list(map(expression, out)) == list(map(expression, w.meta().shape)):
        return x
    if len(out) == 2 and w.rank > 2 and expression(out[0]) == expression(w.meta().shape[0]):
        return w.g.Flatten(x)
    return w.g.Reshape(x, w.shape(out, w.meta().shape))


@aten("flatten")
def _flatten(w: Walk, x, start_dim=0, end_dim=-1) -> str:
    if start_dim % max(w.rank, 1) == 1 and end_dim % w.rank == w.rank - 1:
        return w.g.Flatten(x) if w.rank > 2 else x
    return _reshape(w, x)


@aten("squeeze")
def _squeeze(w: Walk, x, dim=None) -> str:
    shape = w.meta().shape
    axes = range(w.rank) if dim is None else [d % w.rank for d in _each(dim, 1)]
    axes = [a for a in axes if isinstance(shape[a], int) and shape[a] == 1]
    return w.g.Squeeze(x, kit.ints(w.g, axes)) if axes else x


@aten("unsqueeze")
def _unsqueeze(w: Walk, x, dim) -> str:
    return w.g.Unsqueeze(x, kit.ints(w.g, [dim]))


@aten("permute")
def _permute(w: Walk, x, dims) -> str:
    return w.g.Transpose(x, perm=[d % w.rank for d in dims])


@aten("transpose", "swapaxes")
def _transpose(w: Walk, x, dim0, dim1) -> str:
    order = list(range(w.rank))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return w.g.Transpose(x, perm=order)


@aten("movedim")
def _movedim(w: Walk, x, source, destination) -> str:
    there = {d % w.rank: s % w.rank for s, d in zip(_each(source, 1), _each(destination, 1), strict=True)}
    rest = iter(a for a in range(w.rank) if a not in there.values())
    return w.g.Transpose(x, perm=[there[a] if a in there else next(rest) for a in range(w.rank)])


@aten("t", "numpy_T")
def _t(w: Walk, x) -> str:
    return w.g.Transpose(x, perm=list(range(w.rank))[::-1])


@aten("cat", "concat")
def _cat(w: Walk, tensors, dim=0) -> str:
    return w.g.Concat(*tensors, axis=dim)


@aten("stack")
def _stack(w: Walk, tensors, dim=0) -> str:
    return w.g.Concat(*(w.g.Unsqueeze(t, kit.ints(w.g, [dim])) for t in tensors), axis=dim)


@aten("chunk", "split", "split_with_sizes")
def _split(w: Walk, x, dim=0, **_) -> list[str]:
    sizes = [part.shape[dim] for part in w.node.meta["val"]]
    if not all(isinstance(s, int) for s in sizes):
        raise NotKnown(f"a split of an axis whose size varies, at {_place(w.node)}")
    found = w.g.Split(x, kit.ints(w.g, sizes), outputs=len(sizes), axis=dim)
    return [found] if len(sizes) == 1 else found


@aten("unbind")
def _unbind(w: Walk, x, dim=0) -> list[str]:
    return [w.g.Gather(x, kit.const(w.g, np.int64(i), "index"), axis=dim) for i in range(len(w.node.meta["val"]))]


@aten("slice", "narrow")
def _slice(w: Walk, x, dim=0, start=None, end=None, step=1, length=None) -> str:
    if length is not None:
        end = start + length
    out, shape = w.node.meta["val"].shape, w.meta().shape
    if expression(out[dim]) == expression(shape[dim]) and step == 1:
        return x
    ends = [kit.ints(w.g, [v]) if isinstance(v, int) else w.size(v) for v in (start or 0, END if end is None else end)]
    return w.g.Slice(x, *ends, kit.ints(w.g, [dim]), *([kit.ints(w.g, [step])] if step != 1 else []))


@aten("select")
def _select(w: Walk, x, dim, index) -> str:
    if not isinstance(index, int):
        raise NotKnown(f"select by a size that varies, at {_place(w.node)}")
    return w.g.Gather(x, kit.const(w.g, np.int64(index), "index"), axis=dim)


@aten("flip")
def _flip(w: Walk, x, dims) -> str:
    n = len(dims)
    return w.g.Slice(
        x, kit.ints(w.g, [-1] * n), kit.ints(w.g, [-END] * n), kit.ints(w.g, dims), kit.ints(w.g, [-1] * n)
    )


@aten("expand")
def _expand(w: Walk, x, size, implicit=False) -> str:
    out = w.node.meta["val"].shape
    parts = [kit.ints(w.g, [s]) if isinstance(s, int) else w.size(s) for s in out]
    known = all(isinstance(s, int) for s in out)
    return w.g.Expand(x, kit.ints(w.g, out) if known else w.g.Concat(*parts, axis=0))


@aten("pad")
def _pad(w: Walk, x, pad, mode="constant", value=None) -> str:
    """Where only convolutions want it, they pad by themselves, and the pen leaves out what nobody uses."""
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotKnown(f"padding {mode!r}")
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    pairs = [(0, 0)] * (w.rank - len(pairs)) + pairs[::-1]
    if mode == "circular":
        return _wrap(w, x, pairs)
    flat = [p for p, _ in pairs] + [p for _, p in pairs]
    if all(isinstance(p, int) for p in flat):
        amounts = kit.ints(w.g, flat)
    else:
        amounts = w.g.Concat(*(kit.ints(w.g, [p]) if isinstance(p, int) else w.size(p) for p in flat), axis=0)
    how = {"constant": None, "reflect": "reflect", "replicate": "edge"}[mode]
    return w.g.Pad(x, amounts, *([kit.scalar(w.g, value)] if value else []), mode=how)


def _wrap(w: Walk, x, pairs) -> str:
    """Each end continued by the other: ONNX pads so since opset 19 only, and not every runtime does."""
    if not all(isinstance(p, int) and p >= 0 for pair in pairs for p in pair):
        raise NotKnown(f"circular padding that varies with the size or crops, at {_place(w.node)}")
    for axis, (before, after) in enumerate(pairs):
        at = kit.ints(w.g, [axis])
        head = [w.g.Slice(x, kit.ints(w.g, [-before]), kit.ints(w.g, [END]), at)] if before else []
        tail = [w.g.Slice(x, kit.ints(w.g, [0]), kit.ints(w.g, [after]), at)] if after else []
        x = w.g.Concat(*head, x, *tail, axis=axis) if head or tail else x
    return x


@aten("pixel_shuffle")
def _pixel_shuffle(w: Walk, x, upscale_factor) -> str:
    return kit.pixel_shuffle(w.g, x, upscale_factor)


@aten("pixel_unshuffle")
def _pixel_unshuffle(w: Walk, x, downscale_factor) -> str:
    """SpaceToDepth puts the place before the channel, torch the channel before the place."""
    channels = w.meta().shape[1]
    apart = w.g.Reshape(w.g.SpaceToDepth(x, blocksize=downscale_factor),
                        w.shape([0, downscale_factor**2, channels, *w.node.meta["val"].shape[2:]]))  # fmt: skip
    return w.g.Reshape(w.g.Transpose(apart, perm=[0, 2, 1, 3, 4]), w.shape(w.node.meta["val"].shape))


@aten("channel_shuffle")
def _channel_shuffle(w: Walk, x, groups) -> str:
    shape = w.meta().shape
    apart = w.g.Reshape(x, w.shape([shape[0], groups, shape[1] // groups, *shape[2:]]))
    return w.g.Reshape(w.g.Transpose(apart, perm=[0, 2, 1, 3, 4]), w.shape(shape))


def _upsample(how: str):
    def write(w: Walk, x, output_size=None, align_corners=False, scale_factors=None, scales_h=None, scales_w=None,
              scales=None, scales_d=None, **_) -> str:  # fmt: skip
        if scale_factors:
            return kit.resize(w.g, x, scale_factors, None, how, bool(align_corners))
        if not all(isinstance(s, int) for s in output_size):
            raise NotKnown(f"resizing to a size that varies, at {_place(w.node)}")
        return kit.resize(w.g, x, None, output_size, how, bool(align_corners))

    return write


for rank_name in ("nearest1d", "nearest2d", "nearest3d"):
    aten(f"upsample_{rank_name}")(_upsample("nearest"))
for rank_name in ("linear1d", "bilinear2d", "trilinear3d"):
    aten(f"upsample_{rank_name}")(_upsample("linear"))
aten("upsample_bicubic2d")(_upsample("cubic"))

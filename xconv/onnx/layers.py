"""Keras's layers and operations written as ONNX, one function for each; values travel channels first.

Nothing here imports Keras: a layer is known by the name of its class, its settings by Keras's own words for them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import numpy as np

from ..geometry import reach, same_pads
from . import kit
from .graph import Graph
from .kit import NotKnown
from .layout import first, last

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


# --- activations ---

SIMPLE = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exponential": "Exp", "softplus": "Softplus",
          "softsign": "Softsign", "selu": "Selu"}  # fmt: skip


def activated(w: Pen, v: Value, name: str | None, **settings: Any) -> Value:
    """After a Keras activation, by its name.

    Raises:
        NotKnown: for one that is not in the list.
    """
    if name in (None, "linear"):
        return v
    v, g = w.solid(v), w.g
    x = v.name
    if name in SIMPLE:
        y = getattr(g, SIMPLE[name])(x)
    elif name == "relu6":
        y = kit.clip(g, x, 0, 6)
    elif name in ("silu", "swish"):
        y = kit.silu(g, x)
    elif name == "gelu":
        y = kit.gelu(g, x, settings.get("approximate", False))
    elif name == "elu":
        y = g.Elu(x, alpha=float(settings.get("alpha", 1)))
    elif name == "leaky_relu":
        y = kit.leaky_relu(g, x, settings.get("negative_slope", 0.2))
    elif name == "hard_sigmoid":
        y = kit.hard_sigmoid(g, x)
    elif name in ("hard_silu", "hard_swish"):
        y = kit.hard_swish(g, x)
    elif name == "mish":
        y = kit.mish(g, x)
    elif name in ("softmax", "log_softmax"):
        y = (g.Softmax if name == "softmax" else g.LogSoftmax)(x, axis=w.axis(v, settings.get("axis", -1)))
    else:
        raise NotKnown(f"activation {name!r}")
    return w.like(v, y, v.shape)


@layer("Activation")
def _activation(w: Pen, c: Any, v: Value) -> Value:
    return activated(w, v, c.called)


@layer("ReLU")
@operation("ReLU")
def _relu(w: Pen, c: Any, v: Value) -> Value:
    slope, low, high = float(c.negative_slope or 0), float(c.threshold or 0), c.max_value
    if low:
        raise NotKnown(f"ReLU with threshold {low}")
    if slope and high is not None:
        raise NotKnown("ReLU with both a slope and a maximum")
    if slope:
        return activated(w, v, "leaky_relu", negative_slope=slope)
    v = w.solid(v)
    return w.like(v, w.g.Relu(v.name) if high is None else kit.clip(w.g, v.name, 0, float(high)), v.shape)


@layer("LeakyReLU")
def _leaky(w: Pen, c: Any, v: Value) -> Value:
    return activated(w, v, "leaky_relu", negative_slope=float(c.negative_slope))


@layer("ELU")
def _elu(w: Pen, c: Any, v: Value) -> Value:
    return activated(w, v, "elu", alpha=float(c.alpha))


@layer("Softmax")
def _softmax(w: Pen, c: Any, v: Value) -> Value:
    if not isinstance(c.axis, int):
        raise NotKnown("Softmax over several axes")
    return activated(w, v, "softmax", axis=c.axis)


@layer("PReLU")
def _prelu(w: Pen, c: Any, v: Value) -> Value:
    slope = w.array(c.alpha)  # (..., C) with ones on shared axes
    if v.rank > 2:
        slope = np.moveaxis(slope, -1, 0)
    x = w.first(v)
    return Value(w.g.PRelu(x, w.named(c, "alpha", slope, "weight")), v.shape, v.rank > 2)


# --- convolutions and dense layers ---


def window(sizes: Sequence[int | None], kernel, strides, dilation, padding: str) -> dict:
    """Attributes of a window; strided "same" of a size that varies is left to the runtime, which knows it."""
    settings: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if any(d > 1 for d in dilation):
        settings["dilations"] = list(dilation)
    if padding == "valid":
        return settings
    if padding == "causal":
        return {
            **settings,
            "pads": [*(reach(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)), *[0] * len(kernel)],
        }
    if any(s > 1 and size is None for s, size in zip(strides, sizes, strict=True)):
        if any(d > 1 for d in dilation):
            raise NotKnown("a dilated and strided window with same padding of a size that varies")
        return {**settings, "auto_pad": "SAME_UPPER"}
    pairs = [same_pads(size or ANY, k, s, d) for size, k, s, d in zip(sizes, kernel, strides, dilation, strict=True)]
    pads = [p for p, _ in pairs] + [p for _, p in pairs]
    return {**settings, "pads": pads} if any(pads) else settings


def _channels_last(c: Any) -> None:
    if getattr(c, "data_format", "channels_last") == "channels_first":
        raise NotKnown(f"{c.kind} with data_format channels_first")


def _out(c: Any, v: Value) -> tuple[int | None, ...]:
    return tuple(c.compute_output_shape(v.shape))


def kernel_axes(rank: int) -> list[int]:
    """From (*k, i, o) to (o, i, *k)."""
    return [rank + 1, rank, *range(rank)]


@layer("Conv1D", "Conv2D", "Conv3D")
def _conv(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    rank = len(c.kernel_size)
    settings = window(v.shape[1:-1], c.kernel_size, c.strides, c.dilation_rate, c.padding)
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    y = w.g.Conv(w.first(v), w.weight(c, "kernel", kernel_axes(rank), "weight"), *bias, group=c.groups, **settings)
    return activated(w, Value(y, _out(c, v), True), c.called)


@layer("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    settings = window(v.shape[1:-1], c.kernel_size, c.strides, c.dilation_rate, c.padding)
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    kernel = w.named(c, "kernel", _per_channel(w.array(c.kernel)), "weight")
    y = w.g.Conv(w.first(v), kernel, *bias, group=v.shape[-1], **settings)
    return activated(w, Value(y, _out(c, v), True), c.called)


def _per_channel(kernel: np.ndarray) -> np.ndarray:
    """From (*k, c, m) to (c m, 1, *k)."""
    spatial = kernel.shape[:-2]
    turned = np.moveaxis(kernel, (-2, -1), (0, 1))
    return np.ascontiguousarray(turned.reshape(-1, 1, *spatial))


@layer("SeparableConv1D", "SeparableConv2D")
def _separable(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    rank = len(c.kernel_size)
    settings = window(v.shape[1:-1], c.kernel_size, c.strides, c.dilation_rate, c.padding)
    depth = w.named(c, "depthwise_kernel", _per_channel(w.array(c.depthwise_kernel)), "depthwise.weight")
    y = w.g.Conv(w.first(v), depth, group=v.shape[-1], **settings)
    bias = [w.weight(c, "bias", None, "pointwise.bias")] if c.use_bias else []
    y = w.g.Conv(y, w.weight(c, "pointwise_kernel", kernel_axes(rank), "pointwise.weight"), *bias,
                 kernel_shape=[1] * rank)  # fmt: skip
    return activated(w, Value(y, _out(c, v), True), c.called)


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _conv_transpose(w: Pen, c: Any, v: Value) -> Value:
    """Keras's "same" gives size times stride and crops the odd one at the far end; "valid" never crops."""
    _channels_last(c)
    rank = len(c.kernel_size)
    if c.output_padding is not None:
        raise NotKnown(f"{type(c).__name__} with output_padding")
    pads, extra = [], []
    for k, s, d in zip(c.kernel_size, c.strides, c.dilation_rate, strict=True):
        over = reach(k, d) - s
        pads.append((over // 2, over - over // 2) if c.padding == "same" and over > 0 else (0, 0))
        extra.append(max(-over, 0))
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    y = w.g.ConvTranspose(
        w.first(v), w.weight(c, "kernel", kernel_axes(rank), "weight"), *bias, kernel_shape=c.kernel_size,
        strides=c.strides, dilations=c.dilation_rate if any(d > 1 for d in c.dilation_rate) else None,
        pads=[p for p, _ in pads] + [p for _, p in pads], output_padding=extra if any(extra) else None,
    )  # fmt: skip
    return activated(w, Value(y, _out(c, v), True), c.called)


@layer("Dense")
def _dense(w: Pen, c: Any, v: Value) -> Value:
    shape = (*v.shape[:-1], c.units)
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    if v.rank == 2:
        if v.flat is not None and v.flat.turned:  # the rows in the order in which channels-first flattens
            inner = v.flat.shape[1:]
            rows = np.arange(prod(inner)).reshape(inner)  # type: ignore[arg-type]
            order = np.moveaxis(rows, -1, 0).ravel()
            kernel = w.named(c, "kernel", np.ascontiguousarray(w.array(c.kernel)[order].T), "weight")
            y = w.g.Gemm(w.g.Flatten(v.flat.name), kernel, *bias, transB=1)
        else:
            y = w.g.Gemm(w.plain(v), w.weight(c, "kernel", (1, 0), "weight"), *bias, transB=1)
        return activated(w, Value(y, shape), c.called)
    if v.turned:  # a convolution of one pixel sees what a dense layer on the last axis sees
        pixel = w.array(c.kernel).T.reshape(c.units, -1, *[1] * (v.rank - 2))
        y = w.g.Conv(v.name, w.named(c, "kernel", pixel, "weight"), *bias, kernel_shape=[1] * (v.rank - 2))
        return activated(w, Value(y, shape, True), c.called)
    y = w.g.MatMul(w.plain(v), w.named(c, "kernel", w.array(c.kernel), "weight.T"))
    return activated(w, Value(w.g.Add(y, bias[0]) if bias else y, shape), c.called)


CATALOGUE = ("conv", "depthwise", "transposed", "spectral")  # blocks that have settings which Keras lacks
WORDS = {"cout": "filters", "kernel": "kernel_size", "stride": "strides", "dilation": "dilation_rate",
         "bias": "use_bias", "multiplier": "depth_multiplier", "groups": "groups", "padding_mode": "padding_mode",
         "output_padding": "output_padding"}  # fmt: skip


def catalogue(c: Any) -> str | None:
    """The block of the catalogue whose ONNX room writes a layer."""
    for base in type(c).__mro__:
        if base.__module__.startswith("keras."):
            return None
        parts = base.__module__.split(".")
        if parts[:2] == ["xconv", "blocks"] and parts[2] in CATALOGUE:
            return parts[2]
    return None


def by_room(w: Pen, c: Any, v: Value, shape: tuple[int | None, ...]) -> Value:
    """A convolution of the catalogue, as its block's own ONNX room writes it."""
    from ..block import block

    subject = block(c.kind)
    if c.kind == "spectral":
        return _spectral(w, c, v, shape, subject)
    _channels_last(c)
    given = {f.name: getattr(c, WORDS[f.name]) for f in fields(subject.spec.Config) if f.name in WORDS}
    given["cin"] = v.shape[-1]
    pads = getattr(c._subject, "pads", None)
    given["padding"] = c.padding if pads is None else pads
    given["activation"] = None if c.called == "linear" else c.called
    config = subject.spec.Config(**given)
    path = w.path(c, "kernel")
    kernel = w.array(c.kernel)
    held = {"weight": _per_channel(kernel) if c.kind == "depthwise" else kernel.transpose(kernel_axes(kernel.ndim - 2))}
    if c.use_bias:
        held["bias"] = w.array(c.bias)
    w.g._given = {**w.g._given} | {f"{path}.{n}".lstrip("."): np.ascontiguousarray(a) for n, a in held.items()}
    return Value(subject.room("onnx").graph(w.g, config, w.first(v), path), shape, True)


def _spectral(w: Pen, c: Any, v: Value, shape: tuple[int | None, ...], subject: Any) -> Value:
    """The same for the one that convolves the channels of each pixel; its weights are those of a layer in it."""
    called = type(c)(c.along, "conv").called
    config = subject.spec.Config(
        v.shape[-1], c.filters, c.kernel_size, c.strides, c.padding, c.dilation_rate, c.use_bias,
        None if called == "linear" else called,
    )  # fmt: skip
    path = w.path(c.along, "kernel")
    held = {"weight": w.array(c.along.kernel).transpose(kernel_axes(1))}
    if c.use_bias:
        held["bias"] = w.array(c.along.bias)
    w.g._given = {**w.g._given} | {f"{path}.{n}".lstrip("."): np.ascontiguousarray(a) for n, a in held.items()}
    around = path.rpartition(".")[0]
    return Value(subject.room("onnx").graph(w.g.scope(around) if around else w.g, config, w.first(v)), shape, True)


@layer("Embedding")
def _embedding(w: Pen, c: Any, v: Value) -> Value:
    if c.mask_zero:
        raise NotKnown("Embedding with mask_zero")
    return Value(w.g.Gather(w.weight(c, "embeddings", None, "weight"), v.name), (*v.shape, c.output_dim))


# --- normalisations ---


def _affine(w: Pen, c: Any, size: int, scale: bool, center: bool) -> list[str]:
    return [w.weight(c, "gamma", None, "weight") if scale else kit.const(w.g, np.ones(size), "ones"),
            w.weight(c, "beta", None, "bias") if center else kit.const(w.g, np.zeros(size), "zeros")]  # fmt: skip


@layer("BatchNormalization")
def _batch_norm(w: Pen, c: Any, v: Value) -> Value:
    if c.axis % v.rank != v.rank - 1:
        raise NotKnown(f"BatchNormalization on axis {c.axis}")
    size = v.shape[-1]
    assert size is not None
    moments = [w.weight(c, "moving_mean", None, "running_mean"), w.weight(c, "moving_variance", None, "running_var")]
    x = w.first(v)
    y = w.g.BatchNormalization(x, *_affine(w, c, size, c.scale, c.center), *moments, epsilon=c.epsilon)
    return Value(y, v.shape, v.rank > 2)


@layer("LayerNormalization")
def _layer_norm(w: Pen, c: Any, v: Value) -> Value:
    axes = sorted(a % v.rank for a in ([c.axis] if isinstance(c.axis, int) else c.axis))
    if axes != list(range(axes[0], v.rank)):
        raise NotKnown(f"LayerNormalization over axes {axes} of {v.rank}")
    shape = v.shape[axes[0] :]
    scale = w.weight(c, "gamma", None, "weight") if c.scale else kit.const(w.g, np.ones(shape), "ones")  # type: ignore[arg-type]
    shift = w.weight(c, "beta", None, "bias") if c.center else ""
    return Value(kit.layer_norm(w.g, w.plain(v), axes[0] - v.rank, scale, shift, c.epsilon), v.shape)


@layer("GroupNormalization")
def _group_norm(w: Pen, c: Any, v: Value) -> Value:
    if c.axis % v.rank != v.rank - 1:
        raise NotKnown(f"GroupNormalization on axis {c.axis}")
    size = v.shape[-1]
    assert size is not None
    scale = w.weight(c, "gamma", None, "weight") if c.scale else ""
    shift = w.weight(c, "beta", None, "bias") if c.center else ""
    groups = size if c.groups == -1 else c.groups
    return Value(kit.group_norm(w.g, w.first(v), groups, v.rank, size, scale, shift, c.epsilon), v.shape, v.rank > 2)


@layer("Rescaling")
def _rescaling(w: Pen, c: Any, v: Value) -> Value:
    v = w.solid(v)
    y = _scaled(w, v, w.g.Mul, np.asarray(c.scale, "float64"), 1, c.name + ".scale")
    y = _scaled(w, y, w.g.Add, np.asarray(c.offset, "float64"), 0, c.name + ".offset")
    return y


def _scaled(w: Pen, v: Value, write, by: np.ndarray, neutral: float, name: str) -> Value:
    if (by == neutral).all():
        return v
    shape = [-1] + [1] * (v.rank - 2) if v.turned and by.size > 1 else by.shape
    return w.like(v, write(v.name, w.g.constant(name, by.reshape(shape))), v.shape)


@layer("Normalization")
def _normalization(w: Pen, c: Any, v: Value) -> Value:
    """(x - mean) / max(sqrt(variance), epsilon), Keras's epsilon being 1e-7."""
    v = w.solid(v)
    mean, variance = np.asarray(w._to_numpy(c.mean), "float64"), np.asarray(w._to_numpy(c.variance), "float64")
    if any(a.size > 1 and a.shape[-1] != a.size for a in (mean, variance)):
        raise NotKnown("Normalization over more than the channels")
    spread = np.maximum(np.sqrt(variance), 1e-7)
    if c.invert:
        y = _scaled(w, v, w.g.Mul, spread.ravel(), 1, c.name + ".spread")
        return _scaled(w, y, w.g.Add, mean.ravel(), 0, c.name + ".mean")
    y = _scaled(w, v, w.g.Sub, mean.ravel(), 0, c.name + ".mean")
    return _scaled(w, y, w.g.Div, spread.ravel(), 1, c.name + ".spread")


# --- pooling ---


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def _pool(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    rank = v.rank - 2
    size, strides = _each(c.pool_size, rank), _each(c.strides, rank)
    op = w.g.MaxPool if "Max" in c.kind else w.g.AveragePool
    y = op(w.first(v), **window(v.shape[1:-1], size, strides, [1] * rank, c.padding))
    return Value(y, _out(c, v), True)


def _each(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


@layer("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
       "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")  # fmt: skip
def _global_pool(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    x = w.first(v)
    if c.keepdims:
        y = w.g.GlobalMaxPool(x) if "Max" in c.kind else w.g.GlobalAveragePool(x)
        return Value(y, _out(c, v), True)
    op = w.g.ReduceMax if "Max" in c.kind else w.g.ReduceMean
    return Value(op(x, kit.ints(w.g, range(2, v.rank)), keepdims=0), _out(c, v))


@layer("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D")
def _adaptive(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    y = kit.adaptive_average(w.g, w.first(v), v.shape[1:-1], _each(c.output_size, v.rank - 2))
    return Value(y, _out(c, v), True)


# --- merging ---


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


# --- shapes ---


@layer("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
       "AlphaDropout", "ActivityRegularization", "Identity", "InputLayer")  # fmt: skip
@operation("Identity", "ConvertToTensor", "StopGradient")
def _same(w: Pen, c: Any, v: Value) -> Value:
    return v


@layer("Flatten")
def _flatten(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    if v.rank <= 2:
        return v
    if any(s is None for s in v.shape[1:]):
        raise NotKnown("Flatten of a size that varies")
    features = prod(s for s in v.shape[1:] if s is not None)
    if v.turned and v.shape[1:-1] == (1,) * (v.rank - 2):
        return Value(w.g.Flatten(v.name), (v.shape[0], features))
    return Value("", (v.shape[0], features), flat=v)


@layer("Reshape")
@operation("Reshape")
def _reshape(w: Pen, c: Any, v: Value) -> Value:
    target = tuple(c.target)
    if target == v.shape:
        return v
    pixels = v.turned and all(s == 1 for s in v.shape[1:-1])
    if len(target) > 2 and all(s == 1 for s in target[1:-1]) and (v.rank == 2 or pixels) and target[-1] == v.shape[-1]:
        name = w.solid(v).name
        return Value(w.g.Reshape(name, kit.ints(w.g, [0, target[-1], *target[1:-1]])), target, True)
    if len(target) == 2 and pixels:
        return Value(w.g.Flatten(v.name), target)
    # A size that varies, in its old place, is taken to stay; if it does not, the checks at other sizes say so.
    stays = [s is None and a < v.rank and v.shape[a] is None for a, s in enumerate(target)]
    sizes = [0 if stay else -1 if s is None else s for s, stay in zip(target, stays, strict=True)]
    if sizes.count(-1) > 1:
        raise NotKnown(f"Reshape to {target}")
    return Value(w.g.Reshape(w.plain(v), kit.ints(w.g, sizes)), target)


@layer("Permute")
def _permute(w: Pen, c: Any, v: Value) -> Value:
    order = (0, *c.dims)
    return Value(w.g.Transpose(w.plain(v), perm=order), tuple(v.shape[a] for a in order))


@operation("Transpose")
def _transpose(w: Pen, c: Any, v: Value) -> Value:
    order = tuple(c.axes) if c.axes is not None else tuple(range(v.rank))[::-1]
    return Value(w.g.Transpose(w.plain(v), perm=order), tuple(v.shape[a] for a in order))


@operation("Swapaxes")
def _swapaxes(w: Pen, c: Any, v: Value) -> Value:
    order = list(range(v.rank))
    order[c.axis1], order[c.axis2] = order[c.axis2], order[c.axis1]
    return Value(w.g.Transpose(w.plain(v), perm=order), tuple(v.shape[a] for a in order))


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    pairs = [c.padding] if isinstance(c.padding[0], int) else list(c.padding)
    return padded(w, v, [(0, 0), *pairs, (0, 0)], _out(c, v))


def padded(
    w: Pen, v: Value, pairs: Sequence[tuple[int, int]], shape, mode: str = "constant", value: float = 0
) -> Value:
    """`pairs` are for Keras's axes."""
    v = w.solid(v)
    held = sorted(range(v.rank), key=lambda a: w.axis(v, a))
    amounts = [pairs[a][0] for a in held] + [pairs[a][1] for a in held]
    extra = [kit.scalar(w.g, value)] if value else []
    y = w.g.Pad(v.name, kit.ints(w.g, amounts), *extra, mode=None if mode == "constant" else mode)
    return w.like(v, y, shape)


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    pairs = [c.cropping] if isinstance(c.cropping[0], int) else list(c.cropping)
    axes = list(range(2, v.rank))
    y = w.g.Slice(w.first(v), kit.ints(w.g, [a for a, _ in pairs]), kit.ints(w.g, [-b or END for _, b in pairs]),
                  kit.ints(w.g, axes))  # fmt: skip
    return Value(y, _out(c, v), True)


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _up_sampling(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    how = {"nearest": "nearest", "bilinear": "linear"}.get(getattr(c, "interpolation", "nearest"))
    if how is None:
        raise NotKnown(f"UpSampling with interpolation {c.interpolation!r}")
    scales = [float(s) for s in _each(c.size, v.rank - 2)]
    return Value(kit.resize(w.g, w.first(v), scales, None, how, False), _out(c, v), True)


# --- operations of keras.ops ---

for keras_name, onnx_name in (("Add", "Add"), ("Subtract", "Sub"), ("Multiply", "Mul"), ("Divide", "Div"),
                              ("TrueDivide", "Div"), ("Maximum", "Max"), ("Minimum", "Min"),
                              ("Power", "Pow")):  # fmt: skip
    operation(keras_name)(lambda w, c, a, b, _op=onnx_name: variadic(w, _op, [a, b], _broadcast([a.shape, b.shape])))

for keras_name, called in (("Relu", "relu"), ("Relu6", "relu6"), ("Sigmoid", "sigmoid"), ("Tanh", "tanh"),
                           ("Silu", "silu"), ("Selu", "selu"), ("Softplus", "softplus"), ("Softsign", "softsign"),
                           ("HardSigmoid", "hard_sigmoid"), ("HardSilu", "hard_silu"), ("Mish", "mish"),
                           ("Exp", "exponential")):  # fmt: skip
    operation(keras_name)(lambda w, c, v, _called=called: activated(w, v, _called))
operation("Gelu")(lambda w, c, v: activated(w, v, "gelu", approximate=c.approximate))
operation("Elu")(lambda w, c, v: activated(w, v, "elu", alpha=c.alpha))
operation("LeakyRelu")(lambda w, c, v: activated(w, v, "leaky_relu", negative_slope=c.negative_slope))
operation("Softmax")(lambda w, c, v: activated(w, v, "softmax", axis=c.axis))
operation("LogSoftmax")(lambda w, c, v: activated(w, v, "log_softmax", axis=c.axis))

for keras_name, onnx_name in (("Sqrt", "Sqrt"), ("Log", "Log"), ("Abs", "Abs"), ("Absolute", "Abs"),
                              ("Negative", "Neg"), ("Floor", "Floor"), ("Ceil", "Ceil"), ("Erf", "Erf")):  # fmt: skip
    operation(keras_name)(lambda w, c, v, _op=onnx_name: w.like(v, getattr(w.g, _op)(w.solid(v).name), v.shape))
operation("Square")(lambda w, c, v: w.like(v, kit.square(w.g, w.solid(v).name), v.shape))
operation("Rsqrt")(lambda w, c, v: w.like(v, w.g.Reciprocal(w.g.Sqrt(w.solid(v).name)), v.shape))


@operation("Clip")
def _clip(w: Pen, c: Any, v: Value) -> Value:
    return w.like(v, kit.clip(w.g, w.solid(v).name, float(c.x_min), float(c.x_max)), v.shape)


def _reduction(op: str):
    def write(w: Pen, c: Any, v: Value) -> Value:
        v = w.solid(v)
        axes = (
            range(v.rank) if c.axis is None else [a % v.rank for a in ([c.axis] if isinstance(c.axis, int) else c.axis)]
        )
        held = sorted(w.axis(v, a) for a in axes)
        if v.turned and c.keepdims and held == list(range(2, v.rank)) and op in ("ReduceMean", "ReduceMax"):
            y = w.g.GlobalAveragePool(v.name) if op == "ReduceMean" else w.g.GlobalMaxPool(v.name)
        else:
            y = getattr(w.g, op)(v.name, kit.ints(w.g, held), keepdims=int(bool(c.keepdims)))
        if c.keepdims:
            return w.like(v, y, [1 if a in axes else s for a, s in enumerate(v.shape)])
        shape = tuple(s for a, s in enumerate(v.shape) if a not in axes)
        kept = v.turned and len(shape) > 2 and v.rank - 1 not in axes and 0 not in axes
        if v.turned and not kept and len(shape) > 1 and v.rank - 1 not in axes and len(shape) > 2:
            raise NotKnown(f"{op} over axes {axes}")
        return Value(y, shape, kept)

    return write


for keras_name, onnx_name in (("Mean", "ReduceMean"), ("Sum", "ReduceSum"), ("Max", "ReduceMax"), ("Min", "ReduceMin"),
                              ("Amax", "ReduceMax"), ("Amin", "ReduceMin")):  # fmt: skip
    operation(keras_name)(_reduction(onnx_name))


@operation("Pad")
def _pad(w: Pen, c: Any, v: Value) -> Value:
    modes = {"constant": "constant", "reflect": "reflect", "edge": "edge"}
    if c.mode not in modes:
        raise NotKnown(f"padding {c.mode!r}")
    shape = [None if s is None else s + sum(p) for s, p in zip(v.shape, c.pairs, strict=True)]
    return padded(w, v, c.pairs, shape, modes[c.mode], float(c.value or 0))


@operation("Conv")
def _op_conv(w: Pen, c: Any, v: Value, kernel: Value) -> Value:
    _channels_last(c)
    if kernel.array is None:
        raise NotKnown("a convolution with computed weights")
    rank = kernel.rank - 2
    settings = window(v.shape[1:-1], kernel.array.shape[:rank], _each(c.strides, rank), _each(c.dilation_rate, rank),
                      c.padding)  # fmt: skip
    weight = w.g.constant(torch_name(kernel.name), kernel.array.transpose(kernel_axes(rank)))
    groups = (v.shape[-1] or 1) // kernel.array.shape[-2]
    return Value(w.g.Conv(w.first(v), weight, group=groups, **settings), c.shape, True)


@operation("DepthwiseConv")
def _op_depthwise(w: Pen, c: Any, v: Value, kernel: Value) -> Value:
    _channels_last(c)
    if kernel.array is None:
        raise NotKnown("a convolution with computed weights")
    rank = kernel.rank - 2
    settings = window(v.shape[1:-1], kernel.array.shape[:rank], _each(c.strides, rank), _each(c.dilation_rate, rank),
                      c.padding)  # fmt: skip
    weight = w.g.constant(torch_name(kernel.name), _per_channel(kernel.array))
    return Value(w.g.Conv(w.first(v), weight, group=v.shape[-1], **settings), c.shape, True)


def torch_name(name: str) -> str:
    """`stem.kernel` as `stem.weight`."""
    return name.removesuffix("kernel") + "weight" if name.endswith("kernel") else f"{name}.weight"


@operation("MaxPool", "AveragePool")
def _op_pool(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    rank = v.rank - 2
    size = _each(c.pool_size, rank)
    strides = size if c.strides is None else _each(c.strides, rank)
    op = w.g.MaxPool if c.kind == "MaxPool" else w.g.AveragePool
    return Value(op(w.first(v), **window(v.shape[1:-1], size, strides, [1] * rank, c.padding)), c.shape, True)


@operation("Matmul")
def _matmul(w: Pen, c: Any, a: Value, b: Value) -> Value:
    return Value(w.g.MatMul(w.plain(a), w.plain(b)), c.shape)


@operation("Squeeze")
def _squeeze(w: Pen, c: Any, v: Value) -> Value:
    axes = [a % v.rank for a in ([c.axis] if isinstance(c.axis, int) else c.axis or [])]
    if not axes:
        raise NotKnown("Squeeze of all axes")
    v = Value(w.plain(v), v.shape)
    return Value(w.g.Squeeze(v.name, kit.ints(w.g, axes)), tuple(s for a, s in enumerate(v.shape) if a not in axes))


@operation("ExpandDims")
def _expand(w: Pen, c: Any, v: Value) -> Value:
    axis = c.axis % (v.rank + 1)
    return Value(w.g.Unsqueeze(w.plain(v), kit.ints(w.g, [axis])), (*v.shape[:axis], 1, *v.shape[axis:]))


@operation("Split")
def _split(w: Pen, c: Any, v: Value) -> list[Value]:
    v = w.solid(v)
    if any(shape[c.axis % v.rank] is None for shape in c.shapes):
        raise NotKnown("a split of an axis whose size varies")
    sizes = [shape[c.axis % v.rank] for shape in c.shapes]
    found = w.g.Split(v.name, kit.ints(w.g, sizes), outputs=len(sizes), axis=w.axis(v, c.axis))
    return [w.like(v, y, s) for y, s in zip([found] if len(sizes) == 1 else found, c.shapes, strict=True)]


@operation("GetItem")
def _get_item(w: Pen, c: Any, v: Value) -> Value:
    keys = list(c.key) if isinstance(c.key, tuple) else [c.key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (v.rank - len(keys) + 1)
    if not all(
        isinstance(k, slice) and all(b is None or isinstance(b, int) for b in (k.start, k.stop, k.step)) for k in keys
    ):
        raise NotKnown("indexing with anything but slices")
    v = w.solid(v)
    cut = [(a, k) for a, k in enumerate(keys) if k != slice(None)]
    if not cut:
        return v
    steps = [k.step or 1 for _, k in cut]
    if any(s < 0 for s in steps):
        raise NotKnown("slices that run backwards")
    y = w.g.Slice(v.name, kit.ints(w.g, [k.start or 0 for _, k in cut]),
                  kit.ints(w.g, [END if k.stop is None else k.stop for _, k in cut]),
                  kit.ints(w.g, [w.axis(v, a) for a, _ in cut]), kit.ints(w.g, steps))  # fmt: skip
    return w.like(v, y, c.shape)

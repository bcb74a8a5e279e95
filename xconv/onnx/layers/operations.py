"""Operations of keras.ops, as functional models and opened layers use them."""

from typing import Any

from .. import kit
from ..kit import NotKnown
from .activations import activated
from .convolutions import _channels_last, _per_channel, kernel_axes, window
from .merging import _broadcast, variadic
from .pen import END, Pen, Value, operation
from .pooling import _each
from .shapes import padded

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

"""float64 graphs, and float64 where ONNX Runtime has no double kernels: convolutions as slices, sums and products.

A convolution is a sum over its taps: pad, slice the input once for each tap with the stride as step, put the slices
side by side on the channel axis and multiply by the weights laid out alike. Sizes stay open. A transposed convolution
is the same on an input spread with zeros, with the taps turned around; pooling by averages sums the slices.
"""

from collections.abc import Callable, Container, Sequence
from itertools import product
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from ..errors import XconvError
from .graph import Graph
from .special import lowered_erf, lowered_gelu, lowered_resize

END = np.iinfo(np.int64).max


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with every float as float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    scales = {name for node in wide.graph.node if node.op_type == "Resize" for name in node.input[1:3]}
    for i, tensor in enumerate(wide.graph.initializer):
        if tensor.data_type in floats and tensor.name not in scales:  # ONNX has them in float32 always
            array = numpy_helper.to_array(tensor).astype("float64")
            wide.graph.initializer[i].CopyFrom(numpy_helper.from_array(array, tensor.name))
    for info in (*wide.graph.input, *wide.graph.output, *wide.graph.value_info):
        if info.type.tensor_type.elem_type in floats:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in wide.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in floats:
                attribute.i = TensorProto.DOUBLE
    return lower(wide, FLOAT32_INSIDE)


def lower(model: onnx.ModelProto, only: Container[str] | None = None) -> onnx.ModelProto:
    """The same function with operators that ONNX Runtime has in double.

    Args:
        only: the operators to rewrite; all that are known by default.

    Raises:
        XconvError: for an operator that it lacks and that is not rewritten here.
    """
    model = _renamed(model)
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    pen = Graph({}, opset=model.opset_import[0].version, dtype=np.dtype("float64"))
    for tensor in model.graph.initializer:
        pen._initializers[tensor.name] = tensor
    ranks = _ranks(model)
    for node in model.graph.node:
        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type in (LOWERED if only is None else only):
            done = LOWERED[node.op_type](
                _Pen(pen, node.output[0], arrays, ranks.get(node.input[0], 0)), *node.input, **settings
            )
            pen._nodes[_writer(pen, done)].output[:] = [node.output[0]]
        else:
            node.name = f"{node.op_type}_{len(pen._nodes)}"  # its old number may be that of a node just written
            pen._nodes.append(node)
    return pen.finish({o.name: o for o in model.graph.output}, list(model.graph.input), model.graph.name,
                      {p.key: p.value for p in model.metadata_props})  # fmt: skip


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with inner values named otherwise than the pen names what it writes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    outer = {value.name for value in copy.graph.output}
    names = {name: f"given.{name}" for node in copy.graph.node for name in node.output if name not in outer}
    for node in copy.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _writer(pen: Graph, value: str) -> int:
    return next(i for i, node in enumerate(pen._nodes) if value in node.output)


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    from .shapes import skeleton

    inferred = shape_inference.infer_shapes(skeleton(model)).graph
    known = (*inferred.input, *inferred.value_info, *inferred.output)
    return {v.name: len(v.type.tensor_type.shape.dim) for v in known}


class _Pen:
    """The pen, with constants named after the node that they replace."""

    def __init__(self, graph: Graph, name: str, arrays: dict[str, np.ndarray], rank: int):
        self.graph, self.name, self.arrays, self._rank = graph, name, arrays, rank

    @property
    def rank(self) -> int:
        """Of the node's first input."""
        if not self._rank:
            raise XconvError(f"{self.name}: the rank of its input is not known")
        return self._rank

    def __getattr__(self, op: str):
        return getattr(self.graph, op)

    def array(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise XconvError(f"{self.name}: only weights that are in the file can be lowered, and {name!r} is computed")
        return self.arrays[name]

    def const(self, what: str, value) -> str:
        array = np.asarray(value)
        known = next((n for n, t in self.graph._initializers.items()
                      if n.startswith("lowered.") and array.dtype.kind == "i" and t.data_type == TensorProto.INT64
                      and np.array_equal(numpy_helper.to_array(t), array)), None)  # fmt: skip
        return known or self.graph.constant(f"lowered.{self.name}.{what}", value)


def _pads(g: _Pen, x: str, kernel, strides, dilations, pads, auto_pad) -> str:
    """`x` with zeros around it; SAME pads are worked out from the size, as the size is not known here."""
    rank = len(kernel)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        sizes = g.Slice(g.Shape(x), g.const("two", [2]), g.const("end", [END]))
        out = g.Div(g.Add(sizes, g.const("up", np.array(strides) - 1)), g.const("strides", list(strides)))
        spans = g.Mul(g.Sub(out, g.const("one", [1])), g.const("strides", list(strides)))
        total = g.Max(g.Sub(g.Add(spans, g.const("reach", reach)), sizes), g.const("zero", [0]))
        less = g.Div(total, g.const("two", [2]))
        more = g.Sub(total, less)
        ends = (less, more) if auto_pad == "SAME_UPPER" else (more, less)
        none = g.const("none", [0, 0])
        return g.Pad(x, g.Concat(none, ends[0], none, ends[1], axis=0))
    if not any(pads):
        return x
    return g.Pad(x, g.const("pads", [0, 0, *pads[:rank], 0, 0, *pads[rank:]]))


def _taps(g: _Pen, x: str, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> list[str]:
    """For each tap of the kernel, the part of `x` that it sees at every output."""
    axes = g.const("axes", list(range(2, 2 + len(kernel))))
    steps = g.const("steps", list(strides))
    found = []
    for tap in product(*(range(k) for k in kernel)):
        start = [t * d for t, d in zip(tap, dilations, strict=True)]
        left = [(k - 1 - t) * d for k, t, d in zip(kernel, tap, dilations, strict=True)]
        end = [-e if e else END for e in left]
        found.append(g.Slice(x, g.const(f"start{tap}", start), g.const(f"end{tap}", end), axes, steps))
    return found


def _weighted(g: _Pen, taps: list[str], weight: np.ndarray, group: int, what: str = "w") -> str:
    """The sum over taps and channels; `weight` is (O, I / group, *kernel)."""
    outs, ins = weight.shape[:2]
    rank = weight.ndim - 2
    by_tap = weight.reshape(outs, ins, -1)
    if ins == 1 and outs == group:  # depthwise: a product and a sum for each tap
        shape = (1, outs) + (1,) * rank
        parts = [g.Mul(tap, g.const(f"{what}{k}", by_tap[:, 0, k].reshape(shape))) for k, tap in enumerate(taps)]
        while len(parts) > 1:
            parts = [*(g.Add(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)),
                     *([parts[-1]] if len(parts) % 2 else [])]  # fmt: skip
        return parts[0]
    flat = by_tap.transpose(0, 2, 1).reshape(outs, -1)  # (O, taps x I), as the slices lie side by side
    letters = "dhw"[-rank:]
    equation = f"nc{letters},oc->no{letters}"
    if group == 1:
        side = g.Concat(*taps, axis=1) if len(taps) > 1 else taps[0]
        return g.Einsum(side, g.const(what, flat), equation=equation)
    split = [g.Split(tap, outputs=group, axis=1, num_outputs=group) for tap in taps]
    done = []
    for k, rows in enumerate(np.split(flat, group)):
        side = g.Concat(*(parts[k] for parts in split), axis=1) if len(taps) > 1 else split[0][k]
        done.append(g.Einsum(side, g.const(f"{what}{k}", rows), equation=equation))
    return g.Concat(*done, axis=1)


def _biased(g: _Pen, y: str, bias: str, rank: int) -> str:
    return g.Add(y, g.const("bias", g.array(bias).reshape((1, -1) + (1,) * rank))) if bias else y


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _conv(g, x, w, b="", *, kernel_shape=None, strides=None, dilations=None, pads=None, group=1, auto_pad=b"NOTSET"):
    weight = g.array(w)
    kernel = weight.shape[2:]
    rank = len(kernel)
    strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * 2 * rank
    x = _pads(g, x, kernel, strides, dilations, pads, _text(auto_pad))
    return _biased(g, _weighted(g, _taps(g, x, kernel, strides, dilations), weight, group), b, rank)


def _conv_transpose(g, x, w, b="", *, kernel_shape=None, strides=None, dilations=None, pads=None, output_padding=None,
                    group=1, auto_pad=b"NOTSET", output_shape=None):  # fmt: skip
    weight = g.array(w)  # (I, O / group, *kernel)
    kernel = weight.shape[2:]
    rank = len(kernel)
    if _text(auto_pad) not in ("NOTSET", "VALID") or output_shape:
        raise XconvError(f"{g.name}: a transposed convolution is lowered with explicit pads only")
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    pads, extra = pads or [0] * 2 * rank, output_padding or [0] * rank
    for axis, stride in enumerate(strides, 2):
        if stride > 1:
            x = _spread(g, x, axis, stride, rank)
    span = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    before = [s - p for s, p in zip(span, pads[:rank], strict=True)]
    after = [s - p + o - (n - 1) for s, p, o, n in zip(span, pads[rank:], extra, strides, strict=True)]
    x = _pads(g, x, kernel, strides, dilations, [*before, *after], "NOTSET")
    turned = np.flip(weight, tuple(range(2, 2 + rank)))
    groups = np.split(turned, group)  # each (I / group, O / group, *kernel)
    ordinary = np.concatenate([part.swapaxes(0, 1) for part in groups])
    return _biased(g, _weighted(g, _taps(g, x, kernel, [1] * rank, dilations), ordinary, group), b, rank)


def _spread(g: _Pen, x: str, axis: int, stride: int, rank: int) -> str:
    """Zeros after every element of an axis, `stride` - 1 of them."""
    sizes = g.Shape(x)
    factor = [stride if a == axis else 1 for a in range(rank + 2)]
    wide = g.Mul(sizes, g.const(f"by{axis}", factor))
    x = g.Unsqueeze(x, g.const(f"at{axis}", [axis + 1]))
    pads = [0] * (rank + 3) + [stride - 1 if a == axis + 1 else 0 for a in range(rank + 3)]
    return g.Reshape(g.Pad(x, g.const(f"zeros{axis}", pads)), wide)


def _average_pool(g, x, *, kernel_shape, strides=None, dilations=None, pads=None, count_include_pad=0,
                  auto_pad=b"NOTSET", ceil_mode=0):  # fmt: skip
    rank = len(kernel_shape)
    if ceil_mode:
        raise XconvError(f"{g.name}: pooling that rounds sizes up is not lowered")
    strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * 2 * rank
    auto = _text(auto_pad)
    total = _sum(
        g, _taps(g, _pads(g, x, kernel_shape, strides, dilations, pads, auto), kernel_shape, strides, dilations)
    )
    if count_include_pad or not (any(pads) or auto.startswith("SAME")):
        return g.Div(total, g.const("count", float(prod(kernel_shape))))
    one = g.const("unit", 1.0)
    ones = g.Add(g.Mul(x, g.const("nil", 0.0)), one)
    there = _pads(g, ones, kernel_shape, strides, dilations, pads, auto)
    return g.Div(total, _sum(g, _taps(g, there, kernel_shape, strides, dilations)))


def _sum(g: _Pen, parts: list[str]) -> str:
    while len(parts) > 1:
        parts = [*(g.Add(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)),
                 *([parts[-1]] if len(parts) % 2 else [])]  # fmt: skip
    return parts[0]


def _global_average_pool(g, x):
    return g.ReduceMean(x, g.const("axes", list(range(2, g.rank))), keepdims=1)


def _layer_norm(g, x, scale, shift="", *, axis=-1, epsilon=1e-5, stash_type=1):
    """ONNX's operator computes mean and variance in float32 at most."""
    axes = g.const("axes", list(range(axis if axis < 0 else axis - g.rank, 0)))
    d = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    spread = g.Sqrt(g.Add(g.ReduceMean(g.Mul(d, d), axes, keepdims=1), g.const("epsilon", float(epsilon))))
    y = g.Mul(g.Div(d, spread), scale)
    return g.Add(y, shift) if shift else y


def _instance_norm(g, x, scale, shift, *, epsilon=1e-5):
    axes, column = g.const("axes", list(range(2, g.rank))), (-1,) + (1,) * (g.rank - 2)
    d = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    spread = g.Sqrt(g.Add(g.ReduceMean(g.Mul(d, d), axes, keepdims=1), g.const("epsilon", float(epsilon))))
    y = g.Mul(g.Div(d, spread), g.const("scale", g.array(scale).reshape(column)))
    return g.Add(y, g.const("shift", g.array(shift).reshape(column)))


FLOAT32_INSIDE = frozenset({"LayerNormalization"})


def _gemm(g, a, w, b="", *, transA=0, transB=0, alpha=1.0, beta=1.0):
    """Dense layers too, as tract gives them a float32 beta; only the plain form that layers have."""
    if transA or alpha != 1 or beta != 1:
        raise XconvError(f"{g.name}: a Gemm with transA, alpha or beta is not lowered")
    weight = g.array(w)
    y = g.MatMul(a, g.const("w", np.ascontiguousarray(weight.T)) if transB else w)
    return g.Add(y, b) if b else y


def _mean(g, *xs):
    total = xs[0]
    for x in xs[1:]:
        total = g.Add(total, x)
    return g.Div(total, g.const("count", np.float64(len(xs))))


LOWERED: dict[str, Callable[..., str]] = {
    "Mean": _mean,
    "Gemm": _gemm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "Erf": lowered_erf,
    "Gelu": lowered_gelu,
    "Resize": lowered_resize,
}

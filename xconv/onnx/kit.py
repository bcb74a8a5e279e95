"""Layers that both frameworks have, as ONNX writes them; x is (N, C, ...) everywhere.

What an older opset lacks is written with what it has.
"""

from collections.abc import Sequence
from math import pi, sqrt
from typing import Any
from zlib import crc32

import numpy as np

from ..geometry import out_size
from .graph import Graph


class NotKnown(Exception):
    """A layer, function or setting that is not written directly; the framework's own exporter is asked instead."""


def const(g: Graph, value, hint: str = "c") -> str:
    """A constant named by what it holds, so that equal ones are one."""
    array = np.asarray(value)
    text = (
        "_".join(map(str, array.ravel().tolist()))
        if array.size <= 8
        else f"{crc32(array.tobytes()):08x}_" + "x".join(map(str, array.shape))
    )
    rank = "" if array.ndim == 0 else f"{array.ndim}d_"
    return g.constant(f"{hint}_{array.dtype.kind}{rank}{text}".replace("-", "m"), array)


def ints(g: Graph, values: Sequence[int]) -> str:
    """A vector of int64."""
    return const(g, np.asarray(values, "int64").reshape(-1), "ints")


def scalar(g: Graph, value: float) -> str:
    """A number in the dtype of the graph."""
    return const(g, float(value), "value")


def gelu(g: Graph, x: str, approximate: bool) -> str:
    if g.opset >= 20:
        return g.Gelu(x, approximate="tanh" if approximate else "none")
    if approximate:
        cube = g.Mul(scalar(g, 0.044715), g.Mul(x, g.Mul(x, x)))
        inner = g.Tanh(g.Mul(scalar(g, sqrt(2 / pi)), g.Add(x, cube)))
    else:
        inner = g.Erf(g.Mul(x, scalar(g, sqrt(0.5))))
    return g.Mul(g.Mul(x, scalar(g, 0.5)), g.Add(inner, scalar(g, 1)))


def silu(g: Graph, x: str) -> str:
    return g.Mul(x, g.Sigmoid(x))


def mish(g: Graph, x: str) -> str:
    return g.Mish(x) if g.opset >= 18 else g.Mul(x, g.Tanh(g.Softplus(x)))


# ONNX holds attributes in float32: what has a slope for one is written out in float64.


def _double(g: Graph) -> bool:
    return g.dtype == np.dtype("float64")


def leaky_relu(g: Graph, x: str, slope: float) -> str:
    if not _double(g):
        return g.LeakyRelu(x, alpha=float(slope))
    zero = scalar(g, 0)
    return g.Add(g.Max(x, zero), g.Mul(g.Min(x, zero), scalar(g, slope)))


def hard_sigmoid(g: Graph, x: str) -> str:
    if _double(g):
        return clip(g, g.Add(g.Mul(x, scalar(g, 1 / 6)), scalar(g, 0.5)), 0, 1)
    return g.HardSigmoid(x, alpha=1 / 6, beta=0.5)


def hard_swish(g: Graph, x: str) -> str:
    return g.HardSwish(x) if g.opset >= 14 and not _double(g) else g.Mul(x, hard_sigmoid(g, x))


def clip(g: Graph, x: str, low: float | None, high: float | None) -> str:
    bounds = ["" if low is None else scalar(g, low), "" if high is None else scalar(g, high)]
    return g.Clip(x, *(bounds if high is not None else bounds[:1]))


def square(g: Graph, x: str) -> str:
    return g.Mul(x, x)


def layer_norm(g: Graph, x: str, axis: int, scale: str, shift: str, epsilon: float) -> str:
    """Over `axis` (negative) and all behind it; scale and shift have the normalised shape.

    ONNX's operator computes mean and variance in float32 at most, so float64 is written out.
    """
    if g.opset >= 17 and not _double(g):
        return g.LayerNormalization(x, scale, *([shift] if shift else []), axis=axis, epsilon=epsilon)
    axes = ints(g, range(axis, 0))
    d = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    y = g.Div(d, g.Sqrt(g.Add(g.ReduceMean(square(g, d), axes, keepdims=1), scalar(g, epsilon))))
    y = g.Mul(y, scale)
    return g.Add(y, shift) if shift else y


def group_norm(g: Graph, x: str, groups: int, rank: int, channels: int, scale: str, shift: str, epsilon: float) -> str:
    """`scale` and `shift` are vectors over the channels, or empty.

    ONNX's GroupNormalization is avoided: it means another thing before opset 21, and shape inference stops at it.
    """
    if groups == channels:
        ones = [scale or const(g, np.ones(channels), "ones"), shift or const(g, np.zeros(channels), "zeros")]
        return g.InstanceNormalization(x, *ones, epsilon=epsilon)
    apart = g.Reshape(x, ints(g, [0, groups, -1]))
    unit = [const(g, np.ones(groups), "ones"), const(g, np.zeros(groups), "zeros")]
    y = g.Reshape(g.InstanceNormalization(apart, *unit, epsilon=epsilon), g.Shape(x))
    shape = ints(g, [1, channels] + [1] * (rank - 2))
    y = g.Mul(y, g.Reshape(scale, shape)) if scale else y
    return g.Add(y, g.Reshape(shift, shape)) if shift else y


def adaptive_average(g: Graph, x: str, sizes: Sequence[int | None], out: Sequence[int]) -> str:
    """Averages over windows from floor(i s / o) to ceil((i + 1) s / o), as torch cuts them."""
    if all(o == 1 for o in out):
        return g.GlobalAveragePool(x)
    if any(s is None for s in sizes):
        raise NotKnown(f"adaptive pooling to {tuple(out)} of a size that varies")
    known = [s for s in sizes if s is not None]
    if all(s % o == 0 for s, o in zip(known, out, strict=True)):
        window = [s // o for s, o in zip(known, out, strict=True)]
        return g.AveragePool(x, kernel_shape=window, strides=window)
    for axis, (s, o) in enumerate(zip(known, out, strict=True)):
        means = np.zeros((s, o))
        for i in range(o):
            begin, end = i * s // o, -(-(i + 1) * s // o)
            means[begin:end, i] = 1 / (end - begin)
        turn = list(range(len(known) + 2))
        turn[axis + 2], turn[-1] = turn[-1], turn[axis + 2]
        last = axis == len(known) - 1
        y = g.MatMul(x if last else g.Transpose(x, perm=turn), const(g, means, "means"))
        x = y if last else g.Transpose(y, perm=turn)
    return x


def pool_pads(
    sizes: Sequence[int | None], kernel: Sequence[int], stride: Sequence[int], pads: Sequence[int],
    dilation: Sequence[int], ceil: bool,
) -> dict:  # fmt: skip
    """Attributes of a pooling window with even pads; torch's ceil_mode never starts a window in the far pad.

    Raises:
        NotKnown: where ONNX's rounding up would give another size, or the size varies.
    """
    settings: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(stride), "pads": [*pads, *pads]}
    if any(d > 1 for d in dilation):
        settings["dilations"] = list(dilation)
    if ceil:
        for size, k, s, p, d in zip(sizes, kernel, stride, pads, dilation, strict=True):
            if size is None:
                raise NotKnown("pooling with ceil_mode of a size that varies")
            reached = (k - 1) * d + 1
            up = -(-(size + 2 * p - reached) // s) + 1
            if (up - 1) * s >= size + p:
                raise NotKnown("pooling whose last window would start in the padding")
            if up != out_size(size, k, s, d, (p, p)):
                settings["ceil_mode"] = 1
    return settings


def pixel_shuffle(g: Graph, x: str, factor: int) -> str:
    return g.DepthToSpace(x, blocksize=factor, mode="CRD")


def resize(
    g: Graph, x: str, scales: Sequence[float] | None, sizes: Sequence[int] | None, how: str, corners: bool
) -> str:
    """Spatial resizing by factors or to sizes; `how` is "nearest" (floor) or "linear" or "cubic"."""
    settings: dict[str, Any] = {
        "mode": how,
        "coordinate_transformation_mode": "align_corners" if corners else "half_pixel",
    }
    if how == "nearest":
        settings |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if how == "cubic":
        settings["cubic_coeff_a"] = -0.75
    if scales is not None:  # always float32, whatever the graph's dtype
        factors = np.asarray([1, 1, *scales], "float32")
        return g.Resize(x, "", g.constant(f"scales_{'_'.join(map(str, scales))}", factors, as_is=True), **settings)
    assert sizes is not None
    head = g.Slice(g.Shape(x), ints(g, [0]), ints(g, [2]))
    return g.Resize(x, "", "", g.Concat(head, ints(g, sizes), axis=0), **settings)

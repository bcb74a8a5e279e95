"""torch's functions in the words of keras.ops, exact in float64.

Windows and resizes work on channels-last tensors. Constants are Python floats times float64 tensors, so nothing is
rounded to float32 on the way.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from ...frameworks.keras import from_numpy, to_numpy

Function = Callable[[Any], Any]


def constant(array: Any, like: Any) -> Any:
    """An array as a tensor of another's dtype, without a detour through float32."""
    return from_numpy(np.asarray(array).astype(to_numpy(like).dtype))


def _where(x: Any, condition: Any, yes: Any, no: Any) -> Any:
    return ops.where(condition, yes, no)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    return ops.where(x >= 0, x, constant(slope, x) * x)


def relu(x: Any, cap: float | None = None) -> Any:
    x = ops.maximum(x, ops.zeros_like(x))
    return x if cap is None else ops.minimum(x, constant(cap, x))


def hardtanh(x: Any, low: float = -1.0, high: float = 1.0) -> Any:
    return ops.minimum(ops.maximum(x, constant(low, x)), constant(high, x))


def elu(x: Any, alpha: float = 1.0) -> Any:
    return ops.where(x > 0, x, constant(alpha, x) * ops.expm1(ops.minimum(x, ops.zeros_like(x))))


def celu(x: Any, alpha: float = 1.0) -> Any:
    a = constant(alpha, x)
    return ops.where(x > 0, x, a * ops.expm1(ops.minimum(x, ops.zeros_like(x)) / a))


def selu(x: Any) -> Any:
    return constant(1.0507009873554805, x) * elu(x, 1.6732632423543772)


def gelu(x: Any, approximate: str = "none") -> Any:
    def c(v):
        return constant(v, x)

    if approximate == "none":
        return c(0.5) * x * (c(1) + ops.erf(x / c(2.0**0.5)))
    if approximate == "tanh":
        return c(0.5) * x * (c(1) + ops.tanh(c((2 / np.pi) ** 0.5) * (x + c(0.044715) * x * x * x)))
    return x * ops.sigmoid(c(1.702) * x)


def silu(x: Any, beta: float = 1.0) -> Any:
    return x * ops.sigmoid(x if beta == 1 else constant(beta, x) * x)


def softshrink(x: Any, edge: float = 0.5) -> Any:
    e = constant(edge, x)
    return ops.where(x > e, x - e, ops.where(x < -e, x + e, ops.zeros_like(x)))


def hardshrink(x: Any, edge: float = 0.5) -> Any:
    return ops.where(ops.abs(x) > constant(edge, x), x, ops.zeros_like(x))


def tanhshrink(x: Any) -> Any:
    return x - ops.tanh(x)


def threshold(x: Any, edge: float = 0.0, value: float = 0.0) -> Any:
    return ops.where(x > constant(edge, x), x, constant(value, x) * ops.ones_like(x))


def softmin(x: Any, axis: int = -1) -> Any:
    return ops.softmax(-x, axis=axis)


def hardsigmoid(x: Any, slope: float = 1 / 6, offset: float = 0.5) -> Any:
    return hardtanh(constant(slope, x) * x + constant(offset, x), 0.0, 1.0)


def hardswish(x: Any) -> Any:
    return x * relu(x + constant(3, x), 6.0) / constant(6, x)


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    b = constant(beta, x)
    soft = ops.logaddexp(ops.zeros_like(x), b * x) / b
    return ops.where(b * x > constant(threshold, x), x, soft) if np.isfinite(threshold) else soft


def mish(x: Any) -> Any:
    return x * ops.tanh(softplus(x, threshold=float("inf")))


def softsign(x: Any) -> Any:
    return x / (constant(1, x) + ops.abs(x))


ACTIVATIONS: Mapping[str, Callable[..., Any]] = {
    "linear": lambda x: x, "relu": relu, "leaky_relu": leaky_relu, "hardtanh": hardtanh, "elu": elu, "celu": celu,
    "selu": selu, "gelu": gelu, "silu": silu, "hardsigmoid": hardsigmoid, "hardswish": hardswish,
    "sigmoid": ops.sigmoid, "tanh": ops.tanh, "softplus": softplus, "mish": mish, "softsign": softsign,
    "logsigmoid": ops.log_sigmoid, "softmax": ops.softmax, "log_softmax": ops.log_softmax, "exp": ops.exp,
    "square": ops.square, "abs": ops.abs, "softshrink": softshrink, "hardshrink": hardshrink,
    "tanhshrink": tanhshrink, "threshold": threshold, "softmin": softmin,
}  # fmt: skip


def pad(x: Any, pads: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0) -> Any:
    """Pad the spatial axes of a channels-last tensor; less than nothing crops."""
    if not any(n for p in pads for n in p):
        return x
    array = to_numpy(x)
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pads, array.shape[1:-1], strict=True))
    array = array[(slice(None), *cut)]
    width = [(0, 0), *((max(a, 0), max(b, 0)) for a, b in pads), (0, 0)]
    if mode == "constant":
        return from_numpy(np.pad(array, width, constant_values=value))
    return from_numpy(np.pad(array, width, mode={"replicate": "edge", "circular": "wrap"}.get(mode, mode)))  # type: ignore[call-overload]


def window(
    x: Any, kind: str, kernel: Sequence[int], stride: Sequence[int], pads: Sequence[tuple[int, int]],
    dilation: Sequence[int], ceil: bool = False, include_pad: bool = True, divisor: int | None = None,
) -> Any:  # fmt: skip
    """torch's max or average pooling, tap by tap, on a channels-last tensor."""
    array = to_numpy(x)
    sizes, rank = array.shape[1:-1], len(kernel)
    outs, far = [], []
    for n, k, s, (a, b), d in zip(sizes, kernel, stride, pads, dilation, strict=True):
        span = n + a + b - d * (k - 1) - 1
        out = (-(-span // s) if ceil else span // s) + 1
        if ceil and (out - 1) * s >= n + a:  # the last window must start inside the input or its near padding
            out -= 1
        outs.append(out)
        far.append(max((out - 1) * s + d * (k - 1) + 1 - n - a, 0))
    width = [(0, 0), *[(a, max(b, f)) for (a, b), f in zip(pads, far, strict=True)], (0, 0)]
    filled = np.pad(array, width, constant_values=-np.inf if kind == "max" else 0.0)
    # What a position counts as: inside the input 1, in the padding 1 if it is included, beyond it (ceil) 0.
    weight = np.ones([n + a + b for n, (a, b) in zip(sizes, pads, strict=True)])
    if not include_pad:
        weight = np.pad(np.ones(sizes), [tuple(p) for p in pads])
    weight = np.pad(weight, [(0, max(f - b, 0)) for (_, b), f in zip(pads, far, strict=True)])
    total: Any = None
    count = np.zeros(outs)
    for tap in np.ndindex(*kernel):
        at = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, outs, stride, strict=True)
        )
        part = filled[(slice(None), *at, slice(None))]
        total = part if total is None else np.maximum(total, part) if kind == "max" else total + part
        count += weight[at]
    assert len(outs) == rank
    if kind != "max":
        total = total / (divisor if divisor else count[(None, ..., None)])
    return from_numpy(np.ascontiguousarray(total))


def resample(x: Any, matrices: Sequence[np.ndarray]) -> Any:
    """A separable resize: one (out, in) matrix for each spatial axis of a channels-last tensor."""
    array = to_numpy(x)
    for axis, matrix in enumerate(matrices, start=1):
        array = np.moveaxis(np.tensordot(matrix, array, (1, axis)), 0, axis)
    return from_numpy(np.ascontiguousarray(array.astype(to_numpy(x).dtype)))

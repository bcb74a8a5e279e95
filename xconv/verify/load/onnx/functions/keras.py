"""ONNX's operators in the functions of keras.ops, channels last."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import keras
import numpy as np

from .....errors import XconvError
from .....frameworks.keras import from_numpy
from .....geometry import reach
from .composed import composed


def _ops(name: str) -> Callable[..., Any]:
    """A function of keras.ops, looked up when it is called, so that a tracer sees it."""
    return lambda *args, **kwargs: getattr(keras.ops, name)(*args, **kwargs)


def _pair(name: str) -> Callable[..., Any]:
    """A function of two, taken along any number of operands."""
    return lambda *xs: reduce(_ops(name), xs)


def _over(name: str) -> Callable[..., Any]:
    return lambda x, axes, keepdims: _ops(name)(x, axis=axes, keepdims=keepdims)


def _add(*xs: Any) -> Any:
    """By the operator: keras.ops.add takes (4, 1) for a bias of the last axis beside (4, 4) (3.15.1 on TensorFlow)."""
    return reduce(lambda a, b: a + b, xs)


def _dtype(x: Any) -> str:
    return keras.backend.standardize_dtype(x.dtype)


def _div(a: Any, b: Any) -> Any:
    if all("int" in _dtype(x) if hasattr(x, "dtype") else isinstance(x, int) for x in (a, b)):
        return keras.ops.cast(keras.ops.trunc(keras.ops.divide(a, b)), "int64")
    return keras.ops.divide(a, b)


def _mod(a: Any, b: Any, fmod: int = 0) -> Any:
    """Of the divisor's sign, or of the dividend's."""
    if not fmod:
        return keras.ops.mod(a, b)
    return keras.ops.sign(a) * keras.ops.mod(keras.ops.abs(a), keras.ops.abs(b))


def _clip(x: Any, low: Any = None, high: Any = None, **older: Any) -> Any:
    low, high = older.get("min", low), older.get("max", high)
    if low == 0 and high == 6:
        return keras.ops.relu6(x)
    if None not in (low, high) and not hasattr(low, "shape"):
        return keras.ops.clip(x, low, high)
    x = x if low is None else keras.ops.maximum(x, low)
    return x if high is None else keras.ops.minimum(x, high)


def _pad(x: Any, widths: Sequence[tuple[int, int]], mode: str, value: float) -> Any:
    if mode in ("constant", "reflect"):
        return keras.ops.pad(x, tuple(widths), mode=mode, constant_values=value if mode == "constant" else None)
    for axis, (a, b) in enumerate(widths):
        if a or b:
            n = int(x.shape[axis])
            at = np.arange(-a, n + b)
            x = keras.ops.take(x, at % n if mode == "wrap" else at.clip(0, n - 1), axis)
    return x


def _taps(x: Any, kernel, strides, dilations, outs) -> list[Any]:
    """What each place of a window sees, by plain slices: where the backend has no such pooling."""
    found = []
    for tap in np.ndindex(*kernel):
        at = zip(tap, dilations, outs, strides, strict=True)
        cuts = tuple(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in at)
        found.append(x[(slice(None), *cuts, slice(None))])
    return found


def _pool(mean: bool) -> Callable:
    def pool(x: Any, kernel, strides, dilations, pads, ceil: bool, include: bool) -> Any:
        sizes, outs, ends = [int(n) for n in x.shape[1:-1]], [], []
        for n, k, s, (a, b), d in zip(sizes, kernel, strides, pads, dilations, strict=True):
            span = n + a + b - reach(k, d)
            out = (-(-span // s) if ceil else span // s) + 1
            out -= bool(ceil and (out - 1) * s >= n + a)  # the last window begins inside the input or its near padding
            outs.append(out)
            ends.append((a, max(b, (out - 1) * s + reach(k, d) - n - a)))
        if any(n for p in ends for n in p):
            x = keras.ops.pad(x, [(0, 0), *ends, (0, 0)], mode="constant",
                              constant_values=0.0 if mean else float("-inf"))  # fmt: skip
        plain = len(kernel) < 3 and all(d == 1 for d in dilations)
        how = (tuple(kernel), tuple(strides), "valid", "channels_last")
        if not mean:
            return keras.ops.max_pool(x, *how) if plain else \
                reduce(_ops("maximum"), _taps(x, kernel, strides, dilations, outs))  # fmt: skip
        inside = np.zeros([n + a + b for n, (a, b) in zip(sizes, ends, strict=True)])
        real = pads if include else [(0, 0)] * len(sizes)
        inside[tuple(slice(a - c, a + n + d) for n, (a, _), (c, d) in zip(sizes, ends, real, strict=True))] = 1
        count = sum(_taps(inside[None, ..., None], kernel, strides, dilations, outs))
        if not plain:
            return sum(_taps(x, kernel, strides, dilations, outs)) / from_numpy(count.astype(_dtype(x)))
        y, whole = keras.ops.average_pool(x, *how), float(np.prod(kernel))
        return y if (count == whole).all() else y * from_numpy((whole / count).astype(_dtype(x)))

    return pool


def _concat(parts: Sequence[Any], axis: int) -> Any:
    like = _dtype(next(p for p in parts if not isinstance(p, np.ndarray)))
    full = [from_numpy(p.astype(like)) if isinstance(p, np.ndarray) else p for p in parts]
    return keras.ops.concatenate(full, axis)


def _slice(x: Any, cuts: Sequence[Any]) -> Any:
    cuts = list(cuts)
    for axis, cut in enumerate(cuts):
        if isinstance(cut, slice) and (cut.step or 1) < 0:
            x, n = keras.ops.flip(x, axis), int(x.shape[axis])
            start, stop, step = cut.indices(n)
            cuts[axis] = slice(n - 1 - start, n - 1 - stop, -step)
    return x[tuple(cuts)]


def _gather(table: Any, at: Any, axis: int) -> Any:
    size = int(table.shape[axis])
    at = np.where(at < 0, at + size, at) if isinstance(at, np.ndarray) else keras.ops.where(at < 0, at + size, at)
    return keras.ops.take(table, at, axis)


def _resample(x: Any, matrix: Callable[[int], np.ndarray], axis: int) -> Any:
    weights = from_numpy(matrix(int(x.shape[axis])).astype(_dtype(x)))
    return keras.ops.moveaxis(keras.ops.tensordot(x, weights, axes=[[axis], [1]]), -1, axis)


def _trilu(x: Any, k: Any = 0, upper: int = 1) -> Any:
    kept = np.tri(int(x.shape[-2]), int(x.shape[-1]), int(k) - 1 if upper else int(k), dtype=bool)
    return keras.ops.where(~kept if upper else kept, x, keras.ops.zeros_like(x))


def _topk(x: Any, k: np.ndarray, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    if not largest or axis not in (-1, len(x.shape) - 1):
        raise XconvError("it takes the smallest, or another axis than the last")
    return list(keras.ops.top_k(x, int(k.ravel()[0])))


# ONNX's name to keras.ops's, where settings are none; names that are the same but for capitals stand alone.
_SAME = {name: name.lower() for name in (
    "Relu Sigmoid Tanh Exp Log Sqrt Abs Sign Floor Ceil Round Erf Sin Cos Tan Sinh Cosh Reciprocal Softplus Softsign "
    "IsNaN IsInf MatMul Where").split()} | {
    "Neg": "negative", "Asin": "arcsin", "Acos": "arccos", "Atan": "arctan", "Asinh": "arcsinh", "Acosh": "arccosh",
    "Atanh": "arctanh", "HardSwish": "hard_silu", "Not": "logical_not", "Turn": "transpose",
}  # fmt: skip
_BOTH = {
    "Sub": "subtract", "Mul": "multiply", "Pow": "power", "Max": "maximum", "Min": "minimum",
    "Equal": "equal", "Greater": "greater", "Less": "less", "GreaterOrEqual": "greater_equal",
    "LessOrEqual": "less_equal", "And": "logical_and", "Or": "logical_or", "Xor": "logical_xor",
}  # fmt: skip
_OVER = {f"Reduce{name}": name.lower() for name in ("Mean", "Sum", "Max", "Min", "Prod", "LogSumExp")}

_OPERATORS: Mapping[str, Callable[..., Any]] = {
    **{onnx: _ops(name) for onnx, name in _SAME.items()}, **{onnx: _pair(name) for onnx, name in _BOTH.items()},
    **{onnx: _over(name) for onnx, name in _OVER.items()},
    "Constant": lambda array: array, "IsFloat": lambda x: "float" in _dtype(x),
    "LeakyRelu": lambda x, alpha=0.01: keras.ops.leaky_relu(x, negative_slope=alpha),
    "Elu": lambda x, alpha=1.0: keras.ops.elu(x, alpha=alpha),
    "Celu": lambda x, alpha=1.0: keras.ops.celu(x, alpha=alpha),
    "Gelu": lambda x, approximate="none": keras.ops.gelu(x, approximate=approximate == "tanh"),
    "Mish": lambda x: x * keras.ops.tanh(keras.ops.softplus(x)), "Clip": _clip, "Add": _add, "Sum": _add, "Div": _div,
    "Mod": _mod,
    "ArgMax": lambda x, axis, keepdims: keras.ops.argmax(x, axis, keepdims),
    "ArgMin": lambda x, axis, keepdims: keras.ops.argmin(x, axis, keepdims),
    "Softmax": lambda x, axis: keras.ops.softmax(x, axis), "LogSoftmax": lambda x, axis: keras.ops.log_softmax(x, axis),
    "CumSum": lambda x, axis, **_: keras.ops.cumsum(x, int(axis)),
    "Reshape": lambda x, shape: keras.ops.reshape(x, tuple(shape)),
    "Expand": lambda x, shape: keras.ops.broadcast_to(x, tuple(shape)),
    "Tile": lambda x, repeats: keras.ops.tile(x, tuple(repeats)), "Concat": _concat, "Slice": _slice,
    "Split": lambda x, sizes, axis: keras.ops.split(x, [int(n) for n in np.cumsum(sizes)[:-1]], axis),
    "Gather": _gather, "GatherElements": lambda x, at, axis=0: keras.ops.take_along_axis(x, at, axis),
    "Cast": lambda x, dtype: keras.ops.cast(x, keras.config.floatx() if dtype == "f" else dtype), "Pad": _pad,
    "Trilu": _trilu, "Einsum": lambda *xs, equation: keras.ops.einsum(equation, *xs), "TopK": _topk,
    "MaxPool": _pool(mean=False), "AveragePool": _pool(mean=True), "Resample": _resample,
}  # fmt: skip
FUNCTIONS = {**_OPERATORS, **composed(_OPERATORS, _ops("selu"), _ops("hard_sigmoid"), _ops("silu"))}

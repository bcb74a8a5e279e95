"""Pooling layers of Keras."""

from typing import Any

from .. import kit
from .convolutions import _channels_last, _out, window
from .pen import Pen, Value, layer


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

"""Normalisations and rescalings of Keras."""

from typing import Any

import numpy as np

from .. import kit
from ..kit import NotKnown
from .pen import Pen, Value, layer


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

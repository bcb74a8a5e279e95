"""Activations of Keras, as layers and by name."""

from typing import Any

import numpy as np

from .. import kit
from ..kit import NotKnown
from .pen import Pen, Value, layer, operation

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

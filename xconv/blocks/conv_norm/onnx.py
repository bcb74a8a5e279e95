"""Convolution, batch normalisation, activation as an ONNX user writes it: one convolution that holds both."""

from collections.abc import Mapping, Sequence

import numpy as np

from xconv.blocks.conv.onnx import activated
from xconv.blocks.conv.spec import Config as Conv
from xconv.onnx.graph import Graph

from .spec import Config, conv, folded


def graph(g: Graph, c: Config, x: str, path: str = "") -> str:
    inner = g.scope(path) if path else g
    return activated(g, convolution(inner, conv(c), x, "conv", "norm", c.epsilon), c.activation)


def convolution(g: Graph, c: Conv, x: str, path: str, norm: str, epsilon: float = 1e-5) -> str:
    """The convolution at `path`, evenly padded, with the normalisation at `norm` in its weights; their names say so."""
    kernel, bias = folded(g.array(f"{path}.weight"), numbers(g, norm), epsilon)
    names = g.weight(f"{path}+{norm}.weight", kernel), g.weight(f"{path}+{norm}.bias", bias)
    high, wide = (k // 2 for k in c.kernel)
    return g.Conv(x, *names, kernel_shape=c.kernel, strides=c.stride, group=c.groups, pads=[high, wide, high, wide])


def numbers(g: Graph, norm: str) -> list[np.ndarray]:
    """Scale, shift, mean and variance of the normalisation at `norm`."""
    return [g.array(f"{norm}.{name}") for name in ("weight", "bias", "running_mean", "running_var")]


def residual(g: Graph, path: Mapping[str, Config], shortcut: Sequence[Config], x: str) -> str:
    """relu(path(x) + shortcut(x)); an empty shortcut is `x` itself."""
    y = x
    for name, cell in path.items():
        y = graph(g, cell, y, name)
    for cell in shortcut:
        x = graph(g, cell, x, "shortcut")
    return g.Relu(g.Add(y, x))

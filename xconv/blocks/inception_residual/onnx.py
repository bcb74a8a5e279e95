"""Residual inception as an ONNX user writes it: the scale stands in the mixing convolution's weights."""

from dataclasses import replace

from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.onnx.graph import Graph

from .spec import Config, branches


def graph(g: Graph, c: Config, x: str) -> str:
    found = []
    for branch in branches(c):
        y, last = x, list(branch)[-1]
        for name, cell in branch.items():  # one ReLU after the Concat serves all branches
            y = conv_norm.graph(g, replace(cell, activation=None) if name == last else cell, y, name)
        found.append(y)
    names = [g.weight(f"mix.{name}*scale", _scaled(g.array(f"mix.{name}"), c.scale)) for name in ("weight", "bias")]
    return g.Relu(g.Add(x, g.Conv(g.Relu(g.Concat(*found, axis=1)), *names, kernel_shape=[1, 1])))


def _scaled(array, scale):
    return (array.astype("float64") * scale).astype(array.dtype)

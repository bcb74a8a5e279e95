"""ResNeXt's three forms as an ONNX user writes them; "sum" is one Sum of all paths and the shortcut."""

from dataclasses import replace

from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.blocks.conv_norm.spec import folded
from xconv.onnx.graph import Graph

from .spec import Config, expand, one_path, path, shortcut


def graph(g: Graph, c: Config, x: str) -> str:
    if c.form == "grouped":
        return conv_norm.residual(g, path(c), shortcut(c), x)
    found = []
    for j in range(c.cardinality):
        y = x
        for name, cell in one_path(c).items():
            if c.form == "concat" and name == "map":
                cell = replace(cell, activation=None)  # one ReLU after the Concat serves all paths
            y = conv_norm.graph(g, cell, y, f"{name}.{j}")
        found.append(y)
    for cell in shortcut(c):
        x = conv_norm.graph(g, cell, x, "shortcut")
    if c.form == "concat":
        return g.Relu(g.Add(conv_norm.graph(g, expand(c), g.Relu(g.Concat(*found, axis=1)), "expand"), x))
    return g.Relu(g.Sum(*(_expanded(g, y, j) for j, y in enumerate(found)), x))


def _expanded(g: Graph, y: str, j: int) -> str:
    """A path's last convolution with the normalisation of the sum in its weights; the first has the shift for all."""
    kernel, bias = folded(g.array(f"expand.{j}.weight"), conv_norm.numbers(g, "norm"))
    names = [g.weight(f"expand.{j}+norm.weight", kernel)] + ([g.weight("norm.shift", bias)] if j == 0 else [])
    return g.Conv(y, *names, kernel_shape=[1, 1])

"""Inception v1 as an ONNX user writes it: one ReLU after the Concat serves all branches."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, paths


def graph(g: Graph, c: Config, x: str) -> str:
    found = []
    for path in paths(c):
        y = g.MaxPool(x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]) if "project" in path else x
        for name, part in path.items():
            y = conv.graph(g, part, y, name)
        found.append(y)
    return g.Relu(g.Concat(*found, axis=1))

"""Inverted residual as an ONNX user writes it: convolutions that hold their normalisations, Clip, Add."""

from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.onnx.graph import Graph

from .spec import Config, path


def graph(g: Graph, c: Config, x: str) -> str:
    y = x
    for name, cell in path(c).items():
        y = conv_norm.graph(g, cell, y, name)
    return g.Add(x, y) if c.stride == 1 and c.cin == c.cout else y

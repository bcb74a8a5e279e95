"""Parallel add as an ONNX user writes it: two convolutions, Add, ReLU."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, branch


def graph(g: Graph, c: Config, x: str) -> str:
    return g.Relu(g.Add(*(conv.graph(g, branch(c), x, path) for path in ("plain", "orthogonal"))))

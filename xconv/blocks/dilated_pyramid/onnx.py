"""Pyramid of dilations as an ONNX user writes it: one convolution per branch, Concat, one ReLU, one convolution."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, branches


def graph(g: Graph, c: Config, x: str) -> str:
    x = g.Concat(*(conv.graph(g, branch, x, f"branches.{k}") for k, branch in enumerate(branches(c))), axis=1)
    return g.Conv(g.Relu(x), *g.weights("mix"), kernel_shape=[1, 1]) if c.cout else x

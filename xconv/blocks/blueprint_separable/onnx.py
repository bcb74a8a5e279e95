"""Separable convolution, pointwise first, as an ONNX user writes it: a 1x1, then as many groups as channels."""

from xconv.blocks.conv import onnx as conv
from xconv.blocks.depthwise import onnx as depthwise
from xconv.onnx.graph import Graph

from .spec import Config, parts


def graph(g: Graph, c: Config, x: str) -> str:
    first, second = parts(c)
    return depthwise.graph(g, second, conv.graph(g, first, x, "pointwise"), "depthwise")

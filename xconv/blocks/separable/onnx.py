"""Separable convolution as an ONNX user writes it: a convolution with as many groups as channels, then a 1x1."""

from xconv.blocks.conv import onnx as conv
from xconv.blocks.depthwise import onnx as depthwise
from xconv.onnx.graph import Graph

from .spec import Config, parts


def graph(g: Graph, c: Config, x: str) -> str:
    first, second = parts(c)
    return conv.graph(g, second, depthwise.graph(g, first, x, "depthwise"), "pointwise")

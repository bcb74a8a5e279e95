"""Depthwise convolution as an ONNX user writes it: a convolution with as many groups as channels."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, grouped


def graph(g: Graph, c: Config, x: str, path: str = "") -> str:
    return conv.graph(g, grouped(c), x, path)

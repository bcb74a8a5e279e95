"""Grouped convolution as an ONNX user writes it: `group`."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, as_conv


def graph(g: Graph, c: Config, x: str, path: str = "") -> str:
    return conv.graph(g, as_conv(c), x, path)

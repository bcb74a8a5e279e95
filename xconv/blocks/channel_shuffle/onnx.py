"""Channel shuffle as an ONNX user writes it: one Gather along the channels, at any size."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph
from xconv.onnx.kit import ints

from .spec import Config, order, parts


def graph(g: Graph, c: Config, x: str) -> str:
    first, second = parts(c)
    x = g.Gather(conv.graph(g, first, x, "squeeze"), ints(g, order(c.width, c.groups)), axis=1)
    return conv.graph(g, second, x, "expand")

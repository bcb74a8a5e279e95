"""CP convolution as an ONNX user writes it: four convolutions."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, convs


def graph(g: Graph, c: Config, x: str) -> str:
    for path, part in convs(c).items():
        x = conv.graph(g, part, x, path)
    return x

"""MobileNetV2 as an ONNX user writes it."""

from xconv.blocks._nets.onnx import head
from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.blocks.inverted_residual import onnx as inverted
from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    x = conv_norm.graph(g, c.stem, x, "stem")
    for name, block in c.blocks.items():
        x = inverted.graph(g.scope(name), block, x)
    return head(g, conv_norm.graph(g, c.last, x, "last"))

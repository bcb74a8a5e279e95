"""Bottleneck residual block as an ONNX user writes it: convolutions that hold their normalisations, Add, ReLU."""

from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.onnx.graph import Graph

from .spec import Config, path, shortcut


def graph(g: Graph, c: Config, x: str) -> str:
    return conv_norm.residual(g, path(c), shortcut(c), x)

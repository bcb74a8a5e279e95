"""Bottleneck as an ONNX user writes it: three convolutions and two ReLUs."""

from xconv.blocks.conv import onnx as conv
from xconv.blocks.conv.spec import Config as Conv
from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    middle = Conv(c.squeezed, c.squeezed, (c.kernel,) * 2, (c.stride,) * 2, "same", activation="relu")
    x = g.Relu(g.Conv(x, *g.weights("squeeze"), kernel_shape=[1, 1]))
    x = conv.graph(g, middle, x, "map")
    return g.Conv(x, *g.weights("expand"), kernel_shape=[1, 1])

"""Inception net as an ONNX user writes it."""

from xconv.blocks._nets.onnx import head
from xconv.blocks.inception_v1 import onnx as inception
from xconv.onnx.graph import Graph

from .spec import Config, pooled


def graph(g: Graph, c: Config, x: str) -> str:
    x = g.Relu(g.Conv(x, *g.weights("stem"), kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    for name, module in c.modules.items():
        if pooled(name):
            x = g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2])
        x = inception.graph(g.scope(name), module, x)
    return head(g, x)

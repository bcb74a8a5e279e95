"""Squeeze and excite as an ONNX user writes it: GlobalAveragePool, two convolutions, ReLU, Sigmoid, Mul."""

from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    squeezed = g.Relu(g.Conv(g.GlobalAveragePool(x), *g.weights("squeeze"), kernel_shape=[1, 1]))
    return g.Mul(x, g.Sigmoid(g.Conv(squeezed, *g.weights("excite"), kernel_shape=[1, 1])))

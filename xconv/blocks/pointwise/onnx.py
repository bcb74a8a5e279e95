"""Pointwise convolution as an ONNX user writes it: a 1x1, whichever twin the weights come from."""

from xconv.blocks.conv.onnx import activated
from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str, path: str = "") -> str:
    name = f"{path}.weight" if path else "weight"
    kernel, *bias = g.weights(path)
    if "torch" in c.dense:
        kernel = g.weight(f"{name}.1x1", g.array(name).reshape(c.cout, c.cin, *(1,) * c.rank))
    return activated(g, g.Conv(x, kernel, *bias, kernel_shape=(1,) * c.rank), c.activation)

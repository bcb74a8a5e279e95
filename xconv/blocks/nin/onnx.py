"""Network in Network as an ONNX user writes it."""

from xconv.blocks.conv import onnx as conv
from xconv.blocks.conv.spec import Config as Conv
from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    for k, stage in enumerate(c.layers):
        if k:
            x = g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2])
        for name, cin, cout, kernel in stage:
            x = conv.graph(g, Conv(cin, cout, (kernel,) * 2, padding="same", activation="relu"), x, name)
    x = g.Flatten(g.GlobalAveragePool(x))
    return g.Softmax(x, axis=1) if c.softmax else x

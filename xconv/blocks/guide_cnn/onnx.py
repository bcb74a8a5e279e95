"""The guide's CNN as an ONNX user writes it: Gemm is the dense layer, and its weights need no transposing."""

from xconv.blocks.conv import onnx as conv
from xconv.blocks.conv.spec import Config as Conv
from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    for path, cin, cout in (("conv1", c.cin, c.widths[0]), ("conv2", *c.widths)):
        x = conv.graph(g, Conv(cin, cout, (c.kernel,) * 2, padding=c.padding, activation="relu"), x, path)
        x = g.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.Relu(g.Gemm(g.Flatten(x), *g.weights("hidden"), transB=1))
    x = g.Gemm(x, *g.weights("classify"), transB=1)
    return g.Softmax(x, axis=1) if c.softmax else x

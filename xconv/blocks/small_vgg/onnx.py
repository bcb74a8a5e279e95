"""VGG as an ONNX user writes it."""

from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    for stage in c.convs:
        for name, _, _ in stage:
            x = g.Relu(g.Conv(x, *g.weights(name), kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        x = g.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.Flatten(x)
    for name, _, _ in c.dense:
        x = g.Gemm(x, *g.weights(name), transB=1)
        x = g.Softmax(x, axis=1) if name == c.dense[-1][0] else g.Relu(x)
    return x

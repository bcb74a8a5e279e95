"""LeNet-5 as an ONNX user writes it."""

from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    for path in ("conv1", "conv2"):
        x = g.Tanh(g.Conv(x, *g.weights(path), kernel_shape=[5, 5]))
        x = g.AveragePool(x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.Flatten(x)
    for path in ("fc1", "fc2"):
        x = g.Tanh(g.Gemm(x, *g.weights(path), transB=1))
    x = g.Gemm(x, *g.weights("fc3"), transB=1)
    return g.Softmax(x, axis=1) if c.softmax else x

"""Satellite net as an ONNX user writes it: dropout is for training alone and leaves no node."""

from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str) -> str:
    for keeping, shrinking in (("conv1", "conv2"), ("conv3", "conv4")):
        x = g.Relu(g.Conv(x, *g.weights(keeping), kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        x = g.Relu(g.Conv(x, *g.weights(shrinking), kernel_shape=[3, 3]))
        x = g.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.Relu(g.Gemm(g.Flatten(x), *g.weights("hidden"), transB=1))
    return g.Softmax(g.Gemm(x, *g.weights("classify"), transB=1), axis=1)

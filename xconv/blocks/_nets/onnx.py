"""The head of a net, as nodes."""

from xconv.onnx.graph import Graph


def head(g: Graph, x: str) -> str:
    """Mean over space, dense, softmax."""
    return g.Softmax(g.Gemm(g.Flatten(g.GlobalAveragePool(x)), *g.weights("classify"), transB=1), axis=1)

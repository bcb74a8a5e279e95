"""Pre-activation residual block as an ONNX user writes it: only the first normalisation needs a node of its own."""

from xconv.blocks.conv import onnx as conv
from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.onnx.graph import Graph

from .spec import Config, first, second, shortcut


def graph(g: Graph, c: Config, x: str) -> str:
    # ONNX's attributes are float32, so the epsilon stands in the variance.
    variance = g.array("norm.running_var")
    spread = g.weight("norm.running_var+epsilon", (variance.astype("float64") + 1e-5).astype(variance.dtype))
    active = g.Relu(g.BatchNormalization(x, *g.weights("norm")[:3], spread, epsilon=0.0))
    y = conv.graph(g, second(c), conv_norm.graph(g, first(c), active, "conv1"), "conv2")
    for projection in shortcut(c):
        x = conv.graph(g, projection, active, "shortcut")
    return g.Add(y, x)

"""Convolution as an ONNX user writes it: one node, explicit pads, then the activation."""

from xconv.geometry import resolve_pads
from xconv.onnx.graph import Graph

from .spec import Config


def graph(g: Graph, c: Config, x: str, path: str = "") -> str:
    x = g.Conv(x, *g.weights(path), kernel_shape=c.kernel, strides=c.stride, dilations=c.dilation, group=c.groups,
               **pads(c))  # fmt: skip
    return getattr(g, c.activation.capitalize())(x) if c.activation else x


def pads(c: Config) -> dict:
    """Explicit pads; strided "same" depends on the size, and only SAME_UPPER says so in one node.

    Raises:
        ValueError: for strided "same" with dilation, which runtimes refuse.
    """
    if c.padding == "same" and any(s > 1 for s in c.stride):
        if any(d > 1 for d in c.dilation):
            raise ValueError("strided same padding with dilation needs a fixed size")
        return {"auto_pad": "SAME_UPPER"}
    pairs = resolve_pads(c.padding, (1 << 20,) * len(c.kernel), c.kernel, c.stride, c.dilation)
    return {"pads": [before for before, _ in pairs] + [after for _, after in pairs]}

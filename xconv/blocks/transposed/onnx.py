"""Transposed convolution as an ONNX user writes it: one node; pads cut, output_padding extends."""

from xconv.blocks.conv.onnx import activated
from xconv.onnx.graph import Graph

from .spec import Config, cuts


def graph(g: Graph, c: Config, x: str, path: str = "") -> str:
    before, after = zip(*cuts(c.kernel, c.stride, c.padding, c.output_padding, c.dilation), strict=True)
    more = [-cut for cut in after] if min(after) < 0 else None
    x = g.ConvTranspose(
        x, *g.weights(path), kernel_shape=c.kernel, strides=c.stride, dilations=c.dilation, group=c.groups,
        pads=[*before, *(max(cut, 0) for cut in after)], output_padding=more and [max(m, 0) for m in more],
    )  # fmt: skip
    return activated(g, x, c.activation)

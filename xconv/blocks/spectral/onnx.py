"""Spectral convolution as an ONNX user writes it: a 1x1 whose matrix of bands has the kernel along its diagonal.

One node at any image size, where the pixels' way through a 1D convolution takes seven. Bands are few, so the zeros
beside the diagonal cost little.
"""

import numpy as np

from xconv.blocks.conv.onnx import activated
from xconv.geometry import resolve_pads
from xconv.onnx.graph import Graph

from .spec import Config, along, out_bands


def graph(g: Graph, c: Config, x: str) -> str:
    a, bands, kernel = along(c), out_bands(c), g.array("along.weight")
    ((before, _),) = resolve_pads(a.padding, (c.bands,), a.kernel, a.stride, a.dilation)
    matrix = np.zeros((bands, c.filters, c.bands, 1, 1), kernel.dtype)
    for band in range(bands):
        for tap in range(c.kernel):
            source = band * c.stride + tap * c.dilation - before
            if 0 <= source < c.bands:
                matrix[band, :, source, 0, 0] = kernel[:, 0, tap]
    weights = [g.weight("along.matrix", matrix.reshape(-1, c.bands, 1, 1))]
    if c.bias:
        weights.append(g.weight("along.offsets", np.tile(g.array("along.bias"), bands)))
    return activated(g, g.Conv(x, *weights, kernel_shape=[1, 1]), c.activation)

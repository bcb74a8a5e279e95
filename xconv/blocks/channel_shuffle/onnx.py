"""Channel shuffle as an ONNX user writes it: one Gather along the channels, at any size."""

import numpy as np

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, order, parts


def graph(g: Graph, c: Config, x: str) -> str:
    first, second = parts(c)
    name = f"shuffle_{c.width}_{c.groups}"
    x = g.Gather(conv.graph(g, first, x, "squeeze"), g.constant(name, np.array(order(c.width, c.groups))), axis=1)
    return conv.graph(g, second, x, "expand")

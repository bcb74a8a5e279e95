"""Two towers as an ONNX user writes them: one convolution with two groups, whose weights are both towers' together."""

import numpy as np

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, parts


def graph(g: Graph, c: Config, x: str) -> str:
    towers, cross = parts(c)
    both = [
        g.weight(f"towers.{word}", np.concatenate([g.array(f"{side}.{word}") for side in ("left", "right")]))
        for word in ("weight", "bias")
    ]
    return conv.graph(g, cross, conv.graph(g, towers, x, weights=both), "cross")

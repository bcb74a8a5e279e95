"""Parallel merge as an ONNX user writes it: one convolution per branch, one variadic Max or Mean, ReLU."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, branches


def graph(g: Graph, c: Config, x: str) -> str:
    found = [conv.graph(g, branch, x, f"branches.{k}") for k, branch in enumerate(branches(c))]
    return g.Relu((g.Max if c.merge == "max" else g.Mean)(*found))

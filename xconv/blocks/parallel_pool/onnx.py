"""Parallel pool as an ONNX user writes it: one pooling after the Concat, since it acts on each channel alone."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, branches


def graph(g: Graph, c: Config, x: str) -> str:
    found = [conv.graph(g, branch, x, f"branches.{k}") for k, branch in enumerate(branches(c))]
    pooled = g.MaxPool(g.Concat(*found, axis=1), kernel_shape=[c.pool] * 2, strides=[c.pool] * 2)
    return g.Conv(pooled, *g.weights("mix"), kernel_shape=[1, 1])

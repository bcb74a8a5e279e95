"""Parallel concat as an ONNX user writes it: one convolution per branch, Concat, one ReLU, one convolution."""

from xconv.blocks.conv import onnx as conv
from xconv.onnx.graph import Graph

from .spec import Config, branches


def graph(g: Graph, c: Config, x: str) -> str:
    found = [conv.graph(g, branch, x, f"branches.{k}") for k, branch in enumerate(branches(c))]
    return g.Conv(g.Relu(g.Concat(*found, axis=1)), *g.weights("mix"), kernel_shape=[1, 1])

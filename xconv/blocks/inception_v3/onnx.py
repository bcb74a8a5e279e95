"""Inception v3 as an ONNX user writes it: one ReLU after the Concat serves all branches."""

from dataclasses import replace

from xconv.blocks.conv_norm import onnx as conv_norm
from xconv.onnx.graph import Graph

from .spec import Config, branches


def graph(g: Graph, c: Config, x: str) -> str:
    found = []
    for branch in branches(c):
        y = g.AveragePool(x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]) if "project" in branch else x
        *inner, last = branch.items()
        for name, cell in inner:
            y = conv_norm.graph(g, cell, y, name)
        found.append(conv_norm.graph(g, replace(last[1], activation=None), y, last[0]))
    return g.Relu(g.Concat(*found, axis=1))

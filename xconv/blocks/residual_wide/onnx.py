"""Wide residual block as an ONNX user writes it: as the pre-activation block that it is."""

from xconv.blocks.residual_preact import onnx as preact
from xconv.onnx.graph import Graph

from .spec import Config, inner


def graph(g: Graph, c: Config, x: str) -> str:
    return preact.graph(g, inner(c), x)

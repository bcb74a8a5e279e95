"""What a node asks of a layer, in either framework: weights and settings; what neither can do is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .....errors import XconvError
from ..graph import Graph, Node


def built(graph: Graph, builders: Mapping[str, Callable[..., Any]], *more: Any) -> dict[str, Any]:
    """The layers of a graph by their nodes' names; what is called twice with the same weights is one layer."""
    made: dict[tuple, Any] = {}
    found = {}
    for node in graph.nodes:
        if node.op in builders:
            key = (node.op, node.inputs[1:], str(node.settings))
            if key not in made:
                made[key] = builders[node.op](graph, node, *more)
            if made[key] is not None:
                found[node.name] = made[key]
    return found


def held(graph: Graph, node: Node) -> dict[str, np.ndarray]:
    """The constants that a node which is no layer holds: all that are more than one number."""
    arrays = {f"constant{i}": graph.constants[n] for i, n in enumerate(node.inputs) if n in graph.constants}
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f" and array.size > 1}


def weights(graph: Graph, node: Node, count: int) -> list[Any]:
    """The arrays of a layer's first inputs behind the one that is fed, None where there is none."""
    names = [node.input(i) for i in range(1, count + 1)]
    if any(name and name not in graph.constants for name in names):
        why = "has weights that are computed while it runs"
        if any("Linear" in other.op for other in graph.nodes):
            why = "is quantised: name the file of floats that it was made from"
        raise XconvError(f"{graph.file}: {node.name} ({node.op}) {why}")
    return [graph.constants[name] if name else None for name in names]


def rank(graph: Graph, node: Node) -> int:
    """Axes of what a node is fed."""
    return graph.ranks.get(node.inputs[0], graph.ranks.get(node.outputs[0], 4))


def norm(graph: Graph, node: Node) -> tuple[list[Any], float]:
    """Scale, shift, mean and variance of a normalisation, and its epsilon."""
    if node.op == "GroupNormalization" and graph.opset < 21 and not node.settings.get("by_channel"):
        raise XconvError(
            f"{graph.file}: {node.name} (GroupNormalization) is of an opset before 21, which scales groups"
        )
    return weights(graph, node, 4), node.settings.get("epsilon", 1e-5)


def slope(graph: Graph, node: Node) -> np.ndarray | None:
    """A PRelu's slope, if it is one number, or one for each channel."""
    array = graph.constants.get(node.input(1))
    if array is None or array.size == 1:
        return array
    return array if array.ndim == rank(graph, node) - 1 and array.size == array.shape[0] else None


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer; each direction has a kernel, a recurrent kernel and two biases, or none."""

    inputs: int
    hidden: int
    relu: bool
    sides: tuple[tuple[np.ndarray, ...], ...]

    @property
    def bias(self) -> bool:
        return len(self.sides[0]) > 2


_USUAL = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}


def recurrent(graph: Graph, node: Node, order: list[int]) -> Recurrent:
    """What a recurrent node asks for, its gates in a framework's order.

    Raises:
        XconvError: if the frameworks' layers cannot do it.
    """
    s = node.settings
    acts = [a.lower() for a in s.get("activations", [])]
    usual = _USUAL[node.op]
    relu = node.op == "RNN" and set(acts) == {"relu"}
    odd = acts and not relu and acts != usual * (len(acts) // len(usual))
    states = [graph.constants[n] for n in node.inputs[5:7] if n in graph.constants]
    if odd or s.get("direction") == "reverse" or s.get("layout") or s.get("clip") or node.input(4) or node.input(7) or (
        node.op == "GRU" and not s.get("linear_before_reset")) or any(a.any() for a in states):  # fmt: skip
        raise XconvError(f"{graph.file}: {node.name} ({node.op}) has settings that torch's and Keras's layers have not")
    kernel, inner, bias = weights(graph, node, 3)

    def moved(array: np.ndarray) -> np.ndarray:
        return array.reshape(len(order), s["hidden_size"], *array.shape[1:])[order].reshape(array.shape)

    biases = [()] * len(kernel) if bias is None else [np.split(b, 2) for b in bias]
    sides = tuple(tuple(map(moved, (k, r, *b))) for k, r, b in zip(kernel, inner, biases, strict=True))
    return Recurrent(kernel.shape[2], s["hidden_size"], relu, sides)

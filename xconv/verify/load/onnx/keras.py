"""An ONNX graph as a Keras layer with channels last: Keras's layers where an operator is one, keras.ops otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from ....errors import XconvError
from .functions.keras import FUNCTIONS
from .graph import Graph, Input, Node
from .layers.asked import built, held
from .layers.keras import LAYER, said
from .operands import Room
from .walk import run, seat


@contextmanager
def plainly() -> Iterator[None]:
    """Our sentences pass through Keras's calls without what it adds to errors."""
    try:
        yield
    except XconvError as error:
        error._keras_call_info_injected = True  # type: ignore[attr-defined]
        raise


class Call(keras.layers.Layer):
    """One node that is no layer; its constants are variables that nothing trains."""

    def __init__(self, graph: Graph, node: Node, dtype: str):
        super().__init__(name=said(node.name), dtype=dtype)
        for name, array in held(graph, node).items():
            variable = self.add_weight(shape=array.shape, name=name, trainable=False)
            variable.assign(array)
            setattr(self, name, variable)
        self.built = True

    def call(self, *tensors: Any) -> Any:
        with plainly():
            return self.__dict__["job"](*tensors)


class Net(keras.layers.Layer):
    """A graph; it takes its inputs with channels last."""

    def __init__(self, graph: Graph):
        dtype = next((i.dtype for i in graph.inputs if "float" in i.dtype), "float32")
        super().__init__(name="onnx", dtype=dtype)
        self._xconv_file = graph.file
        layers = built(graph, LAYER, dtype)
        calls = {node.name: Call(graph, node, dtype) for node in graph.nodes if node.name not in layers}
        self.rooms = {node.name: layers.get(node.name) or calls[node.name] for node in graph.nodes}
        self._room = Room(graph, FUNCTIONS, True, layers, calls)
        self.inputs = [_symbol(i) for i in graph.inputs]
        self.built = True

    def call(self, *inputs: Any) -> Any:
        with plainly():
            found = run(self._room, inputs)
        return found[0] if len(found) == 1 else tuple(found)


def _symbol(given: Input) -> Any:
    sizes = [given.shape[i] for i in np.argsort(seat(len(given.shape), given.channels, last=True))]
    return keras.KerasTensor((None, *sizes[1:]) if sizes else (), given.dtype)


def net(graph: Graph) -> Net:
    """The layer of a graph."""
    return Net(graph)


__all__ = ["Net", "net"]

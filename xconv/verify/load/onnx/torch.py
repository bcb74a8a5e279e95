"""An ONNX graph as a torch module: real layers of torch.nn where an operator is one, functions for the others."""

from typing import Any

import numpy as np
import torch
from torch import nn

from .functions.torch import FUNCTIONS
from .graph import Graph, Node
from .layers.asked import built, held
from .layers.torch import LAYER, tensor
from .operands import Room
from .walk import run, seat


class Call(nn.Module):
    """One node that is no layer; its constants are buffers."""

    def __init__(self, graph: Graph, node: Node):
        super().__init__()
        for name, array in held(graph, node).items():
            self.register_buffer(name, tensor(array))

    def forward(self, *tensors: Any) -> Any:
        return self.__dict__["job"](*tensors)


class Net(nn.Module):
    """A graph; `forward` takes its inputs with channels first. Nothing but nodes bears a name that a path may hold."""

    def __init__(self, graph: Graph):
        super().__init__()
        self._xconv_file = graph.file
        self.declared = [
            tuple(i.shape[axis] for axis in np.argsort(seat(len(i.shape), i.channels, last=False)))
            for i in graph.inputs
        ]
        layers = built(graph, LAYER)
        calls = {node.name: Call(graph, node) for node in graph.nodes if node.name not in layers}
        self._room = Room(graph, FUNCTIONS, False, layers, calls)
        modules = {**calls, **layers}
        names: dict[nn.Module, str] = {}  # a layer that is called twice is placed once
        for node in graph.nodes:
            names.setdefault(modules[node.name], node.name)
        for module, name in names.items():
            place(self, name, module)

    def forward(self, *inputs: torch.Tensor) -> Any:
        found = run(self._room, inputs)
        return found[0] if len(found) == 1 else tuple(found)


def path(name: str) -> str:
    """A node's name as a module's: dots part, so that a layer has the path that its weights are named by.

    >>> path("/block/Conv"), path("stem.0"), path("type")
    ('block.Conv', 'stem.0', 'type_')
    """
    parts = [part for part in name.replace("/", ".").split(".") if part]
    return ".".join(part + "_" if hasattr(nn.Module, part) or part in _OWN else part for part in parts)


_OWN = frozenset(vars(nn.Module()))


def place(root: nn.Module, name: str, module: nn.Module) -> None:
    *above, last = path(name).split(".")
    for part in above:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part]  # type: ignore[assignment]
    root.add_module(last, module)


def net(graph: Graph) -> Net:
    """The module of a graph, in float64."""
    return Net(graph).eval()


__all__ = ["Net", "net"]

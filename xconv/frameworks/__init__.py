"""The doors: each framework behind the same few verbs, with NumPy on this side of it.

A door has `leaves` and `load` (weights), `run` (outputs), `gradients`, and `owns` (is this model mine?).
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from ..errors import XconvError, need
from ..quiet import hush

NAMES = ("keras", "torch")  # Keras first: on its torch backend a Keras model is an nn.Module too
SAID = {"keras": "Keras", "torch": "torch"}  # in a sentence


def door(name: str) -> ModuleType:
    """The door of a framework.

    Raises:
        MissingExtra: if the framework is not installed.
    """
    hush()
    need(name, name)
    return import_module(f".{name}", __name__)


def side_of(model: Any) -> str:
    """Which framework a model belongs to: "keras" or "torch".

    Only frameworks that are already loaded are asked: whoever has a model has loaded its framework.

    Raises:
        XconvError: if it is a model of neither.
    """
    for name in NAMES:
        if name in sys.modules and door(name).owns(model):
            return name
    raise XconvError(f"{type(model).__name__} is neither a torch.nn.Module nor a keras.Layer")


def declared(model: Any) -> list[tuple[int | None, ...]]:
    """The shapes of the inputs that a model from a file (.pt2, .onnx) says in torch layout; none if it says none.

    Sizes that it leaves open are None.
    """
    if hasattr(model, "declared"):
        return list(model.declared)
    nodes = getattr(getattr(model, "graph", None), "nodes", ())
    values = [node.meta.get("val") for node in nodes if getattr(node, "op", "") == "placeholder"]
    if not all(hasattr(value, "shape") for value in values):
        return []
    return [tuple(size if isinstance(size, int) else None for size in value.shape) for value in values]

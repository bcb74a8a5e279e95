"""Keras's layers and operations written as ONNX, one function for each; values travel channels first.

Nothing here imports Keras: a layer is known by the name of its class, its settings by Keras's own words for them.
"""

from . import activations, merging, norms, operations, pooling, shapes
from .convolutions import by_room, catalogue
from .pen import LAYERS, OPS, Pen, Value

__all__ = ["LAYERS", "OPS", "Pen", "Value", "activations", "by_room", "catalogue", "merging", "norms", "operations",
           "pooling", "shapes"]  # fmt: skip

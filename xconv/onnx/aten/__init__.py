"""torch's calls, as torch.export records them, written as ONNX: one function for each.

Nothing here imports torch: a call is known by the name of its operator, its arguments by torch's own words for them.
"""

from . import activations, arithmetic, convolutions, norms, reductions, shapes
from .walk import HANDLERS, Walk

__all__ = ["HANDLERS", "Walk", "activations", "arithmetic", "convolutions", "norms", "reductions", "shapes"]
